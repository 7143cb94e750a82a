"""Smaller names that packages import, each doing what it does in PyTorch."""

import importlib
import io
import types

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


def test_sparse_tensors_take_the_sizes_of_others():
    x = torch.sparse_coo_tensor([[0, 1]], torch.ones(2, 3), (3, 3))
    assert torch.resize_as_sparse_(x, torch.sparse_coo_tensor([[0]], torch.ones(1, 5), (4, 5))) is x
    assert x.shape == (4, 5) and x.to_dense().sum(1).tolist() == [3.0, 3.0, 0.0, 0.0]
    with pytest.raises(RuntimeError, match="no size shrinks"):
        torch.resize_as_sparse_(x, torch.sparse_coo_tensor([[0]], torch.ones(1, 2), (4, 2)))


def test_loggers_types_and_archives_by_their_old_names():
    logger = torch.LockingLogger()
    for value in (1, 4):
        logger.add_stat_value("n", value)
    assert logger.get_counter_val("n") == 5 and torch.NoopLogger().get_counter_val("n") == 0
    logger.set_aggregation_type("n", torch.AVG)
    assert logger.get_counter_val("n") == 2
    assert torch.InferredType(torch.IntType.get()).type() == torch.IntType.get()
    assert torch.InferredType("no idea").reason() == "no idea" and not torch.InferredType("no idea").success()
    graph = torch.parse_ir("graph(%x : Tensor):\n  return (%x)\n")
    assert isinstance(graph, torch.Graph)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), buffer)
    assert torch.import_ir_module_from_buffer(None, buffer.getvalue())(torch.ones(1, 2)).shape == (1, 1)


def test_schedules_keep_tensors_of_their_own():
    rate, low, high = torch.tensor(0.1), torch.tensor(0.85), torch.tensor(0.95)
    for made in (
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, rate, 10, base_momentum=low, max_momentum=high),
        lambda o: torch.optim.lr_scheduler.CyclicLR(o, rate, rate * 2, base_momentum=low, max_momentum=high),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1, momentum=0.9)
        made(optimizer)
        before = {k: float(v) for k, v in optimizer.param_groups[0].items() if isinstance(v, (float, torch.Tensor))}
        for t in (rate, low, high):
            t.mul_(0.5)
        assert {k: float(optimizer.param_groups[0][k]) for k in before} == before
        for t in (rate, low, high):
            t.mul_(2)


def test_small_functions_take_what_pytorch_takes():
    x = torch.tensor([1, 2, 3])
    assert torch.vander(x, 1).tolist() == [[1], [1], [1]]
    assert torch.vander(torch.tensor([True, False]), 3).tolist() == [[1, 1, 1], [0, 0, 1]]
    with pytest.warns(UserWarning, match="torch.range is deprecated"):
        out = torch.empty(0)
        assert torch.range(0, 2, out=out) is out and out.tolist() == [0.0, 1.0, 2.0]
    assert torch.asarray(torch.utils.dlpack.to_dlpack(torch.ones(2))).tolist() == [1.0, 1.0]
    assert torch.FloatTensor(3, device="cpu").shape == (3,)
    assert torch._utils._element_size(torch.float64) == 8
    for call, error, text in (
        (lambda: torch.asarray([1], copy=False), ValueError, "can't alias arbitrary sequence"),
        (
            lambda: torch.asarray(torch.ones(2), dtype=torch.float64, copy=False),
            ValueError,
            "can't alias tensor with dtype 'Float'",
        ),
        (lambda: torch.broadcast_shapes(1.0), RuntimeError, "should be of type ints"),
        (lambda: torch.complex(x, x), RuntimeError, "Half, Float or Double tensors but got Long and Long"),
        (
            lambda: torch.polar(torch.ones(1), torch.ones(1).double()),
            RuntimeError,
            "scalar type Float but got scalar type Double",
        ),
        (lambda: torch.FloatTensor(3, device="meta"), RuntimeError, "legacy constructor expects device type: cpu"),
        (lambda: torch._utils._element_size(3), RuntimeError, "expected torch.dtype"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_numbers_that_integers_do_not_hold_become_what_they_are_in_pytorch():
    big = torch.tensor([3e9, -3e9, 1e20, float("inf"), float("nan"), 300.0, -2.0] * 5)
    assert big.to(torch.int32)[:7].tolist() == [*[-(2**31)] * 5, 300, -2]
    assert big.double().to(torch.int16)[:7].tolist() == [0, 0, 0, 0, 0, 300, -2]
    assert big.to(torch.uint8)[:7].tolist() == [0, 0, 0, 0, 0, 44, 254]


def test_a_copy_that_reshape_makes_has_no_base():
    x = torch.rand(2, 3, requires_grad=True).t()
    for y in (x.reshape(-1), x.flatten()):
        assert y._base is None and not y._is_view() and y.grad_fn.name() == "UnsafeViewBackward0"
    assert torch.empty(2, 3, device="meta").t().reshape(6).shape == (6,)
    assert torch.ops.aten._unsafe_view(torch.ones(4), (2, 2)).shape == (2, 2)


def test_tensors_of_one_element_stand_for_integers_in_lists():
    two = torch.tensor([2])
    assert torch.zeros([two, two]).shape == torch.ones(4).view(two, two).shape == (2, 2)
    assert torch.randn(two).shape == torch.ones(1).repeat(two).shape == (2,)
    assert torch.nn.functional.interpolate(torch.ones(1, 1, 3, 3), size=[two, two]).shape == (1, 1, 2, 2)
    assert torch.ones(1, 1, 3).sum([two]).shape == (1, 1) and torch.ones(4).split([two, two])[1].shape == (2,)
    for wrong in (
        torch.tensor([2, 3]),
        torch.tensor([2.0]),
        torch.tensor([True]),
        torch.empty(1, dtype=torch.int64, device="meta"),
    ):
        with pytest.raises(TypeError, match="must be tuple of ints"):
            torch.zeros([wrong])


def test_functions_under_the_name_of_modules_of_old():
    from rushlight import _VF

    assert torch._VF is _VF and _VF.add(torch.ones(1), 1) == 2
    state = _VF.rnn_tanh_cell(
        torch.ones(1, 2), torch.zeros(1, 3), torch.ones(3, 2), torch.ones(3, 3), torch.zeros(3), torch.zeros(3)
    )
    assert torch.allclose(state, torch.full((1, 3), 2.0).tanh())
    with pytest.raises(AttributeError, match="nothing_such"):
        _VF.nothing_such  # noqa: B018
    assert not torch._utils.is_compiling()
    assert torch._disable_dynamo(len) is len and torch._disable_dynamo(recursive=False)(len) is len


def test_einsum_takes_the_flags_of_its_planner():
    planner = torch.backends.opt_einsum
    before = planner.enabled, planner.strategy
    with planner.flags(enabled=True, strategy="greedy"):
        assert (planner.enabled, planner.strategy) == (True, "greedy")
        assert torch.einsum("ij,jk,kl->il", *[torch.ones(2, 2)] * 3).tolist() == [[4, 4], [4, 4]]
    assert (planner.enabled, planner.strategy) == before


def test_functions_that_programs_put_into_graphs():
    functions = torch._C._functions
    x = torch.ones(2, requires_grad=True)
    assert isinstance(x.view_as(x).grad_fn.next_functions[0][0], functions.AccumulateGrad)
    (functions.UndefinedGrad()(x) + x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="not twice"):
        functions.DelayedError("not twice", 1)(x).sum().backward()


def test_errors_have_pytorchs_types():
    import io
    import pickle

    with pytest.raises(torch._dynamo.exc.InvalidBackend, match="Invalid backend: 'absent'"):
        torch.compile(torch.sin, backend="absent")
    torch._dynamo.register_backend(lambda module, inputs: module, name="mine")
    assert torch.compile(torch.sin, backend="mine")(torch.zeros(1)).item() == 0
    for weights_only in (True, False):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(io.BytesIO(b"no checkpoint at all"), weights_only=weights_only)
        with pytest.raises(EOFError):
            torch.load(io.BytesIO(b""), weights_only=weights_only)
    with pytest.raises(AttributeError, match="Can't pickle local object"):
        torch.save(lambda: 0, io.BytesIO())


def test_multithreading_is_remembered():
    autograd = torch.autograd
    with autograd.set_multithreading_enabled(False):
        assert not autograd.is_multithreading_enabled()
    assert autograd.is_multithreading_enabled()

    @autograd.set_multithreading_enabled(False)
    def inside():
        return autograd.is_multithreading_enabled()

    assert autograd.is_multithreading_enabled() and not inside()


def test_vmap_loops_can_be_asked_for():
    functorch = torch._C._functorch
    functorch._set_vmap_fallback_enabled(False)
    assert not functorch._is_vmap_fallback_enabled()
    functorch._set_vmap_fallback_enabled(True)
    assert functorch._is_vmap_fallback_enabled() and not torch._C._debug_only_are_vmap_fallback_warnings_enabled()


def test_where_code_stands():
    def here():
        return torch._C._profiler.gather_traceback(python=True, cpp=False)

    (frames,) = torch._C._profiler.symbolize_tracebacks([here()])
    assert [f["name"] for f in frames[:2]] == ["here", "test_where_code_stands"]
    assert frames[0]["filename"] == __file__ and frames[0]["line"] < frames[1]["line"]
    with torch._functorch.config.patch(check_custom_op_aliasing=True):
        assert torch._functorch.config.check_custom_op_aliasing
    assert torch._C.parse_schema("mine::f(Tensor x) -> Tensor").name == "mine::f"


def test_a_clone_of_an_input_is_a_leaf_like_it():
    x = torch.ones(2, 3).t().requires_grad_()
    x.sum().backward()
    y = torch._dynamo.utils.clone_input(x)
    assert y.is_leaf and y.requires_grad and y.stride() == x.stride() and y.data_ptr() != x.data_ptr()
    assert torch.equal(y.grad, x.grad) and y.grad is not x.grad


@pytest.mark.parametrize("module", ["torch", "torch.fft", "torch.special"])
def test_a_star_brings_what_is_there(module):
    here, there = {}, {}
    exec(f"from {module.replace('torch', 'rushlight', 1)} import *", here)
    exec(f"from {module} import *", there)
    package = importlib.import_module(module.replace("torch", "rushlight", 1))
    lacking = [
        n for n in there if n not in here and not n.startswith("_") and not isinstance(there[n], types.ModuleType)
    ]
    assert [n for n in lacking if hasattr(package, n)] == []
    assert len(lacking) < 0.1 * len(there)
    assert not any(isinstance(value, types.ModuleType) for n, value in here.items() if n[0] != "_" and n != "ops")
