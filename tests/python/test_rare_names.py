"""Public names that few programs use; each does the same in PyTorch."""

import importlib
import io

import pytest
import torch as pytorch

import rushlight as torch


@pytest.fixture(params=["ours", "pytorch"])
def fw(request):
    return torch if request.param == "ours" else pytorch


def test_records_are_written_and_read(fw, tmp_path):
    path = tmp_path / "model.pt"
    writer = fw.PyTorchFileWriter(str(path))
    writer.write_record("text", "four", 4)
    writer.write_record("numbers", fw.arange(3.0).untyped_storage(), 12)
    with pytest.raises(RuntimeError):
        writer.write_record("text", "again", 5)
    assert writer.get_all_written_records() >= {"text", "numbers"}
    writer.write_end_of_file()
    for reading in (torch, pytorch):
        reader = reading.PyTorchFileReader(str(path))
        assert reader.get_record("text") == b"four"
        assert len(reader.get_record("numbers")) == 12
    assert pytorch.PyTorchFileReader(str(path)).get_record_offset("numbers") % 64 == 0
    assert writer.archive_name() == "model"


def test_a_writer_refuses_what_it_cannot_write():
    writer = torch.PyTorchFileWriter(io.BytesIO())
    with pytest.raises(RuntimeError, match="short has 1 bytes, expected at least 5"):
        writer.write_record("short", b"1", 5)
    writer.write_end_of_file()
    with pytest.raises(RuntimeError, match="closed"):
        writer.write_record("late", b"1", 1)
    with pytest.raises(TypeError, match="a path or a file object, got int"):
        torch.PyTorchFileWriter(3)


def test_a_schema_is_taken_apart(fw):
    schema = fw.parse_schema("mine::scale.out(Tensor x, *, int by=2, Tensor(a!) out) -> Tensor(a!)")
    assert isinstance(schema, fw.FunctionSchema) and isinstance(schema.arguments[0], fw.Argument)
    assert (schema.name, schema.overload_name) == ("mine::scale", "out")
    assert [a.name for a in schema.arguments] == ["x", "by", "out"]
    assert schema.arguments[1].default_value == 2 and schema.arguments[1].kwarg_only
    assert schema.is_mutable
    with pytest.raises(RuntimeError):
        fw.parse_schema("scale(Tensor")


def test_throughput_of_a_module(fw):
    bench = fw.utils.ThroughputBenchmark(fw.nn.Linear(3, 2))
    bench.add_input(fw.ones(4, 3))
    assert bench.run_once(fw.ones(5, 3)).shape == (5, 2)
    stats = bench.benchmark(num_calling_threads=2, num_warmup_iters=2, num_iters=20)
    assert stats.num_iters >= 20 and stats.latency_avg_ms > 0 and stats.iters_per_second > 0
    assert "Total number of iterations" in str(stats)


def test_what_a_benchmarked_module_raises_is_raised():
    bench = torch.utils.ThroughputBenchmark(torch.nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="add_input"):
        bench.benchmark()
    bench.add_input(torch.ones(4, 5))
    with pytest.raises(RuntimeError, match="shapes"):
        bench.benchmark(num_calling_threads=2)


def test_ranges_of_sizes(fw):
    assert fw.sym_fresh_size(5) == 5
    assert fw.sym_constrain_range(3, min=2, max=4) is None
    with pytest.raises(RuntimeError, match="Invalid value range for 5"):
        fw.sym_constrain_range(5, min=2, max=4)
    assert fw.sym_constrain_range_for_size(3) is None


def test_statistics_of_a_batch(fw):
    x, mean, var = fw.arange(12.0).reshape(2, 3, 2), fw.zeros(3), fw.ones(3)
    found = fw.batch_norm_update_stats(x, mean, var, 0.1)
    assert found[0].tolist() == [3.5, 5.5, 7.5] and found[1].tolist() == [9.25] * 3
    assert mean.tolist() == pytest.approx([0.35, 0.55, 0.75])
    assert var.tolist() == pytest.approx([0.9 + 0.1 * 9.25 * 4 / 3] * 3)


def test_operators_under_their_library_s_name(fw):
    x, w = fw.arange(32.0).reshape(1, 2, 4, 4), fw.ones(3, 2, 3, 3)
    found = fw.mkldnn_convolution(x, w, None, [1, 1], [2, 2], [1, 1], 1)
    assert fw.equal(found, fw.nn.functional.conv2d(x, w, None, 2, 1))
    with pytest.raises(NotImplementedError, match="mkldnn_max_pool2d"):
        fw.mkldnn_max_pool2d(x, 2)


def test_slice_inverse_is_a_view_of_the_whole(fw):
    whole = fw.arange(6.0)
    again = fw.slice_inverse(whole[1:4], whole, 0, 1, 4)
    assert again.tolist() == whole.tolist() and again.data_ptr() == whole.data_ptr()
    assert whole[1:4].slice_inverse(whole).shape == (6,)


def test_devices_that_are_not_there(fw):
    x = fw.ones(2)
    assert not any((x.is_ipu, x.is_maia, x.is_mtia, x.is_vulkan, x.is_distributed()))
    for name, error in (("xpu", AssertionError), ("mtia", AssertionError), ("ipu", RuntimeError)):
        with pytest.raises(error, match=f"(?i){name}"):
            getattr(x, name)()
    with pytest.raises(NotImplementedError, match="record_stream"):
        x.record_stream(fw.Stream("cpu"))
    assert x.const_data_ptr() == x.data_ptr()
    xnnpack = importlib.import_module(f"{fw.__name__}.backends.xnnpack")
    assert isinstance(xnnpack.enabled, bool)
    assert isinstance(fw.cpu.get_capabilities()["architecture"], str)


@pytest.mark.parametrize("name", ["lstsq", "solve", "symeig", "eig", "reinforce"])
def test_what_was_removed_says_so(fw, name):
    with pytest.raises(RuntimeError, match="(?s)removed"):
        getattr(fw.ones(2, 2), name)(fw.ones(2, 2))


def test_parallel_functions_import_and_say_what_the_cpu_lacks():
    functions = importlib.import_module("rushlight.nn.parallel._functions")
    for name in ("Broadcast", "Gather", "ReduceAddCoalesced", "Scatter"):
        with pytest.raises(torch.UnsupportedError, match=name):
            getattr(functions, name).apply([0], None, 0, torch.ones(2))


def test_errors_and_classes_have_their_places():
    assert issubclass(torch.AcceleratorError, RuntimeError) and issubclass(torch.FatalError, Exception)
    assert torch.CompilationUnit is torch.jit.CompilationUnit
    with torch.DisableTorchFunctionSubclass():
        assert torch.ones(2).sum() == 2


def test_modules_of_a_function_s_name_hide_nothing(fw):
    parallel = importlib.import_module(f"{fw.__name__}.nn.parallel")
    for name in ("parallel_apply", "replicate", "data_parallel", "scatter_gather"):
        module = importlib.import_module(f"{fw.__name__}.nn.parallel.{name}")
        assert name == "scatter_gather" or callable(getattr(module, name))
    double = fw.nn.Linear(1, 1, bias=False)
    fw.nn.init.constant_(double.weight, 2.0)
    if fw is torch:  # PyTorch wants an accelerator for each
        assert parallel.data_parallel(double, fw.ones(1, 1)).item() == 2.0
        assert parallel.parallel_apply([double], [fw.ones(1, 1)])[0].item() == 2.0


def test_an_optimizer_takes_a_list_of_parameters_that_is_a_module(fw):
    weights = fw.nn.ParameterList([fw.ones(2), fw.ones(3)])
    assert len(fw.optim.SGD(weights, lr=0.1).param_groups[0]["params"]) == 2


def test_products_of_bytes_are_ints(fw):
    a = fw.arange(-128, 128, dtype=fw.int8).reshape(32, 8)
    b = fw.arange(-64, 64, dtype=fw.int8).reshape(8, 16)
    wanted = a.double() @ b.double()
    out = fw.empty(32, 16, dtype=fw.int32)
    for made in (fw._int_mm(a, b), fw._int_mm(a.t().contiguous().t(), b), fw._int_mm(a, b, out=out), out):
        assert made.dtype == fw.int32 and fw.equal(made.double(), wanted)
    for bad in ((a.float(), b), (a, b[:4]), (a[0], b)):
        with pytest.raises(RuntimeError):
            fw._int_mm(*bad)


def test_shapes_and_flags_of_old(fw):
    x = fw.arange(6.0)
    with pytest.warns(UserWarning, match="non-inplace resize is deprecated"):
        assert x.resize(2, 3).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.warns(UserWarning, match="non-inplace resize_as is deprecated"):
        assert x.resize_as(fw.ones(3, 2)).shape == (3, 2)
    with pytest.warns(UserWarning, match="volatile was removed"):
        assert x.volatile is False
    with pytest.warns(UserWarning, match="now has no effect"):
        x.volatile = True
