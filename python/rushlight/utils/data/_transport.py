"""How tasks and batches travel between a DataLoader and its worker processes.

A message is a pickle on a Unix socket. Small tensors are in the pickle; large ones are in anonymous memory of their own, whose descriptors
go with it, so nothing of /dev/shm is used. Where the system gives no such memory or descriptors, everything is in the pickle.
"""

from __future__ import annotations

import array
import io
import os
import pickle
import resource
import socket
import struct
import threading
from multiprocessing.reduction import DupFd, ForkingPickler
from typing import Any

import rushlight as rl
from rushlight import Tensor

from ...multiprocessing.reductions import reduce_tensor

_HEADER = struct.Struct(
    "<QIQ"
)  # bytes of the pickle; descriptors; bytes of the pickle if the first descriptor has it, else 0
_LARGE = 1 << 16  # a tensor of fewer bytes costs less in the pickle than memory of its own
_LARGE_PICKLE = 1 << 18  # about what a socket holds before the sender waits
_MOST_TENSORS = 64  # in memory of their own, of one message: a process may have 1024 descriptors
_PER_CALL = 128  # descriptors in one call; Linux takes 253

_reading = threading.local()


class _Packer(ForkingPickler):
    """Pickles tensors as views of storages, and large storages as numbers in `storages`."""

    def __init__(self, file: Any, most: int = _MOST_TENSORS) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._most = most
        self.storages: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._seen: dict[int, Any] = {}  # one object a storage, which the pickler knows again

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if type(value) is rl.UntypedStorage:
            return self._storage(value)
        return NotImplemented

    def _tensor(self, tensor: Any) -> Any:
        if tensor.layout != rl.strided:
            return tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        function, (cls, view, *rest) = reduce_tensor(tensor)
        storage = view[0]
        known = self._seen.get(storage._cdata)
        if known is None and storage.nbytes() > 2 * tensor.nbytes + 4096 and not storage.is_shared():
            # A small view of much memory: only what is seen of it goes.
            _, (_, view, *_) = reduce_tensor(tensor.detach().clone())
            storage = view[0]
        known = self._seen.setdefault(storage._cdata, storage)
        return function, (cls, (known, *view[1:]), *rest)

    def _storage(self, storage: Any) -> Any:
        if storage.device.type == "meta":
            return rl.UntypedStorage, (storage.nbytes(), "meta")
        n = storage.nbytes()
        if n >= _LARGE and len(self.storages) < self._most:
            try:
                storage.share_memory_()
            except RuntimeError:  # no memory or descriptors of that kind
                pass
            else:
                self.storages.append(storage)
                return _storage_number, (len(self.storages) - 1,)
        return _storage_of_bytes, (bytearray(storage._bytes()),)


def _storage_of_bytes(data: bytearray) -> Any:
    return rl.frombuffer(data, dtype=rl.uint8).untyped_storage() if data else rl.UntypedStorage(0)


def _storage_number(number: int) -> Any:
    return _reading.storages[number]


def pack_for_start(value: Any) -> tuple[bytes, list[tuple[Any, int]]]:
    """What a starting process gets: the pickle, and of its large tensors the descriptors and sizes.

    Python's way takes a descriptor for each tensor, however small, and a dataset may be a list of a million.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    file = io.BytesIO()
    packer = _Packer(file, most)
    packer.dump(value)
    return file.getvalue(), [(DupFd(s._shared_descriptor()), s.nbytes()) for s in packer.storages]


def unpack_at_start(data: bytes, storages: list[tuple[Any, int]]) -> Any:
    _reading.storages = [rl.UntypedStorage._from_descriptor(d.detach(), n) for d, n in storages]
    try:
        return pickle.loads(data)
    finally:
        _reading.storages = None


class Message:
    """A pickled message, ready to be sent; `release()` frees what it holds."""

    def __init__(self, value: Any) -> None:
        file = io.BytesIO()
        packer = _Packer(file)
        packer.dump(value)
        body = file.getbuffer()
        self._kept = packer.storages
        self._own = -1
        descriptors = [s._shared_descriptor() for s in packer.storages]
        sizes = [s.nbytes() for s in packer.storages]
        apart = 0
        if len(body) > _LARGE_PICKLE:
            self._own = _file_of(body)
            if self._own >= 0:
                apart, descriptors, body = len(body), [self._own, *descriptors], memoryview(b"")
        count = len(descriptors)
        head = _HEADER.pack(len(body), count, apart) + struct.pack(f"<{len(sizes)}Q", *sizes)
        self.parts: list[tuple[memoryview, list[int]]] = []
        # Descriptors go with bytes: the first with the head, further ones with a byte each.
        self.parts.append((memoryview(head), descriptors[:_PER_CALL]))
        for start in range(_PER_CALL, count, _PER_CALL):
            self.parts.append((memoryview(b"\0"), descriptors[start : start + _PER_CALL]))
        self.parts.append((body, []))

    def send_some(self, to: socket.socket, flags: int = 0) -> bool:
        """Sends what the socket takes; True when all is sent. Raises BlockingIOError with MSG_DONTWAIT."""
        while self.parts:
            data, descriptors = self.parts[0]
            if len(data):
                extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
                sent = to.sendmsg([data], extra, flags | socket.MSG_NOSIGNAL)
                if sent < len(data):
                    self.parts[0] = data[sent:], []
                    continue
            self.parts.pop(0)
        return True

    def release(self) -> None:
        if self._own >= 0:
            os.close(self._own)
            self._own = -1
        self._kept = []


def _file_of(body: memoryview) -> int:
    """A descriptor of anonymous memory with the bytes, or -1 if the system gives none."""
    descriptor = -1
    try:
        descriptor = os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
        os.posix_fallocate(descriptor, 0, len(body))
        at = 0
        while at < len(body):
            at += os.pwrite(descriptor, body[at:], at)
        return descriptor
    except OSError:
        if descriptor >= 0:
            os.close(descriptor)
        return -1


class Reader:
    """Messages out of the bytes that a socket gives."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._descriptors: list[int] = []

    def receive(self, source: socket.socket, flags: int = 0) -> bool:
        """Takes what has come. False at the end of the stream."""
        data, extra, got, _ = source.recvmsg(1 << 18, socket.CMSG_SPACE(4 * _PER_CALL), flags | socket.MSG_CMSG_CLOEXEC)
        for level, kind, raw in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors = array.array("i")
                descriptors.frombytes(raw[: len(raw) - len(raw) % descriptors.itemsize])
                self._descriptors.extend(descriptors)
        if got & socket.MSG_CTRUNC:
            raise RuntimeError(
                "DataLoader: too many open files: the system gave no file descriptor for a tensor of a batch. Raise the limit with "
                "`ulimit -n`, use smaller batches, or fewer tensors in each; "
                "torch.multiprocessing.set_sharing_strategy('file_system') changes nothing here."
            )
        self._bytes += data
        return bool(data)

    def message(self) -> Received | None:
        """The next whole message, not yet read, or None if there is none yet."""
        if len(self._bytes) < _HEADER.size:
            return None
        length, count, apart = _HEADER.unpack_from(self._bytes)
        sizes_at = _HEADER.size
        tensors = count - bool(apart)
        pads = max(0, -(-count // _PER_CALL) - 1)
        body_at = sizes_at + 8 * tensors + pads
        if len(self._bytes) < body_at + length or len(self._descriptors) < count:
            return None
        sizes = struct.unpack_from(f"<{tensors}Q", self._bytes, sizes_at)
        body: Any = bytes(memoryview(self._bytes)[body_at : body_at + length])
        del self._bytes[: body_at + length]
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return Received(body, apart, descriptors, sizes)

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []


class Received:
    """A message that came. Reading or closing it, one of the two, frees its descriptors."""

    def __init__(self, body: bytes, apart: int, descriptors: list[int], sizes: tuple[int, ...]) -> None:
        self._body, self._apart, self._descriptors, self._sizes = body, apart, descriptors, sizes

    def __call__(self) -> Any:
        left, body = self._descriptors, self._body
        try:
            if self._apart:
                with os.fdopen(left.pop(0), "rb", buffering=0) as file:
                    file.seek(0)
                    body = file.read(self._apart)
            # The mapping stays when its descriptor is closed, so batches that a program keeps cost no descriptors.
            storages = [rl.UntypedStorage._from_descriptor(left.pop(0), size, False) for size in self._sizes]
            _reading.storages = storages
            return pickle.loads(body)
        finally:
            _reading.storages = None
            self.close()

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
