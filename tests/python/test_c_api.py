"""The C interface (rushlight/c_api.h): plug-ins written on it, a program of another language, and that it stays what it was."""

import re
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT, run

import rushlight as torch

LIBRARY = BUILD / "python" / "rushlight" / "librushlight.so"
LINKED = ["-L", LIBRARY.parent, "-lrushlight", f"-Wl,-rpath,{LIBRARY.parent}"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def compile_plugin(out, source, *options):
    c = source.suffix == ".c"
    command = ["gcc", "-std=c11"] if c else ["g++", "-std=c++17"]
    where = ["-I", ROOT / "tests", "-I", ROOT]
    run(*command, "-shared", "-fPIC", *WARNINGS, *where, *options, source, "-o", out, *LINKED)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("c_api")


@pytest.fixture(scope="module")
def plug(folder):
    """Built against the first version's header, as it was then."""
    torch.ops.load_library(compile_plugin(folder / "c_plugin.so", ROOT / "tests" / "plugins" / "c_plugin.c"))
    return torch.ops.cplug


def test_kernels_shapes_and_gradients_of_a_plugin_in_c(plug):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    before = plug.gradient_calls()
    y = plug.cube(x)
    assert y.tolist() == [1, 8] and "cplug::cubeBackward" in str(y.grad_fn)
    y.sum().backward()
    assert x.grad.tolist() == [3, 12] and plug.gradient_calls() == before + 1
    (g,) = torch.autograd.grad(plug.cube(x).sum(), x, create_graph=True)
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [6, 12]
    assert plug.cube(torch.empty(2, 3, device="meta")).shape == (2, 3)
    with pytest.raises(TypeError, match="expected float32"):
        plug.cube(torch.ones(2, dtype=torch.float64))
    with torch.no_grad():
        assert not plug.cube(x).requires_grad


def test_composites_with_lists_have_the_gradients_of_what_they_call(plug):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    total, count = plug.sum_all([x, x], 2.0)
    assert (total.item(), count) == (12, 2)
    total.backward()
    assert x.grad.tolist() == [4, 4]
    assert plug.sum_all([])[1] == 0


def test_scripts_call_operators_of_a_plugin(plug):
    @torch.jit.script
    def f(x):
        return torch.ops.cplug.cube(x) + 1

    assert f(torch.tensor([2.0])).tolist() == [9]


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("i", TypeError, "its kernel gave a int as result 0, expected Tensor"),
        ("e", IndexError, "lie_e: index 7 is out of range"),
        ("k", RuntimeError, "lie_k"),
    ],
)
def test_kernels_that_lie_about_their_schema(plug, kind, error, text):
    with pytest.raises(error, match=text):
        getattr(plug, f"lie_{kind}")(torch.ones(2))


def test_results_that_are_nothing_or_an_argument(plug):
    x = torch.ones(2)
    assert plug.lie_n(x) is None
    assert plug.lie_a(x).tolist() == [1, 1] and x.tolist() == [1, 1]


def test_exceptions_of_a_plugin_become_errors(folder):
    torch.ops.load_library(compile_plugin(folder / "throws.so", ROOT / "tests" / "plugins" / "c_plugin_throws.cpp"))
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="cthrow::known: a C.. exception came out of it: a plain exception"):
        torch.ops.cthrow.known(x)
    with pytest.raises(RuntimeError, match="cthrow::unknown: a C.. exception of an unknown type"):
        torch.ops.cthrow.unknown(x)
    with pytest.raises(RuntimeError, match="the gradient of cthrow::later: .* an exception in a gradient"):
        torch.ops.cthrow.later(x).sum().backward()


# In processes of their own: what fails must leave the process as it was, and the plug-in of the same namespace may be loaded here.
def loads(path) -> str:
    program = (
        "import sys, rushlight as torch\n"
        "for again in range(2):\n"
        "    try: torch.ops.load_library(sys.argv[1])\n"
        "    except Exception as e: print(type(e).__name__, e)\n"
        "print(hasattr(torch.ops.cplug, 'cube'))\n"
    )
    return run(sys.executable, "-c", program, path)


def test_a_plugin_that_fails_at_its_start_leaves_nothing(folder):
    out = loads(compile_plugin(folder / "fails.so", ROOT / "tests" / "plugins" / "c_plugin.c", "-DFAILS_AT_THE_END"))
    lines = out.strip().splitlines()
    assert lines[-1] == "False"
    assert len(re.findall(r"^RuntimeError .*fails.so", out, re.M)) == 2, out


def test_a_plugin_for_a_newer_interface_is_refused(folder):
    out = loads(compile_plugin(folder / "newer.so", ROOT / "tests" / "plugins" / "c_plugin.c", "-DABI=1000"))
    assert "built for version 1000 of rushlight's C interface" in out and "install a newer rushlight" in out
    source = folder / "newest.c"
    source.write_text(
        '#include "abi/c_api_1.h"\nrl_error* rl_of_the_future(void);\n'
        "static rl_error* start(void) { return rl_of_the_future(); }\nRL_PLUGIN(start);\n"
    )
    out = loads(compile_plugin(folder / "newest.so", source, "-Wl,-z,now"))
    assert "OsError" in out or "OSError" in out
    assert "built for a newer rushlight/c_api.h" in out


def test_a_plugin_is_started_once(folder):
    out = loads(compile_plugin(folder / "twice.so", ROOT / "tests" / "plugins" / "c_plugin.c"))
    assert out == "True\n"


C_PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <rushlight/c_api.h>
static void show(const char* what, rl_error* e) {
  printf("%s: %d %s\n", what, e ? rl_error_kind(e) : -1, rl_error_text(e));
  rl_error_free(e);
}
static int released;
static void release(void* context, void* data) { (void)data; ++*(int*)context; }
int main(void) {
  const int64_t sizes[] = {2, 3}, bad[] = {2, -3}, huge[] = {1ll << 40, 1ll << 40};
  const int64_t* seen; size_t dims, n; int64_t numel; int32_t number, flag; double d; void* p;
  float data[6] = {1, 2, 3, 4, 5, 6};
  rl_value *x = NULL, *y = NULL, *z = NULL, *t = NULL;
  const rl_operator* op;
  printf("%d %s\n", rl_abi_version() >= 1, rl_dtype_name(RL_BFLOAT16));
  printf("%d %d\n", rl_dtype_name(99) == NULL, (int)rl_dtype_size(RL_FLOAT64));
  show("borrow", rl_tensor_borrow(data, sizes, NULL, 2, RL_FLOAT32, release, &released, &x));
  show("sum", rl_call("aten::sum", (const rl_value* const[]){x}, 1, NULL, NULL, 0, &y));
  show("item", rl_call("item", (const rl_value* const[]){y}, 1, NULL, NULL, 0, &z));
  show("float", rl_get_float(z, &d)); printf("%g\n", d);
  show("text", rl_value_text(z, &t));
  const char* text; show("string", rl_get_string(t, &text, &n)); printf("%.*s\n", (int)n, text);
  rl_value_free(t), rl_value_free(z), rl_value_free(y);
  show("sizes", rl_tensor_sizes(x, &seen, &dims)); printf("%d %d %d\n", (int)dims, (int)seen[0], (int)seen[1]);
  show("keywords", rl_call("sum", (const rl_value* const[]){x}, 1, (const char* const[]){"dim", "keepdim"},
       (const rl_value* const[]){t = rl_int(1), z = rl_bool(1)}, 2, &y));
  rl_tensor_sizes(y, &seen, &dims); printf("%d %d %d\n", (int)dims, (int)seen[0], (int)seen[1]);
  rl_value_free(t), rl_value_free(z), rl_value_free(y);
  show("several", rl_call("max", (const rl_value* const[]){x, t = rl_int(0)}, 2, NULL, NULL, 0, &y));
  show("length", rl_length(y, &n)); printf("%d %d\n", (int)n, rl_value_kind(y) == RL_TUPLE);
  rl_value_free(t), rl_value_free(y);
  show("find", rl_operator_find("aten::add.Tensor", &op));
  show("schema", rl_operator_schema(op, &t)); rl_get_string(t, &text, &n); printf("%.*s\n", (int)n, text);
  rl_value_free(t);
  show("in order", rl_operator_call(op, (const rl_value* const[]){x, x}, 2, &y, 1));
  rl_tensor_numel(y, &numel); printf("%d\n", (int)numel); rl_value_free(y);
  show("no room", rl_operator_call(op, (const rl_value* const[]){x, x}, 2, &y, 0));
  show("missing", rl_operator_call(op, (const rl_value* const[]){x}, 1, &y, 1));
  show("wrong type", rl_operator_call(op, (const rl_value* const[]){x, t = rl_string("s", 1)}, 2, &y, 1));
  rl_value_free(t);
  show("too many", rl_operator_call(op, (const rl_value* const[]){x, x, x, x}, 4, &y, 1));
  show("no operator", rl_operator_find("aten::ad", &op));
  show("no overload", rl_call("relu", (const rl_value* const[]){x, x}, 2, NULL, NULL, 0, &y));
  show("shapes", rl_call("mm", (const rl_value* const[]){x, x}, 2, NULL, NULL, 0, &y));
  show("negative", rl_tensor_empty(bad, 2, RL_FLOAT32, RL_CPU, -1, &y));
  show("huge", rl_tensor_empty(huge, 2, RL_FLOAT32, RL_CPU, -1, &y));
  show("dtype", rl_tensor_empty(sizes, 2, 77, RL_CPU, -1, &y));
  show("device", rl_tensor_empty(sizes, 2, RL_FLOAT32, 99, -1, &y));
  show("null", rl_tensor_empty(NULL, 2, RL_FLOAT32, RL_CPU, -1, &y));
  show("null out", rl_tensor_empty(sizes, 2, RL_FLOAT32, RL_CPU, -1, NULL));
  show("null value", rl_tensor_data(NULL, &p));
  show("null argument", rl_call("relu", (const rl_value* const[]){NULL}, 1, NULL, NULL, 0, &y));
  show("no tensor", rl_tensor_dtype(t = rl_float(1), &number)); rl_value_free(t);
  show("no file", rl_module_load("/nowhere/m.pt", &y));
  show("no archive", rl_module_load_bytes("PK nothing", 10, &y));
  show("borrow wrongly", rl_tensor_borrow(data, bad, NULL, 2, RL_FLOAT32, release, &released, &y));
  printf("released %d\n", released);
  show("index", rl_item(t = rl_none(), 0, &y)); rl_value_free(t);
  rl_library* l = NULL;
  show("newer", rl_library_new(RL_ABI_VERSION + 1, "mine", RL_DEFINE, "here", &l));
  show("library", rl_library_new(RL_ABI_VERSION, "mine", RL_DEFINE, "here", &l));
  show("no schema", rl_library_define(l, "f(Tensor x -> Tensor"));
  show("no key", rl_library_kernel(l, "f", "GPU", NULL, NULL, NULL));
  rl_library_free(l);
  show("grad", rl_tensor_set_requires_grad(x, 1));
  show("product", rl_call("mul", (const rl_value* const[]){x, x}, 2, NULL, NULL, 0, &y));
  show("backward", rl_tensor_backward(y, NULL));
  show("backward", rl_tensor_backward(y, x));
  show("gradient", rl_tensor_grad(x, &z)); rl_tensor_data(z, &p); printf("%g\n", ((float*)p)[2]);
  rl_value_free(y), rl_value_free(z);
  number = rl_set_grad_mode(0);
  printf("%d %d\n", number, rl_set_grad_mode(1));
  show("compile", rl_module_compile("def f(x : int) -> int:\n  return x + 1\n", &y));
  show("call", rl_module_call(y, "f", (const rl_value* const[]){t = rl_int(4)}, 1, NULL, NULL, 0, &z));
  int64_t i; rl_get_int(z, &i); printf("%d\n", (int)i); rl_value_free(z);
  show("no method", rl_module_call(y, "g", NULL, 0, NULL, NULL, 0, &z));
  show("wrong argument", rl_module_call(y, "f", (const rl_value* const[]){x}, 1, NULL, NULL, 0, &z));
  rl_value_free(t), rl_value_free(y);
  show("contiguous", rl_tensor_is_contiguous(x, &flag)); printf("%d\n", flag);
  show("too long", rl_int_list((const int64_t[]){1}, SIZE_MAX / 8 + 1, &y));
  show("too long", rl_float_list((const double[]){1}, SIZE_MAX, &y));
  show("own", rl_tensor_empty((const int64_t[]){2}, 1, RL_FLOAT32, RL_CPU, -1, &y));
  rl_tensor_data(y, &p); ((float*)p)[0] = 1;
  show("shared", rl_call("_lazy_clone", (const rl_value* const[]){y}, 1, NULL, NULL, 0, &z));
  rl_tensor_data(y, &p); ((float*)p)[0] = 2;
  rl_tensor_data(z, &p); printf("%g\n", ((float*)p)[0]);
  rl_value_free(y), rl_value_free(z);
  rl_value_free(x);
  printf("released %d\n", released);
}
"""
EXPECTED = r"""1 bfloat16
1 8
borrow: -1
sum: -1
item: -1
float: -1
21
text: -1
string: -1
21\.0?
sizes: -1
2 2 3
keywords: -1
2 2 1
several: -1
length: -1
2 1
find: -1
schema: -1
aten::add\.Tensor\(Tensor self, Tensor other, \*, Scalar alpha=1\) -> Tensor
in order: -1
6
no room: 0 aten::add: has 1 results, and there is room for 0
missing: 0 aten::add: argument other is missing: .*
wrong type: 2 aten::add: argument other is of type Tensor, got a str.*
too many: 0 aten::add: expected at most 3 arguments, got 4: .*
no operator: 0 no operator aten::ad.*
no overload: 2 relu: no overload takes these arguments:
  aten::relu\(Tensor self\) -> Tensor: takes 1 arguments by position, got 2
shapes: 0 .*2x3 and 2x3.*
negative: 0 .*-3.*
huge: \d .*
dtype: 1 rl_tensor_empty: no dtype has the number 77
device: 1 rl_tensor_empty: no device has the number 99
null: 1 rl_tensor_empty: sizes is NULL
null out: 1 rl_tensor_empty: out is NULL
null value: 1 rl_tensor_data: the tensor is NULL
null argument: 1 relu: an argument is NULL
no tensor: 2 rl_tensor_dtype: expected a tensor, got a float
no file: 6 .*/nowhere/m.pt.*
no archive: \d .*
borrow wrongly: 1 rl_tensor_borrow: sizes can't be negative, got .*
released 1
index: 2 rl_item: expected a list or a tuple, got a None
newer: 0 here: built for version \d+ of rushlight's C interface, and this library has version \d+; install a newer rushlight
library: -1
no schema: 0 .*
no key: 1 rl_library_kernel: the kernel is NULL
grad: -1
product: -1
backward: 0 .*
backward: -1
gradient: -1
18
1 0
compile: -1
call: -1
5
no method: 8 Method 'g' is not defined\.
wrong argument: 0 f\(\), argument 'x'.*
contiguous: -1
1
too long: 1 rl_int_list: the array of items can't have 2305843009213693952 items
too long: 1 rl_float_list: the array of items can't have \d+ items
own: -1
shared: -1
1
released 2
"""


def test_a_c_program_and_its_mistakes(folder):
    (folder / "program.c").write_text(C_PROGRAM)
    run("gcc", "-std=c11", *WARNINGS, "-I", ROOT, folder / "program.c", "-o", folder / "program", *LINKED)
    lines = [line.rstrip() for line in run(folder / "program").splitlines()]
    patterns = EXPECTED.splitlines()
    for got, pattern in zip(lines, patterns, strict=False):
        assert re.fullmatch(pattern, got), f"{got!r} is not {pattern!r}\n" + "\n".join(lines)
    assert len(lines) == len(patterns)


def test_another_language_loads_an_archive_and_runs_it(folder):
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Dropout(0.5))
    torch.jit.script(net).save(str(folder / "net.pt"))
    script = ROOT / "examples" / "c_api" / "run_archive.py"
    assert len(script.read_text().splitlines()) < 130
    out = run(sys.executable, script, LIBRARY, folder / "net.pt", "2x4")
    assert "result: tensor of shape [2, 3]" in out
    want = net.eval()(torch.ones(2, 4)).sum().item()
    assert float(out.split("sum:")[1]) == pytest.approx(want, rel=1e-3)
    wrong = subprocess.run(
        [sys.executable, script, LIBRARY, folder / "net.pt", "2x5"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1 and "RuntimeError" in wrong.stderr and "2x5" in wrong.stderr


def test_nothing_that_was_exported_is_missing():
    run(sys.executable, ROOT / "tools" / "abi_check.py", LIBRARY)


def test_the_header_has_what_the_first_one_had():
    def declarations(path):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        return {re.sub(r"\s+", " ", d).strip() for d in re.findall(r"[^;{}]*\brl_\w+\([^;{}]*\);", text)}

    first, now = (declarations(p) for p in (ROOT / "tests" / "abi" / "c_api_1.h", ROOT / "rushlight" / "c_api.h"))
    assert len(first) > 60
    assert first <= now
