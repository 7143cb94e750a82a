"""What PyTorch has and rushlight lacks raises one kind of error, which says so."""

import importlib
import operator
import pickle
import subprocess
import sys

import pytest

import rushlight as torch

MODULES = ["", "nn", "nn.functional", "nn.utils", "optim", "optim.lr_scheduler", "autograd", "utils", "utils.data", "linalg", "fft",
           "special", "backends", "jit", "cuda", "distributed", "onnx", "nn.parallel"]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_attributes(name):
    module = importlib.import_module(f"rushlight.{name}".rstrip("."))
    assert not hasattr(module, "no_such_name") and getattr(module, "no_such_name", 7) == 7
    shown = f"torch.{name}.no_such_name" if name else "torch.no_such_name"
    with pytest.raises(torch.UnsupportedError, match=f"rushlight has no {shown}") as caught:
        _ = module.no_such_name
    assert isinstance(caught.value, AttributeError)
    names = {}
    with pytest.raises(ImportError, match=f"rushlight has no {shown}") as caught:
        exec(f"from {module.__name__} import no_such_name", names)
    assert isinstance(caught.value, torch.UnsupportedError)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{module.__name__}.no_such_name")


@pytest.mark.parametrize(
    ("module", "name", "shown", "instead"),
    [
        ("vision", "nothing", "torchvision.nothing", "docs/compatibility"),
        ("vision.models", "optical_flow", "torchvision.models.optical_flow", "its Python code runs on rushlight"),
        ("vision.models", "maxvit_t", "torchvision.models.maxvit_t", "its Python code runs on rushlight"),
        ("vision.io", "read_video", "torchvision.io.read_video", "no video is decoded here"),
        ("audio", "pipelines", "torchaudio.pipelines", "its Python code runs on rushlight"),
        ("audio.transforms", "Vad", "torchaudio.transforms.Vad", "its Python code runs on rushlight"),
        ("audio.functional", "rnnt_loss", "torchaudio.functional.rnnt_loss", "ctc_loss"),
        ("text", "models", "torchtext.models", "transformers"),
        ("text.transforms", "CLIPTokenizer", "torchtext.transforms.CLIPTokenizer", "GPT2BPETokenizer"),
    ],
)
def test_names_that_the_helpers_lack_say_what_works_instead(module, name, shown, instead):
    module = importlib.import_module(f"rushlight.{module}")
    assert not hasattr(module, name)
    with pytest.raises(torch.UnsupportedError, match=f"rushlight has no {shown}[:;] .*{instead}"):
        getattr(module, name)
    with pytest.raises(ImportError, match=f"rushlight has no {shown}"):
        exec(f"from {module.__name__} import {name}", {})


def test_it_says_what_works_instead():
    with pytest.raises(
        torch.UnsupportedError, match=r"torch\.symeig: removed from PyTorch in 2\.0; use torch\.linalg\.eigh"
    ):
        _ = torch.symeig
    with pytest.raises(torch.UnsupportedError, match=r"is_available\(\) is False"):
        torch.distributed.init_process_group("gloo")
    assert issubclass(torch.UnsupportedError, NotImplementedError)


def test_modules_that_make_no_sense_here_answer():
    assert not torch.distributed.is_available() and not torch.distributed.is_initialized()
    for kind in (torch.cuda, torch.mps, torch.xpu, torch.mtia):
        assert not kind.is_available() and kind.device_count() == 0
        kind.manual_seed_all(1)
        kind.empty_cache()
        assert kind.memory_allocated() == 0 and kind.get_rng_state_all() == []
        with pytest.raises(AssertionError, match="not compiled with"):
            kind.synchronize()
        with kind.device(None):
            pass
    assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)
    assert not isinstance(torch.ones(1).storage(), torch.cuda.FloatStorage)
    assert not isinstance(torch.ones(1), (torch.cuda.MemPool, torch.cuda.ExternalStream))
    assert torch.cuda.memory_stats_as_nested_dict() == torch.cuda.memory.host_memory_stats() == {}
    assert issubclass(torch.cuda.CudaError, RuntimeError)
    for name in ("memory_summary", "memory_snapshot", "utilization", "set_sync_debug_mode", "graphs.graph_pool_handle"):
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            operator.attrgetter(name)(torch.cuda)()
    with pytest.raises(TypeError, match="torch.cuda.FloatTensor not available"):
        torch.cuda.FloatTensor(2)
    with pytest.raises(ValueError, match="init_process_group"):
        torch.distributed.get_rank()
    assert torch.distributed.ReduceOp.SUM and torch.distributed.group.WORLD is None
    with pytest.raises(torch.UnsupportedError, match="DistributedDataParallel"):
        torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    assert "OpenBLAS" in torch.__config__.show()


def test_data_parallel_on_the_cpu_is_the_module():
    model = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    x = torch.ones(4, 2)
    assert torch.equal(model(x), model.module(x)) and list(model.state_dict()) == ["module.weight", "module.bias"]
    with pytest.raises(torch.UnsupportedError, match="leave device_ids out"):
        torch.nn.DataParallel(torch.nn.Linear(2, 3), device_ids=[0])


def test_compile_runs_as_it_is_and_says_so_once():
    from rushlight import _compile

    _compile._told = False
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout())
    with pytest.warns(UserWarning, match="runs the program as it is"):
        compiled = torch.compile(model, mode="max-autotune")
    x = torch.ones(4, 2)
    assert torch.equal(compiled.eval()(x), model(x)) and not model.training
    assert list(compiled.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    assert (
        compiled[0] is model[0]
        and len(list(compiled.parameters())) == 2
        and isinstance(compiled, torch._dynamo.OptimizedModule)
    )
    compiled.flag = 3
    assert model.flag == 3
    compiled.train()
    assert model.training and compiled.training

    @torch.compile(fullgraph=True)
    def double(v):
        """Twice."""
        return v * 2

    assert double(x).sum() == 16 and double.__doc__ == "Twice."
    assert torch.compile(double, disable=True) is double and not torch.compiler.is_compiling()
    with torch._dynamo.config.patch(suppress_errors=True):
        assert torch._dynamo.config.suppress_errors
    assert not torch._dynamo.config.suppress_errors
    with pytest.raises(TypeError, match="expected a function or a module"):
        torch.compile(3)


def test_out_of_memory_is_pytorchs_and_pythons():
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(2**62, dtype=torch.uint8)
    assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, MemoryError)
    assert torch.cuda.OutOfMemoryError is torch.OutOfMemoryError


def test_errors_travel():
    with pytest.raises(torch.UnsupportedError) as caught:
        _ = torch.no_such_name
    assert "no_such_name" in str(pickle.loads(pickle.dumps(caught.value)))


def test_names_of_pytorchs_own_c_module():
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU) | torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
    assert keys.has(torch._C.DispatchKey.CPU) and not (keys - torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)).has(
        torch._C.DispatchKey.CPU
    )
    with torch.autocast("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
        with torch._C._ExcludeDispatchKeyGuard(keys):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
    torch._C._log_api_usage_once("name")
    assert torch._C._get_tracing_state() is None and issubclass(torch.nn.Parameter, torch._C.TensorBase)
    with pytest.raises(torch.UnsupportedError, match=r"torch\._C\.no_such_name"):
        _ = torch._C.no_such_name


def test_jit_isinstance():
    from typing import Dict, List, Optional, Tuple, Union  # noqa: UP035

    check = torch.jit.isinstance
    t = torch.ones(1)
    assert check([t], List[torch.Tensor]) and not check([t, 1], List[torch.Tensor])  # noqa: UP006
    assert check({"a": 1}, Dict[str, int]) and not check({1: 1}, Dict[str, int])  # noqa: UP006
    assert check((1, "a"), Tuple[int, str]) and not check((1,), Tuple[int, str])  # noqa: UP006
    assert check(None, Optional[int]) and check(2, Union[int, str]) and not check(2.0, Union[int, str])  # noqa: UP007, UP045
    assert check(3, (str, int)) and check([1], list[int])


def test_modules_before_quantisation_pass_on():
    x = torch.ones(2)
    assert torch.ao.quantization.QuantStub()(x) is x and torch.quantization.DeQuantStub()(x) is x
    functional = torch.nn.quantized.FloatFunctional()
    assert functional.add_relu(x, -3 * x).tolist() == [0, 0] and functional.cat([x, x]).shape == (4,)
    with pytest.raises(torch.UnsupportedError, match="float32"):
        _ = torch.ao.quantization.prepare_fx


def test_scans():
    from rushlight._higher_order_ops.associative_scan import associative_scan

    x = torch.arange(1.0, 8.0)
    assert torch.equal(associative_scan(lambda a, b: a * b, x, 0), x.cumprod(0))
    a, b = torch.rand(2, 5), torch.rand(2, 5)
    got = associative_scan(lambda f, g: (f[0] * g[0], f[1] * g[0] + g[1]), (a, b), 1)[1]
    h, expected = torch.zeros(2), []
    for t in range(5):
        h = a[:, t] * h + b[:, t]
        expected.append(h)
    assert torch.allclose(got, torch.stack(expected, 1))
    assert torch.equal(associative_scan(torch.add, x, 0, reverse=True), x.flip(0).cumsum(0).flip(0))


def test_modules_that_pytorch_has_imported_are_there_without_an_import():
    """What `import torch` imports, and rushlight has, is found by attributes alone; in a process of its own, where nothing was imported."""
    list_them = "import torch, sys; print(*sorted(n for n in sys.modules if n.startswith('torch.') and not n.startswith('torch._C')))"
    names = subprocess.run([sys.executable, "-c", list_them], capture_output=True, text=True, check=True).stdout.split()
    walk = """
import importlib.util, sys
import rushlight
missing = []
for name in sys.argv[1:]:
    place, inside = rushlight, "rushlight"
    for part in name.split(".")[1:]:
        inside += "." + part
        try:
            there = importlib.util.find_spec(inside) is not None
        except (ImportError, ValueError):  # a function or a class of that name
            there = False
        if not there:
            break
        place = getattr(place, part, None)
        if place is None:
            missing.append(inside)
            break
print(len(sys.argv), missing)
"""
    found = subprocess.run([sys.executable, "-c", walk, *names], capture_output=True, text=True)
    assert found.stdout.endswith("[]\n") and not found.stdout.startswith("1 "), found.stdout + found.stderr[-2000:]


def test_a_trace_has_scopes_that_programs_enter():
    seen = []

    def scoped(x):
        state = torch._C._get_tracing_state()
        state.push_scope("net")
        state.push_scope("layer")
        seen.append(state.current_scope())
        state.pop_scope()
        seen.append(torch._C._get_tracing_state().current_scope())
        state.pop_scope()
        return x + 1

    torch.jit.trace(scoped, torch.ones(1), check_trace=False)
    assert seen == ["net/layer", "net"] and torch._C._get_tracing_state() is None


def test_who_may_override_functions_can_be_asked_and_set():
    states = torch._C._TorchFunctionState
    assert torch._C._get_torch_function_state() == states.ENABLED and torch._C._len_torch_function_stack() == 0
    with torch._C.DisableTorchFunctionSubclass():
        assert torch._C._get_torch_function_state() == states.SUBCLASSES_DISABLED
    with torch.overrides.BaseTorchFunctionMode(), torch._C.DisableTorchFunction():
        assert torch._C._get_torch_function_state() == states.ALL_DISABLED and torch._C._len_torch_function_stack() == 1
    torch._C._set_torch_function_state(states.SUBCLASSES_DISABLED)
    assert torch._C._get_torch_function_state() == states.SUBCLASSES_DISABLED
    torch._C._set_torch_function_state(states.ENABLED)
    assert torch._C._get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
