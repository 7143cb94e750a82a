"""torch.utils: benchmark, collect_env, dlpack; torch.testing's make_tensor and FileCheck; torch._utils."""

import numpy as np
import pytest
import torch as reference
from rushlight.testing import FileCheck, assert_allclose, make_tensor
from rushlight.utils import benchmark

import rushlight as torch


def test_timer_and_compare():
    def timed(statement, label):
        return benchmark.Timer(statement, globals={"x": torch.ones(2)}, label="ops", sub_label=label, description="now")

    first = timed("x + 1", "add").blocked_autorange(min_run_time=0.01)
    assert first.number_per_run >= 1 and first.median > 0 and first.title == "ops: add" and first.as_row_name == "add"
    assert len(first.times) == len(first.raw_times) and "Median" in repr(first) or len(first.times) == 1
    second = timed("torch.mul(x, 2)", "mul").timeit(5)
    assert second.number_per_run == 5 and len(second.times) == 1
    compare = benchmark.Compare([first, second])
    compare.trim_significant_figures()
    compare.colorize()
    text = str(compare)
    assert "ops" in text and "add" in text and "mul" in text and "now" in text and "Times are in" in text
    adaptive = timed("x", "id").adaptive_autorange(min_run_time=0.001, max_run_time=0.2)
    assert adaptive.mean > 0
    with pytest.raises(torch.UnsupportedError, match="C\\+\\+"):
        benchmark.Timer("x", language="c++")
    with pytest.raises(ValueError, match="Measurement"):
        benchmark.Compare([3])


def test_measurements_of_known_times():
    m = benchmark.Measurement(2, [2.0, 4.0, 6.0, 8.0], benchmark.TaskSpec("x", ""))
    assert m.times == [1, 2, 3, 4] and m.median == 2.5 and m.mean == 2.5 and m.iqr == 1.5
    merged = benchmark.Measurement.merge([m, benchmark.Measurement(1, [5.0], m.task_spec)])
    assert len(merged) == 1 and merged[0].times == [1, 2, 3, 4, 5]


def test_collect_env():
    text = torch.utils.collect_env.get_pretty_env_info()
    assert "rushlight version" in text and "Python version" in text and f"numpy=={np.__version__}" in text


def test_dlpack():
    t = torch.arange(3)
    assert torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(t)).data_ptr() == t.data_ptr()


@pytest.mark.parametrize(
    "name", ["float32", "float64", "float16", "bfloat16", "complex64", "int64", "int8", "uint8", "bool"]
)
@pytest.mark.parametrize(
    "options", [{}, {"low": 0, "high": 2}, {"noncontiguous": True}, {"exclude_zero": True}], ids=str
)
def test_make_tensor_draws_what_pytorch_draws(name, options):
    made = []
    for module, make in ((torch, make_tensor), (reference, reference.testing.make_tensor)):
        module.manual_seed(4)
        t = make((3, 4), dtype=getattr(module, name), device="cpu", **options)
        wide = module.complex128 if t.is_complex() else module.float64
        made.append((t.to(wide).tolist(), t.stride()))
    assert made[0] == made[1]


def test_make_tensor_mistakes():
    with pytest.raises(ValueError, match="`low` must be less than `high`, but got 3 >= 2"):
        make_tensor(1, dtype=torch.float32, device="cpu", low=3, high=2)
    with pytest.raises(ValueError, match="mutually exclusive"):
        make_tensor(
            1, 1, 2, 2, dtype=torch.float32, device="cpu", noncontiguous=True, memory_format=torch.channels_last
        )
    with pytest.raises(ValueError, match="requires_grad"):
        make_tensor(1, dtype=torch.int64, device="cpu", requires_grad=True)
    assert make_tensor(2, dtype=torch.float32, device="cpu", requires_grad=True).requires_grad


TEXT = "a = add(x)\n    ~~~\nb = mul(a)\nadd add\n"


@pytest.mark.parametrize(
    ("checks", "holds"),
    [
        (FileCheck().check("add").check("mul"), True),
        (FileCheck().check("mul").check("add(x)"), False),
        (FileCheck().check("mul").check_not("~~~"), True),
        (FileCheck().check_not("mul").check("b ="), True),
        (FileCheck().check_not("x").check("mul"), False),
        (FileCheck().check_same("add").check_same("(x)"), True),
        (FileCheck().check("add").check_same("mul"), False),
        (FileCheck().check("~~~").check_next("mul"), True),
        (FileCheck().check("add").check_next("mul"), False),
        (FileCheck().check_count("add", 3, exactly=True), True),
        (FileCheck().check_count("add", 2, exactly=True), False),
        (FileCheck().check_count("add", 4), False),
        (FileCheck().check_dag("mul").check_dag("a = ").check("add add"), True),
        (FileCheck().check_regex(r"m.l\(\w\)"), True),
        (FileCheck().check_source_highlighted("add"), True),
        (FileCheck().check_source_highlighted("mul"), False),
    ],
)
def test_file_check(checks, holds):
    if holds:
        checks.run(TEXT)
    else:
        with pytest.raises(RuntimeError, match="Expected to"):
            checks.run(TEXT)


def test_file_check_written_as_comments():
    FileCheck().run("# CHECK: add\n# CHECK-NEXT: ~~~\n# CHECK-NOT: div\n# CHECK-COUNT-2: add", TEXT)
    with pytest.raises(RuntimeError, match="div"):
        FileCheck().run("# CHECK: div", TEXT)
    with pytest.raises(RuntimeError, match="no checks"):
        FileCheck().run(TEXT)


def test_assert_allclose():
    with pytest.warns(FutureWarning, match="deprecated"):
        assert_allclose(torch.ones(2), torch.ones(2, dtype=torch.float64) + 1e-6)
        with pytest.raises(AssertionError):
            assert_allclose(torch.ones(2), torch.ones(2) + 1)


def test_helpers_of_torch_utils():
    u = torch._utils
    parts = [torch.ones(2, 2), torch.zeros(3)]
    flat = u._flatten_dense_tensors(parts)
    assert flat.shape == (7,) and [p.shape for p in u._unflatten_dense_tensors(flat, parts)] == [(2, 2), (3,)]
    assert [len(g) for g in u._take_tensors([torch.ones(2)] * 3, 16)] == [2, 1]
    try:
        raise KeyError("lost")
    except KeyError:
        held = u.ExceptionWrapper(where="in a worker")
    with pytest.raises(KeyError, match="Caught KeyError in a worker"):
        held.reraise()


def test_settings():
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.get_deterministic_debug_mode() == 1
        torch.set_deterministic_debug_mode("error")
        assert torch.get_deterministic_debug_mode() == 2
    finally:
        torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()
    with torch.backends.cudnn.flags(benchmark=True):
        assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        torch.nn.functional.scaled_dot_product_attention(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.ones(1, 2, 3))
    assert torch.sym_max(1, 2.0) == 2.0 and torch.sym_int(2.7) == 2 and not isinstance(3, torch.SymInt)
