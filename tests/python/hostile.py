"""Runs readers on bad input, each input in a process of its own, and tells what became of it and how much memory it took.

    for name, outcome in hostile.outcomes([("cut short", "onnx", data)]): ...

An outcome is (what, text, bytes, seconds): "read", the name of an exception's class, or "died" with how; the most memory beyond what the process had.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import tempfile
import time
from pathlib import Path


def _memory(what: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split(what + ":")[1].split()[0]) * 1024


def _one(read, data, seconds: int):
    from_child, to_parent = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        Path("/proc/self/clear_refs").write_text("5")  # the most memory is what it is now
        before, start = _memory("VmRSS"), time.perf_counter()
        try:
            read(data)
            what, text = "read", ""
        except BaseException as error:  # the parent tells which are right
            what, text = type(error).__name__, str(error)[:2000]
        os.write(to_parent, pickle.dumps((what, text, _memory("VmHWM") - before, time.perf_counter() - start)))
        os._exit(0)
    os.close(to_parent)
    with os.fdopen(from_child, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not told:
        name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {status}"
        return "died", name, 0, 0.0
    return pickle.loads(told)


def _readers():
    from rushlight.caffe2.proto import _messages, caffe2_pb2
    from rushlight.caffe2.python import core, workspace

    import rushlight as rl

    def run(data):
        workspace.RunNetOnce(caffe2_pb2.NetDef.FromString(data))

    def load(kind):
        def read(files):
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files.items():
                    Path(folder, name).parent.mkdir(exist_ok=True)
                    Path(folder, name).write_bytes(content)
                workspace.RunOperatorOnce(core.CreateOperator("Load", [], ["w"], db=folder + "/db", db_type=kind, absolute_path=1))  # fmt: skip

        return read

    def folder(files):
        with tempfile.TemporaryDirectory() as path:
            for name, content in files.items():
                Path(path, name).write_bytes(content)
            rl.onnx.load(path + "/m.onnx")

    def archive(data):
        rl.jit.load(io.BytesIO(data))(rl.ones(3))

    return {
        "archive": archive,
        "onnx": rl.onnx.load,
        "onnx folder": folder,
        "net": caffe2_pb2.NetDef.FromString,
        "run": run,
        "module": lambda b: rl.caffe2.to_module(caffe2_pb2.NetDef(), caffe2_pb2.NetDef.FromString(b)),
        "text": lambda b: _messages.Parse(b, caffe2_pb2.NetDef()),
        **{kind: load(kind) for kind in ("minidb", "leveldb", "lmdb")},
    }


def main(seconds: int):
    readers = _readers()
    cases, warm = pickle.load(sys.stdin.buffer)
    for kind, data in warm:  # what is loaded once is nobody's
        readers[kind](data)
    pickle.dump([_one(readers[kind], data, seconds) for _, kind, data in cases], sys.stdout.buffer)


def outcomes(cases: list, warm: list = (), seconds: int = 60) -> list:
    """Of (name, kind of reader, input): (name, outcome). `warm`: sound inputs that are read first, in the process that the others begin as."""
    import subprocess

    done = subprocess.run(
        [sys.executable, __file__, str(seconds)], input=pickle.dumps((cases, list(warm))), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return list(zip([name for name, *_ in cases], pickle.loads(done.stdout), strict=True))


if __name__ == "__main__":
    main(int(sys.argv[1]))
