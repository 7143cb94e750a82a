"""The workers of a DataLoader: processes or threads that read batches, and how the loader talks to them.

Nothing here waits without an end in sight. The loader waits for its workers' sockets and for the ends of the processes at once; a worker
sleeps on its socket, and a thread of its own ends it when the loader's process has ended (rushlight/core/end_with.h).
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import faulthandler
import gc
import mmap
import multiprocessing.reduction
import multiprocessing.util  # so that its atexit function runs after ours
import os
import queue
import select
import signal
import socket
import tempfile
import threading
import time
import weakref
from typing import Any

import rushlight as rl
from rushlight._utils import ExceptionWrapper

from ._fetch import Shared, Stream
from ._transport import Message, Reader, pack_for_start, unpack_at_start
from ._utils import worker as _worker

_GRACE = 5.0  # seconds that a worker has to finish its sample when the loader is dropped
_PLACE = 16  # bytes at the head of a worker's diary: which batch and sample it reads; then what faulthandler writes
_WHERE = signal.SIGRTMAX - 2  # asks a worker that hangs to write down where

_pools: weakref.WeakSet[ProcessPool | ThreadPool] = weakref.WeakSet()


def _close_all() -> None:
    for pool in list(_pools):
        pool.close(grace=0.5)


def _forget_parents_pools() -> None:
    """In a forked child: the workers belong to the parent, who must not think them alive because the child has their sockets."""
    for pool in list(_pools):
        pool.abandon()


os.register_at_fork(after_in_child=_forget_parents_pools)
atexit.register(_close_all)


class Host:
    """Runs the streams of one worker: takes tasks, gives answers. In a process, a thread, or where the loader itself reads."""

    def __init__(self, shared: Shared, streams: list[Stream], place: Any) -> None:
        self.shared, self.streams, self.place = shared, {s.number: s for s in streams}, place
        self.failure: ExceptionWrapper | None = None
        self.alone = len(streams) == 1
        self.where = f"in DataLoader worker {'thread' if shared.threads else 'process'} {{}}"

    def begin(self, seed: int | None) -> None:
        for number, stream in self.streams.items():
            try:
                stream.begin(self.alone)
                self._start_pass(stream, seed)
            except Exception:
                self.failure = ExceptionWrapper(where=self.where.format(number))

    def _start_pass(self, stream: Stream, seed: int | None) -> None:
        stream.start_pass(seed)
        stream.fetcher.place = self.place
        if not self.alone:
            stream.leave()

    def restart(self, seed: int | None) -> None:
        """A new pass by workers that stay."""
        for number, stream in self.streams.items():
            try:
                if not self.alone:
                    stream.enter()
                self._start_pass(stream, seed)
            except Exception:
                self.failure = ExceptionWrapper(where=self.where.format(number))

    def answer(self, task: tuple) -> tuple:
        """(kind, number of the task, stream, batch or error, news of the stream): for a task (number, stream, index)."""
        number, name, index = task
        if self.failure is not None:
            failure, self.failure = self.failure, None
            return "error", number, name, failure, None
        stream = self.streams[name]
        self.place[0] = number
        self.place[1] = -1
        if not self.alone:
            stream.enter()
        kind, data = "data", None
        try:
            data = stream.fetcher.fetch(index)
            stream.batches += 1
            if stream.fetcher.emptied:
                kind = "empty"
        except StopIteration:
            if not self.shared.iterable:
                kind, data = "error", ExceptionWrapper(where=self.where.format(name))
            else:
                kind = "end"
        except Exception:
            kind, data = "error", ExceptionWrapper(where=self.where.format(name))
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
            kind, data = "exit", (code, ExceptionWrapper(where=self.where.format(name)))
        news = {"random": stream.news(), "batches": stream.batches, "skipped": stream.fetcher.skipped, **stream.place()}
        stream.fetcher.skipped = []
        if not self.alone:
            stream.leave()
        if kind != "exit":
            self.place[1] = -2  # between samples
        return kind, number, name, data, news


class _Payload:
    """What a worker process needs, pickled apart, so that an error in reading it is an error of the loader like any other."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return _Payload._of, pack_for_start(self.value)

    @classmethod
    def _of(cls, *packed: Any) -> Any:
        made = cls(None)
        made.packed = packed  # type: ignore[attr-defined]
        return made

    def get(self) -> Any:
        return self.value if self.value is not None else unpack_at_start(*self.packed)  # type: ignore[attr-defined]


def _process_main(
    number: int, payload: _Payload, link: socket.socket, diary: _Passed, parent: int, seed: int | None
) -> None:
    """A worker process."""
    gc.freeze()  # a collection would write to the pages that a fork shares with the parent
    for name in (signal.SIGINT, signal.SIGTERM):
        # Ctrl-C is the loader's business, and the program's handlers are for the program.
        signal.signal(name, signal.SIG_IGN if name == signal.SIGINT else signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    rl._C._end_with_process(parent)
    descriptor = diary.descriptor
    place = memoryview(mmap.mmap(descriptor, mmap.PAGESIZE)).cast("q")
    os.lseek(descriptor, _PLACE, os.SEEK_SET)
    faulthandler.enable(descriptor, all_threads=False)
    faulthandler.register(_WHERE, descriptor, all_threads=False)
    link.setblocking(True)
    rl.set_num_threads(1)
    reader = Reader()
    host: Host | None = None
    failure: ExceptionWrapper | None = None
    try:
        shared, streams = payload.get()
        host = Host(shared, [Stream(shared=shared, **s) for s in streams], place)
    except Exception:
        failure = ExceptionWrapper(where=f"in DataLoader worker process {number}")
    del payload
    if host is not None:
        host.begin(seed)
    try:
        while True:
            while (ready := reader.message()) is None:
                if not reader.receive(link):
                    return
            task = ready()
            if task[0] == "restart":
                if host is not None:
                    host.restart(task[1])
                continue
            answer = host.answer(task) if host is not None else ("error", *task[:2], failure, None)
            _send(answer, link, number)
            if answer[0] == "exit":
                raise SystemExit(answer[3][0])
            del answer
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass  # the loader has gone


def _send(answer: tuple, link: socket.socket, number: int) -> None:
    try:
        message = Message(answer)
    except Exception:
        # Of a batch or an error that can't be pickled its own traceback is left.
        wrapped = ExceptionWrapper(where=f"in DataLoader worker process {number}, sending a batch")
        if isinstance(answer[3], ExceptionWrapper):
            wrapped = answer[3]
            wrapped.exc_type = RuntimeError
        message = Message(("error", *answer[1:3], wrapped, None))
    try:
        message.send_some(link)
    finally:
        message.release()


class Died:
    """The answer of a process that ended by itself."""

    def __init__(self, text: str, by_signal: str = "") -> None:
        self.text, self.by_signal = text, by_signal

    def close(self) -> None:
        pass


class ProcessPool:
    """The worker processes of one loader."""

    def __init__(self, context: Any, shared: Shared, streams: list[list[dict]], seed: int | None) -> None:
        self.owner = os.getpid()
        self.workers: list[Any] = []
        self.links: list[socket.socket] = []
        self.diaries: list[int] = []
        self.handles: list[int] = []  # of the processes
        self.readers: list[Reader] = []
        self.outgoing: list[collections.deque[Message]] = []
        self.answers: collections.deque[tuple[int, Any]] = collections.deque()
        self.ended: set[int] = set()
        self.poll = select.poll()
        self.by_descriptor: dict[int, tuple[int, bool]] = {}
        self.closed = False
        _pools.add(self)
        try:
            for number, own in enumerate(streams):
                self._start(context, number, shared, own, seed)
        except BaseException:
            self.close(grace=0)
            raise

    def _start(self, context: Any, number: int, shared: Shared, streams: list[dict], seed: int | None) -> None:
        ours, theirs = socket.socketpair()
        self.links.append(ours)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        diary = _diary()
        self.diaries.append(diary)
        copied = os.dup(diary)  # a forked child closes what the pool has
        try:
            process = context.Process(
                target=_process_main,
                args=(number, _Payload((shared, streams)), theirs, _Passed(copied), os.getpid(), seed),
                daemon=True,
            )
            process.start()
        finally:
            theirs.close()
            os.close(copied)
        self.workers.append(process)
        ours.setblocking(False)
        self.readers.append(Reader())
        self.outgoing.append(collections.deque())
        self.by_descriptor[ours.fileno()] = number, False
        self.poll.register(ours, select.POLLIN)
        handle = _handle_of(process)
        self.handles.append(handle)
        self.by_descriptor[handle] = number, True
        self.poll.register(handle, select.POLLIN)

    def send(self, worker: int, task: Any) -> None:
        """Never waits: what the socket does not take goes when the loader next waits for an answer."""
        if worker in self.ended:
            return
        self.outgoing[worker].append(Message(task))
        self._flush(worker)

    def _flush(self, worker: int) -> None:
        waiting = self.outgoing[worker]
        try:
            while waiting:
                waiting[0].send_some(self.links[worker], socket.MSG_DONTWAIT)
                waiting.popleft().release()
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            waiting.clear()  # it has ended, which its handle says
        wanted = select.POLLIN | (select.POLLOUT if waiting else 0)
        if self.links[worker].fileno() in self.by_descriptor:
            self.poll.modify(self.links[worker], wanted)

    def receive(self, timeout: float | None) -> tuple[int, Any] | None:
        """(worker, answer), where the answer is a function that reads it, or Died; None if none came in time."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self.answers:
            left = None if until is None else max(0.0, until - time.monotonic())
            events = self.poll.poll(None if left is None else int(left * 1000) + 1)
            for descriptor, event in events:
                worker, is_handle = self.by_descriptor.get(descriptor, (-1, False))
                if worker < 0:
                    continue
                if is_handle:
                    self._read(worker)
                    self._has_ended(worker)
                    continue
                if event & select.POLLOUT:
                    self._flush(worker)
                if event & ~select.POLLOUT and not self._read(worker):
                    # Its end of the socket is closed; the handle says how it ended.
                    self._forget(self.links[worker].fileno())
            if not events and until is not None and time.monotonic() >= until:
                return None
        return self.answers.popleft()

    def _read(self, worker: int) -> bool:
        reader, link = self.readers[worker], self.links[worker]
        more = True
        try:
            while more:
                more = reader.receive(link, socket.MSG_DONTWAIT)
                while (ready := reader.message()) is not None:
                    self.answers.append((worker, ready))
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        return more

    def _forget(self, descriptor: int) -> None:
        if self.by_descriptor.pop(descriptor, None) is not None:
            self.poll.unregister(descriptor)

    def _has_ended(self, worker: int) -> None:
        for descriptor in (self.links[worker].fileno(), self.handles[worker]):
            self._forget(descriptor)
        self.ended.add(worker)
        process = self.workers[worker]
        until = time.monotonic() + 1
        while (code := process.exitcode) is None and time.monotonic() < until:
            time.sleep(0.01)
        how, by_signal = f"with exit code {code}", ""
        if code is None:
            how = "in a way that the system does not tell"
        elif code < 0:
            how, by_signal = "", _name_of_signal(-code)
        if code == -signal.SIGKILL:
            how = "the system kills so where memory runs out"
        if code == 1 and getattr(process, "_start_method", "fork") != "fork":
            how += "; under spawn and forkserver the main program has to be guarded by `if __name__ == '__main__':`"
        written = self.written(worker)
        self.answers.append((worker, Died(how + (f"\n{written}" if written else ""), by_signal)))

    def place(self, worker: int) -> tuple[int, int]:
        """(number of the task, position in its batch) that the worker is reading, or was."""
        data = os.pread(self.diaries[worker], _PLACE, 0)
        return int.from_bytes(data[:8], "little", signed=True), int.from_bytes(data[8:16], "little", signed=True)

    def written(self, worker: int) -> str:
        """What faulthandler wrote of its death, or when asked where it is."""
        return os.pread(self.diaries[worker], 1 << 16, _PLACE).rstrip(b"\0").decode(errors="replace").strip()

    def where(self, worker: int) -> str:
        """The traceback of a worker that is alive, of which it can't know that it is taken."""
        process = self.workers[worker]
        if worker in self.ended or not process.is_alive():
            return ""
        with contextlib.suppress(OSError):
            os.kill(process.pid, _WHERE)
        until = time.monotonic() + 0.5
        text = ""
        while time.monotonic() < until:
            now = self.written(worker)
            if now and now == text:
                break
            text = now
            time.sleep(0.02)
        return text

    def close(self, grace: float = _GRACE) -> None:
        """Ends the workers: those that read a sample have `grace` seconds to finish it."""
        if self.closed or self.owner != os.getpid():
            return
        self.closed = True
        try:
            for link in self.links:
                with contextlib.suppress(OSError):
                    link.shutdown(
                        socket.SHUT_RDWR
                    )  # they see the end, also where a forked process has a copy of our socket
            self._wait_for_ends(grace)
            for end in ("terminate", "kill"):
                alive = [process for process in self.workers if process.is_alive()]
                for process in alive:
                    getattr(process, end)()
                if alive:
                    self._wait_for_ends(0.5 if end == "terminate" else 5)
        except BaseException:  # a second Ctrl-C
            for process in self.workers:
                if process.is_alive():
                    process.kill()
            raise
        finally:
            self._release()

    def _wait_for_ends(self, seconds: float) -> None:
        # By their handles: Process.join() waits for a pipe that the worker's own children may hold open.
        until = time.monotonic() + seconds
        ends = select.poll()
        left = set(self.handles)
        for handle in left:
            ends.register(handle, select.POLLIN)
        while left and (remaining := until - time.monotonic()) > -1e-3:
            for handle, _ in ends.poll(int(max(0.0, remaining) * 1000)):
                ends.unregister(handle)
                left.discard(handle)
        for process in self.workers:
            process.is_alive()  # takes its exit code

    def abandon(self) -> None:
        """In a child of the loader's process."""
        self.closed = True
        self._release()

    def _release(self) -> None:
        for link in self.links:
            link.close()
        for descriptor in [*self.diaries, *self.handles]:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        for waiting in self.outgoing:
            for message in waiting:
                message.release()
        for reader in self.readers:
            reader.close()
        self.links, self.diaries, self.handles, self.readers, self.outgoing = [], [], [], [], []
        for _, answer in self.answers:
            answer.close()
        self.answers.clear()
        self.by_descriptor.clear()


def _name_of_signal(number: int) -> str:
    try:
        return f"{signal.strsignal(number)} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


class _Passed:
    """A descriptor as an argument of a process that is not forked."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __reduce__(self) -> Any:
        return _received, (multiprocessing.reduction.DupFd(self.descriptor),)


def _received(passed: Any) -> _Passed:
    return _Passed(passed.detach())


def _diary() -> int:
    """A file that two processes map; it has no name."""
    try:
        descriptor = os.memfd_create("rushlight-worker", os.MFD_CLOEXEC)
    except OSError:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, mmap.PAGESIZE)
    return descriptor


def _handle_of(process: Any) -> int:
    """A descriptor that becomes readable when the process ends, whoever else has its pipes."""
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return os.dup(process.sentinel)


class ThreadPool:
    """Worker threads, in place of processes."""

    def __init__(self, shared: Shared, streams: list[list[dict]], seed: int | None) -> None:
        self.tasks: list[queue.SimpleQueue] = [queue.SimpleQueue() for _ in streams]
        self.answers: queue.SimpleQueue = queue.SimpleQueue()
        self.places = [[-1, -2] for _ in streams]
        self.workers: list[Any] = []
        self.ended: set[int] = set()
        _pools.add(self)
        for number, own in enumerate(streams):
            args = (shared, own, self.places[number], self.tasks[number], self.answers, number, seed)
            thread = threading.Thread(target=_thread_main, args=args, daemon=True, name=f"rushlight-loader-{number}")
            thread.start()
            self.workers.append(thread)

    def send(self, worker: int, task: Any) -> None:
        self.tasks[worker].put(task)

    def receive(self, timeout: float | None) -> tuple[int, Any] | None:
        try:
            worker, answer = self.answers.get(timeout=timeout)
        except queue.Empty:
            return None
        return worker, (lambda: answer)

    def place(self, worker: int) -> tuple[int, int]:
        return tuple(self.places[worker])  # type: ignore[return-value]

    def where(self, worker: int) -> str:
        import sys
        import traceback

        frame = sys._current_frames().get(self.workers[worker].ident)
        return "" if frame is None else "".join(traceback.format_stack(frame))

    def close(self, grace: float = _GRACE) -> None:
        """Threads can't be ended from outside: one that hangs stays until the process ends."""
        _pools.discard(self)
        until = time.monotonic() + grace
        for tasks in self.tasks:
            with contextlib.suppress(queue.Empty):
                while True:
                    tasks.get_nowait()
            tasks.put(None)
        for thread in self.workers:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def abandon(self) -> None:
        """In a forked child, which has none of the threads."""
        self.workers.clear()


def _thread_main(
    shared: Shared, streams: list[dict], place: list, tasks: Any, answers: Any, number: int, seed: int | None
) -> None:
    try:
        host = Host(shared, [Stream(shared=shared, **s) for s in streams], place)
        host.begin(seed)
        while (task := tasks.get()) is not None:
            if task[0] == "restart":
                host.restart(task[1])
                continue
            answer = host.answer(task)
            answers.put((number, answer))
            del task, answer
    finally:
        _worker.set_worker_info(None)


class InlinePool:
    """The loader's own thread in the place of workers, for a pass that began with some and goes on with none."""

    def __init__(self, shared: Shared, streams: list[list[dict]], seed: int | None) -> None:
        self.workers: list[Any] = []
        self.ended: set[int] = set()
        self.tasks: collections.deque[tuple] = collections.deque()
        self.host = Host(shared, [Stream(shared=shared, **s) for own in streams for s in own], [-1, -2])
        self.host.alone = False  # the program's own random numbers are not to be disturbed
        with self._as_worker():
            self.host.begin(seed)

    @contextlib.contextmanager
    def _as_worker(self) -> Any:
        before = _worker.random_state()
        try:
            yield
        finally:
            _worker.set_random_state(before)
            _worker.set_worker_info(None)

    def send(self, worker: int, task: Any) -> None:
        self.tasks.append(task)

    def receive(self, timeout: float | None) -> tuple[int, Any] | None:
        with self._as_worker():
            answer = self.host.answer(self.tasks.popleft())
        return 0, (lambda: answer)

    def close(self, grace: float = 0) -> None:
        self.tasks.clear()
