"""What the CPU's allocator keeps and gives back, by its counters. Each program runs in a process of its own."""

import sys

import pytest
from conftest import run

PRELUDE = """
import gc, random
import rushlight as torch
from rushlight import nn
MB = 1 << 20
reserved, stats = torch.cpu.memory_reserved, torch.cpu.memory_stats
def peak():
    return torch.cpu.max_memory_reserved()
"""

PROGRAMS = {
    "random shapes need little more than the largest": """
conv, linear = nn.Conv2d(3, 16, 3), nn.Linear(64, 64)
def work(b, h, w):
    x = torch.randn(b, 3, h, w)
    (conv(x).relu().sum() + linear(torch.randn(b * h, 64)).sum()).backward()
random.seed(0)
shapes = [(random.randint(1, 16), random.randint(16, 96), random.randint(16, 96)) for _ in range(300)]
largest = max(shapes, key=lambda s: s[0] * s[1] * s[2])
for _ in range(3):
    work(*largest)
alone = peak()
torch.cpu.empty_cache()
torch.cpu.reset_peak_memory_stats()
for shape in shapes:
    work(*shape)
assert alone > 15 * MB and peak() <= 1.2 * alone, (alone / MB, peak() / MB)
torch.cpu.empty_cache()
assert stats()["cached_bytes"] == 0
""",
    "a model that was made and deleted leaves nothing": """
before = reserved()
model = nn.Sequential(*[nn.Linear(1000, 1000) for _ in range(20)])
assert reserved() > before + 70 * MB
del model
assert reserved() <= before + 5 * MB, (reserved() - before) / MB
""",
    "a model that was trained and deleted leaves little, and nothing once asked": """
before = reserved()
model = nn.Sequential(*[nn.Linear(700, 700) for _ in range(10)])
optimizer = torch.optim.Adam(model.parameters())
for _ in range(6):
    optimizer.zero_grad()
    model(torch.randn(2000, 700)).square().mean().backward()
    optimizer.step()
assert reserved() > before + 60 * MB
del model, optimizer
assert reserved() <= before + 15 * MB, (reserved() - before) / MB
gc.collect()
assert reserved() <= before + MB, (reserved() - before) / MB
""",
    "a loop of many sizes keeps no more than it has at once": """
held = torch.ones(40 * MB // 4)
def round():
    for size in [*range(4, 12), *range(11, 3, -1)]:
        torch.empty(size * MB // 4)
for _ in range(10):
    round()
taken = stats()["reserved_bytes.all.allocated"]
for _ in range(10):
    round()
each = (stats()["reserved_bytes.all.allocated"] - taken) / 10
assert each < MB, each / MB
assert reserved() <= 1.1 * 51 * MB, reserved() / MB  # 51 at most are in use
""",
    "blocks that are freed side by side become one": """
for _ in range(4):
    torch.empty(48 * MB // 4)
before = reserved()
parts = [torch.empty(3 * MB // 4) for _ in range(16)]
assert reserved() <= before + MB, (reserved() - before) / MB  # cut from what the large one left
random.shuffle(parts)
while parts:
    parts.pop()
taken = stats()["reserved_bytes.all.allocated"]
torch.empty(48 * MB // 4)
assert stats()["reserved_bytes.all.allocated"] < taken + MB
""",
    "a loop takes nothing from the system once it has gone round": """
a, b = torch.ones(1000, 1000), torch.ones(1000, 1000)
weight = torch.ones(1000, 1000, requires_grad=True)
def step():
    c = a + b
    d = (c * 2).exp()
    (d @ weight).sigmoid().sum().backward()
    weight.grad = None
for _ in range(4):
    step()
taken = stats()["reserved_bytes.all.allocated"]
for _ in range(20):
    step()
assert stats()["reserved_bytes.all.allocated"] < taken + MB, (stats()["reserved_bytes.all.allocated"] - taken) / MB
gc.collect()
assert stats()["cached_bytes"] == 0 and stats()["num_trims"] > 0
""",
    "a frozen module has its weights once": """
net = nn.Sequential(nn.Conv2d(512, 512, 3), nn.BatchNorm2d(512), nn.Conv2d(512, 512, 3), nn.BatchNorm2d(512)).eval()
weights = 2 * 512 * 512 * 9 * 4
before = stats()["allocated_bytes.all.current"] - weights
frozen = torch.jit.freeze(torch.jit.script(net))
del net
gc.collect()
assert stats()["allocated_bytes.all.current"] <= before + weights + MB
""",
    "counters add up": """
torch.cpu.empty_cache()
torch.cpu.reset_peak_memory_stats(), torch.cpu.reset_accumulated_memory_stats()
start = stats()
assert start["allocated_bytes.all.allocated"] < 4096 and start["num_trims"] == 0, start
x = torch.empty(4 * MB, dtype=torch.uint8)
small = [torch.empty(100) for _ in range(10)]
now = stats()
assert now["allocated_bytes.all.current"] - start["allocated_bytes.all.current"] >= 4 * MB + 4000
assert now["allocation.all.current"] - start["allocation.all.current"] >= 11
assert now["allocated_bytes.all.peak"] >= now["allocated_bytes.all.current"] <= now["reserved_bytes.all.current"]
assert torch.cpu.memory_allocated() == now["allocated_bytes.all.current"]
del x, small
end = stats()
assert abs(end["allocated_bytes.all.current"] - start["allocated_bytes.all.current"]) < 4096
assert end["allocated_bytes.all.peak"] >= 4 * MB and torch.cpu.max_memory_allocated() == end["allocated_bytes.all.peak"]
assert end["allocated_bytes.all.allocated"] - end["allocated_bytes.all.freed"] < 8192
before = stats()["num_ooms"]
try:
    torch.empty(1 << 45, dtype=torch.uint8)
except (RuntimeError, MemoryError) as e:
    assert "can't allocate memory" in str(e)
else:
    raise AssertionError("32 TB?")
assert stats()["num_ooms"] == before + 1
""",
    "threads count and give back": """
import threading
before = stats()["allocation.all.current"]
kept = []
def work():
    kept.append([torch.ones(10) for _ in range(50)])
    [torch.ones(10) for _ in range(50)]
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
assert stats()["allocation.all.current"] >= before + 200
kept.clear()
assert abs(stats()["allocation.all.current"] - before) < 20, stats()["allocation.all.current"] - before
""",
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_memory(what):
    run(sys.executable, "-c", PRELUDE + PROGRAMS[what])


def test_the_cpu_as_a_device():
    import rushlight as torch

    assert torch.cpu.is_available() and torch.cpu.device_count() == 1 and torch.cpu.current_device() == "cpu"
    with torch.cpu.stream(torch.cpu.current_stream()):
        torch.cpu.synchronize()
    event = torch.cpu.Event()
    event.record()
    assert event.query()
