"""What packages take from PyTorch beside its documented names: lists of tensors, functorch, weak keys, storages of old."""

import gc
import importlib
import subprocess
import sys

import pytest
import torch

import rushlight as rl


def _both(f, seed=0):
    """f(torch) of PyTorch and of rushlight, as text."""
    out = []
    for t in (torch, rl):
        t.manual_seed(seed)
        out.append(repr(f(t)))
    return out


def test_modules_as_functions():
    from rushlight._functorch import front as functorch

    models = [rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.BatchNorm1d(4)).eval() for _ in range(3)]
    f, parameters, buffers = functorch.combine_state_for_ensemble(models)
    x = rl.randn(5, 3)
    out = functorch.vmap(f, in_dims=(0, 0, None))(parameters, buffers, x)
    assert all(rl.allclose(out[i], models[i](x), atol=1e-6) for i in range(3))
    with pytest.raises(RuntimeError, match="make_functional_with_buffers"):
        functorch.make_functional(models[0])
    f, parameters = functorch.make_functional(models[0][0])
    assert rl.equal(f(parameters, x), models[0][0](x))


def test_functorch_is_a_module_of_programs():
    program = "import functorch, torch; from torch._functorch.vmap import _add_batch_dim; print(functorch.vmap.__wrapped__ is torch.vmap)"
    done = subprocess.run([sys.executable, "-m", "rushlight", "-c", program], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_the_tensors_of_vmap_can_be_asked():
    c = importlib.import_module("rushlight._C._functorch")
    seen = []

    def f(x):
        seen.append((c.is_batchedtensor(x), c.maybe_get_level(x) > 0, c.get_unwrapped(x).shape, c.maybe_get_bdim(x)))
        seen.append(rl._C._are_functorch_transforms_active())
        return x

    rl.vmap(f)(rl.ones(2, 3))
    assert seen == [(True, True, (2, 3), 0), True]
    assert not rl._C._are_functorch_transforms_active() and not c.is_batchedtensor(rl.ones(1))


def test_steps_of_vmap_can_be_replaced(monkeypatch):
    vmap = importlib.import_module("rushlight._functorch.vmap")

    class Box:
        def __init__(self, x):
            self.x = x

    def create(dims, args, level, spec):
        boxes = [Box(vmap._add_batch_dim(a.x, 0, level)) if isinstance(a, Box) else a for a in args]
        return vmap.tree_unflatten(boxes, spec)

    monkeypatch.setattr(vmap, "_create_batched_inputs", create)
    monkeypatch.setattr(vmap, "_process_batched_inputs", lambda d, args, f: (3, [0], *vmap.tree_flatten(args)))
    assert rl.vmap(lambda box: box.x.sum())(Box(rl.ones(3, 4))).tolist() == [4, 4, 4]


def test_weak_keys_count_by_identity():
    from rushlight.utils.weak import TensorWeakRef, WeakIdKeyDictionary

    x, same = rl.zeros(2), rl.zeros(2)
    seen = WeakIdKeyDictionary({x: 1})
    assert x in seen and same not in seen and 3 not in seen and list(seen) == [x]
    seen[same] = 2
    assert seen.copy()[same] == 2 and (seen | {}) == seen
    ref = TensorWeakRef(x)
    assert ref() is x
    del x
    gc.collect()
    assert ref() is None and len(seen) == 1 and seen.pop(same) == 2


def test_tensors_of_a_module_are_exchanged_by_name():
    from rushlight.nn.utils._named_member_accessor import NamedMemberAccessor, swap_tensor

    net = rl.nn.Sequential(rl.nn.Linear(2, 2))
    named, weight = NamedMemberAccessor(net), net[0].weight
    assert named.get_tensor("0.weight") is weight
    was, missing = named.swap_tensors_dict({"0.weight": rl.ones(2, 2), "0.more": rl.ones(1)}, allow_missing=True)
    assert missing == ["0.more"] and rl.allclose(net(rl.ones(1, 2)), net[0].bias + 2)
    named.swap_tensors_dict(was, allow_missing=True)
    assert net[0].weight is weight and not hasattr(net[0], "more")
    assert named.check_keys(["0.weight", "k"]) == (["0.bias"], ["k"])
    with pytest.raises(RuntimeError, match="Missing key"):
        named.swap_tensors_dict({"0.weight": rl.zeros(2, 2), "0.x": rl.zeros(1)})
    assert net[0].weight is weight
    with pytest.raises(TypeError, match="3 is not an instance of torch.Tensor"):
        swap_tensor(net[0], "weight", 3)
    with pytest.raises(AttributeError, match="Sequential has no attribute `q`"):
        named.get_submodule("q.r")


SCRIPTS = """
import torch
from functools import partial

exp = partial(torch.exp)

def a(x: torch.Tensor, y: torch.Tensor):
    x, y = torch.broadcast_tensors(x, y)
    return x + y
def b(x: torch.Tensor, y: torch.Tensor):
    return torch.einsum("ij,jk->ik", x, y) + torch.einsum("ij,jk->ik", [x, y])
def c(x: torch.Tensor, y: torch.Tensor):
    return torch.block_diag(x, y)
def d(x: torch.Tensor, y: torch.Tensor):
    g, h = torch.meshgrid(x[0], y[0], indexing="ij")
    return g * h + torch.meshgrid([x[0], y[0]])[0]
def e(x: torch.Tensor, y: torch.Tensor):
    return torch.cartesian_prod(x[0], y[0]), torch.chain_matmul(x, y), torch.atleast_3d(x)
def f(x: torch.Tensor, y: torch.Tensor):
    return torch.tensordot(x, y, dims=1) + torch.tensordot(x, y, dims=([1], [0]))
def g(x: torch.Tensor, y: torch.Tensor):
    p, q, r = torch.unique(x, return_inverse=True, return_counts=True)
    return p, q, r, torch.unique(y), torch.unique(y, dim=0)
def h(x: torch.Tensor, y: torch.Tensor):
    p, q, r = torch.split(x, 1)
    return p, torch.cat(torch.split(y, 2)), torch.split(x, [1, 2], dim=1)[1]
def i(x: torch.Tensor, y: torch.Tensor):
    n = x.norm() + y.norm(2, 1, True) + torch.norm(x, 2) + torch.norm(x, p=1, dim=-1, keepdim=True)
    return n + torch.norm(x, "nuc") + torch.norm(x, "fro", dim=[0, 1]) + torch.norm(x, dim=(0, 1)) + torch.norm(x, p=float("inf"))
def j(x: torch.Tensor, y: torch.Tensor):
    return exp(x)

torch.manual_seed(0)
x, y = torch.rand(3, 3), torch.rand(3, 3)
for f in (a, b, c, d, e, f, g, h, i, j):
    torch.testing.assert_close(torch.jit.script(f)(x, y), f(x, y))
print("ran")
"""


def test_functions_that_are_python_here_are_operators_in_scripts(tmp_path):
    path = tmp_path / "scripts.py"
    path.write_text(SCRIPTS)
    for runner in ([], ["-m", "rushlight"]):
        done = subprocess.run([sys.executable, "-W", "ignore", *runner, path], capture_output=True, text=True)
        assert done.stdout == "ran\n", done.stderr


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradients_of_convolutions(n):
    x, weight = rl.randn(2, 4, *[6] * n, requires_grad=True), rl.randn(6, 2, *[3] * n, requires_grad=True)
    options = {"stride": 2, "padding": 1, "groups": 2}
    out = getattr(rl.nn.functional, f"conv{n}d")(x, weight, **options)
    grad = rl.randn(out.shape)
    of_x, of_weight = rl.autograd.grad(out, (x, weight), grad)
    assert rl.allclose(getattr(rl.nn.grad, f"conv{n}d_input")(x.shape, weight, grad, **options), of_x, atol=1e-5)
    assert rl.allclose(getattr(rl.nn.grad, f"conv{n}d_weight")(x, weight.shape, grad, **options), of_weight, atol=1e-5)


def test_tensors_are_set_to_storages():
    s, t = rl.FloatStorage([1, 2, 3]), rl.empty(0)
    assert isinstance(s.untyped(), rl.StorageBase)
    assert t.set_(s).tolist() == [1, 2, 3] and t.set_(s, 1, (2,)).tolist() == [2, 3]
    assert t.set_(rl.arange(6.0), 2, (2, 2), (2, 1)).tolist() == [[2, 3], [4, 5]] and t.set_().numel() == 0
    assert t.set_(s.untyped(), 0, rl.Size([2, 2]), (1, 1)).tolist() == [[1, 2], [2, 3]]


def test_pinned_memory_is_asked_of_operators():
    x = rl.ones(2)
    assert not rl.ops.aten.is_pinned(x) and not x.is_pinned() and not rl.eye(2).to_sparse().is_pinned()
    with pytest.raises(RuntimeError, match="no.* available|none is available"):
        rl.ops.aten._pin_memory.default(x)


def test_sparse_addmm_is_an_operator():
    a, b = rl.eye(3).to_sparse(), rl.arange(6.0).reshape(3, 2)
    assert rl.equal(rl.ops.aten._sparse_addmm(b, a, b, beta=2, alpha=3), 5 * b)


def test_prefixes_of_state_dicts():
    state = rl.nn.Sequential(rl.nn.Linear(1, 1)).state_dict(prefix="module.")
    rl.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["0.weight", "0.bias"] and set(state._metadata) == {"", "0"}


def test_printing_in_a_context():
    with rl._tensor_str.printoptions(precision=1):
        assert repr(rl.tensor([0.123])) == "tensor([0.1])"
    assert repr(rl.tensor([0.123])) == "tensor([0.1230])"


def test_seeds_of_workers():
    from rushlight.utils.data._utils.worker import _generate_state as ours
    from torch.utils.data._utils.worker import _generate_state as theirs

    assert list(ours(123456789012345, 3)) == theirs(123456789012345, 3)


SEGMENTS = [{"lengths": [2, 0, 3]}, {"offsets": [0, 2, 2, 5]}, {"lengths": [2, 0, 3], "initial": 2.0}]


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("options", SEGMENTS)
def test_segments_are_reduced(reduce, options):
    def f(t):
        given = {k: t.tensor(v) if k != "initial" else v for k, v in options.items()}
        rows = t.arange(24.0).reshape(2, 6, 2).requires_grad_()
        of_rows = t.segment_reduce(rows, reduce, lengths=t.tensor([[2, 4], [3, 3]]), axis=1)
        return (
            t.segment_reduce(t.tensor([1.0, 2, 3, 4, 5]), reduce, **given),
            of_rows.detach(),
            t.autograd.grad(of_rows.sum(), rows)[0].sum().round(),
        )

    theirs, ours = _both(f)
    assert ours == theirs


@pytest.mark.parametrize("reduce", ["max", "min", "prod"])
def test_a_nan_in_a_segment_has_the_gradient_that_a_number_would(reduce):
    def f(t):
        x = t.tensor([[1.0, 1], [float("nan"), 1], [3, float("nan")], [4, 1], [3, 2]], requires_grad=True)
        t._segment_reduce(x, reduce, lengths=t.tensor([2, 3]), axis=0).sum().backward()
        return x.grad.nan_to_num(nan=-7).tolist()

    theirs, ours = _both(f)
    assert ours == theirs


def test_the_hash_of_a_tensor_is_its_id():
    x = rl.ones(1)
    assert hash(x) == id(x)


def test_segments_that_do_not_fit():
    with pytest.raises(RuntimeError, match="lengths or offsets"):
        rl.segment_reduce(rl.ones(2), "sum")
    with pytest.raises(RuntimeError, match=r"sum to data.size.* 1 of 2 elements"):
        rl.segment_reduce(rl.ones(2), "sum", lengths=rl.tensor([1]))


@pytest.mark.parametrize(
    "f",
    [
        lambda t: t.smm(t.eye(3).to_sparse(), t.arange(6.0).reshape(3, 2)),
        lambda t: t.hspmm(t.eye(3).to_sparse(), t.arange(6.0).reshape(3, 2)),
        lambda t: t.sspaddmm(
            t.ones(3, 2).to_sparse(), t.eye(3).to_sparse(), t.arange(6.0).reshape(3, 2), beta=2, alpha=3
        ).to_dense(),
        lambda t: (t.native_dropout(t.ones(5), 0.5, True), t.native_dropout(t.ones(2), 0.5, False)),
        lambda t: (t.range(1, 4, dtype=t.int64), t.range(1, 2, 0.25), t.range(3, 1, -1)),
        lambda t: (t.range(0.5, 4, dtype=t.int64), t.range(0.5, 4.5, dtype=t.int32), t.range(0.5, 4)),
        lambda t: (t.vander(t.tensor([1, 2, 3])), t.vander(t.tensor([1.0, 2]), 3, True), t.vander(t.ones(2), 0).shape),
        lambda t: (t.get_autocast_gpu_dtype(), t.autocast_increment_nesting(), t.autocast_decrement_nesting()),
        lambda t: (t.is_distributed(t.ones(1)), t.is_vulkan_available(), t.cudnn_is_acceptable(t.ones(1))),
        lambda t: (t.eye(2).to_sparse().coalesce().indices(), t.values_copy(t.eye(2).to_sparse_csr())),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_functions_that_few_call(f):
    theirs, ours = _both(f)
    assert ours == theirs


def test_a_condition_chooses_a_function():
    for truth, wanted in ((rl.tensor(True), 2), (False, 0)):
        assert rl.cond(truth, lambda x: x + 1, lambda x: x - 1, (rl.ones(1),)).item() == wanted
    with pytest.raises(RuntimeError, match="single-element tensor"):
        rl.cond(rl.ones(2), abs, abs, (rl.ones(1),))


def test_eigenvalues_of_the_ends():
    a = rl.randn(12, 12, dtype=rl.float64)
    a = a @ a.T + rl.eye(12)
    b = rl.diag(rl.arange(1.0, 13.0)).double()
    for options in ({}, {"k": 2}, {"k": 2, "largest": False}, {"k": 3, "B": b}):
        values, vectors = rl.lobpcg(a, **options)
        other = options.get("B", rl.eye(12).double())
        assert values.shape == (options.get("k", 1),) and rl.allclose(a @ vectors, other @ vectors * values)
        assert values.tolist() == sorted(values.tolist(), reverse=options.get("largest", True))
    a.requires_grad_()
    assert rl.autograd.gradcheck(lambda a, b: rl.lobpcg(a, 1, b)[0], (a, b.requires_grad_()))
    with pytest.raises(ValueError, match="smaller than 3 x"):
        rl.lobpcg(rl.ones(2, 2))


def test_operators_of_other_devices_raise_as_there():
    with pytest.raises(NotImplementedError, match="Could not run 'aten::cudnn_batch_norm'.*'CPU' backend"):
        rl.cudnn_batch_norm(rl.ones(1))


def test_types_of_scripts_are_objects():
    def f(t):
        kinds = (
            t.TensorType.get(),
            t.OptionalType.ofTensor(),
            t.DictType(t.StringType.get(), t.FloatType.get()),
            t.TupleType([t.IntType.get(), t.BoolType.get()]),
            t.UnionType([t.IntType.get(), t.NoneType.get()]),
            t.FutureType(t.IntType.get()),
            t.DeviceObjType.get(),
            t.OptionalType(t.ListType(t.IntType.get())),
        )
        numbers = t.ListType(t.IntType.get())
        return [(str(k), k.annotation_str, k.kind()) for k in kinds], (
            numbers.getElementType(),
            numbers == t.ListType.ofInts(),
            numbers.isSubtypeOf(t.AnyType.get()),
        )

    theirs, ours = _both(f)
    assert ours == theirs


def test_the_gradient_of_a_linear_layers_gradient_by_its_bias_alone():
    def f(t):
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2))
        x = t.arange(15.0).reshape(5, 3) / 15
        grads = t.autograd.grad(net(x).logsumexp(1).sum(), list(net.parameters()), create_graph=True)
        again = t.autograd.grad(grads[3].pow(2).sum(), list(net.parameters()), allow_unused=True)
        return [None if g is None else [round(v, 5) for v in g.reshape(-1).tolist()] for g in again]

    theirs, ours = _both(f)
    assert ours == theirs


def test_a_list_stands_for_a_tuple_in_a_script(tmp_path):
    program = tmp_path / "pairs.py"
    program.write_text(
        "import torch\nfrom typing import Tuple\n"
        "@torch.jit.script\ndef f(a: Tuple[torch.Tensor, int]):\n    return a[0] * a[1]\n"
        "print(f([torch.ones(2), 3]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "rushlight", program], capture_output=True, text=True)
    assert done.stdout == "tensor([3., 3.])\n", done.stderr


def test_functorch_says_where_its_functions_are_now():
    from rushlight._functorch import front as functorch

    with pytest.warns(FutureWarning, match="Please use `torch.func.grad` instead"):
        slope = functorch.grad(lambda x: x.sin())
    assert slope(rl.tensor(0.0)) == 1
    assert "sin" in functorch.make_fx(rl.sin)(rl.ones(2)).code
    jacobian = rl.func.jacrev(rl.sin, chunk_size=1, _preallocate_and_copy=True)(rl.zeros(2))
    assert jacobian.tolist() == [[1, 0], [0, 1]]


def test_functorch_experimental_is_a_package_of_programs():
    program = (
        "import torch\nfrom functorch.experimental import chunk_vmap, control_flow\n"
        "from functorch.experimental.control_flow import cond\n"
        "x = torch.arange(10.0).reshape(5, 2)\n"
        "print([chunk_vmap(torch.sum, chunks=n)(x).tolist() == x.sum(1).tolist() for n in (1, 2, 5, 9)])\n"
        "print(cond(x.sum() > 0, torch.sin, torch.cos, (torch.zeros(1),)).item(), control_flow.map(torch.neg, x)[0, 1].item())\n"
    )
    done = subprocess.run([sys.executable, "-m", "rushlight", "-c", program], capture_output=True, text=True)
    assert done.stdout == "[True, True, True, True]\n0.0 -1.0\n", done.stderr


def test_the_parts_of_a_line_search():
    def f(t):
        from importlib import import_module

        lbfgs = import_module(f"{t.__name__}.optim.lbfgs")

        def along(x, step, direction):
            place = x + step * direction
            return float((place**4 - place).sum()), 4 * place**3 - 1

        x, direction = t.tensor([1.0, -2.0], dtype=t.double), t.tensor([-3.0, 33.0], dtype=t.double)
        loss, gradient = along(x, 0, direction)
        found = lbfgs._strong_wolfe(along, x, 1.0, direction, loss, gradient, gradient.dot(direction), max_ls=20)
        ends = [t.tensor(v) for v in (0.0, 1.0, -2.0, 1.0, 2.0, 3.0)]
        cubic = lbfgs._cubic_interpolate(*ends), lbfgs._cubic_interpolate(*ends, bounds=(0.5, 0.6))
        return [round(float(v), 6) for v in (found[0], *found[1], *found[2:], *cubic)]

    theirs, ours = _both(f)
    assert ours == theirs


def test_the_parts_of_a_jacobian():
    def f(t):
        own = t.autograd.functional
        given, inputs = own._as_tuple(t.ones(2, requires_grad=True), "inputs", "mine")
        rows = own._grad_postprocess(((inputs[0] * 2,), (inputs[0] * 3,)), create_graph=False)
        return (
            given,
            rows,
            own._tuple_postprocess(rows, (True, False)),
            own._tuple_postprocess((inputs,), (False, True)),
        )

    theirs, ours = _both(f)
    assert ours == theirs


def test_annotations_of_sizes():
    from torch.nn import common_types as theirs

    from rushlight.nn import common_types as ours

    names = [n for n in vars(theirs) if n.startswith(("_size", "_ratio", "_scalar", "_tensor", "_maybe"))]
    for name in names:
        assert repr(getattr(ours, name)).replace("rushlight", "torch") == repr(getattr(theirs, name))


def test_parts_of_distributed_say_that_they_are_not_there():
    from rushlight.distributed import rpc

    assert rpc.is_available() is False
    with pytest.raises(rl.UnsupportedError, match="torch.distributed.rpc.init_rpc"):
        rpc.init_rpc("worker")


def test_nothing_is_faked():
    from rushlight._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily() as mode:
        assert mode is None


def test_limits_of_python_s_numbers():
    for t in (torch, rl):
        assert (t.finfo(float).eps, t.finfo(complex).bits, t.iinfo(int).max) == (2.0**-52, 64, 2**63 - 1)
        for info, wrong in (
            (t.finfo, int),
            (t.finfo, bool),
            (t.iinfo, float),
            (t.iinfo, bool),
            (t.finfo, "float"),
            (t.iinfo, None),
        ):
            with pytest.raises(TypeError):
                info(wrong)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_the_modules_of_mixed_precisions_old_names(device):
    # thinc, and with it spaCy, asks torch.cuda.amp.common at its import.
    amp = importlib.import_module(f"rushlight.{device}.amp")
    assert amp.autocast_mode.autocast is amp.autocast and amp.grad_scaler.GradScaler is amp.GradScaler
    assert importlib.import_module(f"rushlight.{device}.amp.grad_scaler").OptState is rl.amp.grad_scaler.OptState
    if device == "cuda":
        assert amp.common.amp_definitely_not_available() == torch.cuda.amp.common.amp_definitely_not_available()
        assert amp.amp_definitely_not_available is amp.common.amp_definitely_not_available


def test_a_traced_einsum_has_its_operands_one_by_one():
    # However it was called: opt_einsum_fx, and so e3nn and mace, takes them so.
    traced = rl.fx.symbolic_trace(lambda x, y: rl.einsum("ab,bc->ac", [x, y]) + rl.einsum("ab,bc->ac", x, y))
    for node in [n for n in traced.graph.nodes if n.target is rl.einsum]:
        assert [str(a) for a in node.args] == ["ab,bc->ac", "x", "y"]
    x, y = rl.randn(2, 3), rl.randn(3, 2)
    assert rl.allclose(traced(x, y), 2 * (x @ y))
