"""The call profiler."""

import json

import pytest
from rushlight.profiler import ProfilerAction, profile, record_function, schedule

import rushlight as torch


def test_counts_nests_and_measures():
    x = torch.ones(100, 100, requires_grad=True)
    with profile(record_shapes=True) as prof:
        with record_function("forward"):
            y = x.expand_as(torch.empty(100, 100)) * 2 + 1
        y.sum().backward()
    assert torch.ones(1).add(1).tolist() == [2.0]
    rows = {r.key: r for r in prof.key_averages()}
    assert rows["aten::mul"].count >= 2  # forward and backward
    assert rows["forward"].count == 1
    add = next(e for e in prof.events() if e.name == "aten::add")
    assert add.cpu_memory_usage == 40000 and add.input_shapes == [[100, 100]]
    inner = next(e for e in prof.events() if e.name == "aten::expand")
    outer = next(e for e in prof.events() if e.name == "aten::expand_as")
    assert inner.depth == outer.depth + 1 and outer.self_cpu_time_total < outer.cpu_time_total
    assert rows["forward"].cpu_time_total >= outer.cpu_time_total
    assert x.grad is not None


def test_table_and_trace(tmp_path):
    with profile() as prof:
        for _ in range(3):
            torch.ones(4).exp()
    table = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=1)
    header, row = table.splitlines()[1], table.splitlines()[3]
    assert "Self CPU %" in header and "# of Calls" in header
    assert row.split()[-1] == "3" and "aten::" in row
    assert "Self CPU time total" in table
    with pytest.raises(AttributeError, match="no column 'beauty'"):
        prof.key_averages().table(sort_by="beauty")
    prof.export_chrome_trace(tmp_path / "trace.json")
    names = [e["name"] for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]]
    assert names.count("aten::exp") == 3


def test_schedule():
    kept = []
    with profile(
        schedule=schedule(wait=1, warmup=1, active=2), on_trace_ready=lambda p: kept.append(len(p.events()))
    ) as prof:
        for _ in range(8):
            torch.ones(2)
            prof.step()
    assert kept == [2, 2]
    assert schedule(wait=1, warmup=0, active=1, repeat=1)(2) is ProfilerAction.NONE


def test_an_error_leaves_no_profiler_behind():
    with pytest.raises(RuntimeError), profile() as prof:
        torch.ones(2) + torch.ones(3)
    assert [e.name for e in prof.events()] == ["aten::ones", "aten::ones", "aten::add"]
    with profile():
        with pytest.raises(RuntimeError, match="already"), profile():
            pass


def test_the_older_profile_prints_as_a_table():
    with torch.autograd.profiler.profile(record_shapes=True) as prof:
        torch.ones(3) * 2
    assert "aten::mul" in prof.table(sort_by="cpu_time_total", row_limit=5)
    assert str(prof) == repr(prof) == prof.table()
    assert prof.total_average().count == len(prof.function_events)
    assert prof.self_cpu_time_total > 0


def test_events_know_what_is_around_them():
    with profile() as prof:
        assert torch.autograd._profiler_enabled()
        with record_function("step"):
            torch.ones(2).expand_as(torch.ones(3, 2))
    assert not torch.autograd._profiler_enabled()
    step = next(e for e in prof.events() if e.name == "step")
    assert [c.name for c in step.cpu_children] == ["aten::ones", "aten::ones", "aten::expand_as"]
    inner = step.cpu_children[-1].cpu_children
    assert [c.name for c in inner] == ["aten::expand"] and inner[0].cpu_parent is step.cpu_children[-1]
    assert step.self_cpu_time_total == pytest.approx(
        step.cpu_time_total - sum(c.cpu_time_total for c in step.cpu_children)
    )


def test_events_of_ones_own():
    from rushlight.autograd.profiler_util import EventList, FunctionEvent, FunctionEventAvg

    times = [(0, 10, 0), (2, 5, 0), (3, 4, 0), (6, 9, 0), (1, 3, 1)]
    events = EventList(FunctionEvent(i, "f", thread, start, end) for i, (start, end, thread) in enumerate(times))
    events._populate_cpu_children()
    assert [[c.id for c in e.cpu_children] for e in events] == [[1, 3], [2], [], [], []]
    total = FunctionEventAvg()
    for e in events:
        total.add(e)
    assert (total.key, total.count, total.cpu_time_total, total.self_cpu_time_total) == ("f", 5, 19, 12)


def test_ranges_in_what_pytorch_traced(tmp_path):
    import torch as pytorch

    def f(x):
        with pytorch.profiler.record_function("doubling"):
            return x * 2

    pytorch.jit.trace(f, pytorch.ones(2)).save(str(tmp_path / "f.pt"))
    loaded = torch.jit.load(tmp_path / "f.pt")
    with profile() as prof:
        assert loaded(torch.ones(2)).tolist() == [2.0, 2.0]
    step = next(e for e in prof.events() if e.name == "doubling")
    assert [c.name for c in step.cpu_children] == ["aten::mul"]
    assert not [e.name for e in prof.events() if e.name.startswith("profiler::")]
    handle = torch.ops.profiler._record_function_enter("alone", None)  # without a profiler it does nothing
    torch.ops.profiler._record_function_exit(handle)
