"""Smaller names that packages import, each doing what it does in PyTorch."""

import io

import pytest

import rushlight as torch


def test_map_location_may_be_a_device():
    """A device is callable, as a decorator; it is no function of storages for that."""
    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3)}, buffer)
    for where in (torch.device("cpu"), "cpu", lambda held, was: held, {"cpu": "meta"}):
        buffer.seek(0)
        read = torch.load(buffer, map_location=where)["x"]
        assert read.device.type == ("meta" if isinstance(where, dict) else "cpu")


def test_records_of_a_checkpoint(tmp_path):
    torch.save({"x": torch.arange(4.0)}, tmp_path / "x.pt")
    reader = torch.PyTorchFileReader(tmp_path / "x.pt")
    assert reader.has_record("data.pkl") and "data/0" in reader.get_all_records() and reader.version() >= 3
    assert reader.get_storage_from_record("data/0", 4, torch.float32).tolist() == [0, 1, 2, 3]
    assert len(reader.get_record("data/0")) == 16
    with pytest.raises(RuntimeError, match="failed locating file nothing"):
        reader.get_record("nothing")
    with pytest.raises(RuntimeError, match="too few"):
        reader.get_storage_from_record("data/0", 40, torch.float32)
    with pytest.raises(RuntimeError, match="expected a zip checkpoint"):
        torch.PyTorchFileReader(io.BytesIO(b"no zip"))


def test_a_written_argument_without_a_name_of_its_alias_set():
    torch.library.define("programs::fill", "(Tensor! out, float value) -> ()")
    torch.library.impl("programs::fill", "cpu", lambda out, value: [out.fill_(value)].clear())
    x = torch.zeros(2)
    torch.ops.programs.fill(x, 3.0)
    assert x.tolist() == [3, 3] and torch.ops.programs.fill.default._schema.is_mutable


def test_contexts_that_decorate():
    from rushlight.utils._contextlib import _DecoratorContextManager, _NoParamDecoratorContextManager, context_decorator

    inside = []

    class Counted(_NoParamDecoratorContextManager):
        def __enter__(self):
            inside.append(1)

        def __exit__(self, *exception):
            inside.pop()

    @Counted
    def depth():
        return len(inside)

    @Counted()
    def steps():
        got = yield len(inside)
        yield got

    assert depth() == 1 and inside == [] and issubclass(Counted, _DecoratorContextManager)
    generator = steps()
    assert next(generator) == 1 and inside == []
    assert generator.send("sent") == "sent" and list(generator) == []
    with pytest.raises(RuntimeError, match="classes"):
        context_decorator(Counted, Counted)


def test_small_ones():
    assert (
        torch.torch is torch
        and torch.functional.einsum is torch.einsum
        and issubclass(torch.ScriptModule, torch.nn.Module)
    )
    torch._assert_async(torch.tensor(True))
    with pytest.raises(RuntimeError, match="text"):
        torch._assert_async(torch.tensor(False), "text")
    device, dtype, non_blocking, _ = torch._C._nn._parse_to("meta", torch.float64, non_blocking=True)
    assert (device, dtype, non_blocking) == (torch.device("meta"), torch.float64, True)
    with pytest.raises(torch.UnsupportedError, match="record_function"):
        torch.cuda.nvtx.range_push("x")
    with pytest.raises(torch.UnsupportedError, match="emit_nvtx"):
        torch.autograd.profiler.emit_nvtx()
    assert torch.utils.data.dataloader._BaseDataLoaderIter and torch.cuda.random.seed and torch.cuda.streams.Stream


def test_functions_of_functions_run_as_they_are_written():
    from rushlight._higher_order_ops.cond import cond_op

    ops = torch._higher_order_ops
    assert cond_op is torch.cond is ops.cond
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    carry, rows = ops.scan(lambda c, y: (c + y["a"], (c, y["a"] * 2)), torch.zeros(2), {"a": x}, dim=1, reverse=True)
    assert carry.tolist() == [3.0, 12.0] and rows[0].tolist() == [[3.0, 2.0, 0.0], [9.0, 5.0, 0.0]]
    rows[1].sum().backward()
    assert x.grad.tolist() == [[2.0] * 3] * 2
    assert ops.map(lambda v, by: v.sum() * by, x, 2).tolist() == [6.0, 24.0]
    assert [
        t.item() for t in torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), [torch.tensor(0), x[0, 1]])
    ] == [3, 8]
    for wrong in (
        lambda: torch.while_loop(lambda i: torch.ones(2), lambda i: (i,), (x,)),
        lambda: torch.while_loop(lambda i: True, lambda i: (i, i), (x,)),
        lambda: torch.while_loop(3, lambda i: i, (x,)),
        lambda: ops.scan(lambda c, y: (c, y), x, torch.ones(2, 0), dim=1),
        lambda: ops.map(lambda v: v, [1, 2]),
        lambda: ops.map(lambda v: v, [torch.ones(2), torch.ones(3)]),
    ):
        with pytest.raises(RuntimeError):
            wrong()
