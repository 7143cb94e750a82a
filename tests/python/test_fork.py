"""A forked child computes, although it has none of its parent's threads."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, threading, time
import rushlight as rl
rl.set_num_threads(2)

def work():
    a = rl.ones(300, 300)
    conv = rl.nn.functional.conv2d(rl.ones(2, 8, 32, 32), rl.ones(8, 8, 3, 3))
    return float((a @ a).sum()) + float(conv.sum()) + float(rl.exp(rl.zeros(1000000)).sum())

def children(depth):
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            ok = work() == expected
            if depth:
                children(depth - 1)
            os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0

expected = work()
{}
assert work() == expected
print("done")
"""
BUSY = """
stop = []
def busy():
    while not stop:
        work()
thread = threading.Thread(target=busy)
thread.start()
children(0)
stop.append(1)
thread.join()
"""
FROM_A_THREAD = """
thread = threading.Thread(target=children, args=(0,))
thread.start()
thread.join()
"""
PROCESSES = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.starmap(work, [()] * 4) == [expected] * 4
"""


@pytest.mark.parametrize(
    "how", ["children(1)", BUSY, FROM_A_THREAD, PROCESSES], ids=["nested", "busy", "thread", "pool"]
)
def test_children_compute(how):
    program = PROGRAM.replace("{}", how)
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (out.returncode, out.stdout) == (0, "done\n"), out.stderr
