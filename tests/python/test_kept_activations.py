"""What is kept for backward: copies made before a write, and what selective checkpoints keep."""

from functools import partial

import pytest
from rushlight.autograd.graph import allow_mutation_on_saved_tensors
from rushlight.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

import rushlight as rl


def test_saved_tensors_are_copied_once_before_they_are_written_to():
    with allow_mutation_on_saved_tensors() as kept:
        a = rl.tensor([2.0, 3.0], requires_grad=True)
        b = a.clone()
        view = b[:1]
        first, second = b**2, b**3
        view.zero_()
        b.sin_()
        assert len(kept.cloned) == 1
        rest = (b**2).sum()  # of the new values
        (first + second).sum().backward(retain_graph=True)
        assert rl.allclose(a.grad, rl.tensor([4.0 + 12.0, 6.0 + 27.0]))
        rl.sin(rl.ones(2), out=b)
        assert len(kept.cloned) == 2
        del first, second, rest
        assert len(kept.cloned) == 0


def test_where_mutation_is_allowed():
    with allow_mutation_on_saved_tensors():
        out = (rl.ones(2, requires_grad=True) ** 2).sum()
        with pytest.raises(RuntimeError, match="cannot be nested"), allow_mutation_on_saved_tensors():
            pass
    with pytest.raises(AssertionError, match="outside of the 'allow_mutation_on_saved_tensors' context"):
        out.backward()


def run(x, f, policy, **options):
    return checkpoint(
        f, x, use_reentrant=False, context_fn=partial(create_selective_checkpoint_contexts, policy, **options)
    )


def test_selective_checkpoints_compute_again_what_the_policy_says():
    calls = []

    class Counted(rl.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            calls.append(func)
            return func(*args, **(kwargs or {}))

    def f(t):
        mean, _ = rl.var_mean(t)
        return (t.sin() * mean).exp().sum()

    x = rl.tensor([0.5, 1.0, 2.0], requires_grad=True)
    (expected,) = rl.autograd.grad(f(x), x)
    for policy in (
        [rl.ops.aten.sin.default, rl.ops.aten.var_mean.correction],
        lambda ctx, op, *args, **kwargs: op in (rl.ops.aten.sin.default, rl.ops.aten.var_mean.correction),
        lambda ctx, op, *args, **kwargs: CheckpointPolicy.MUST_SAVE,
    ):
        out = run(x, f, policy)
        calls.clear()
        with Counted():
            (got,) = rl.autograd.grad(out, x)
        assert rl.equal(got, expected)
        assert rl.ops.aten.sin.default not in calls


def test_mistakes_of_selective_checkpoints():
    x = rl.ones(3, requires_grad=True)
    sin = [rl.ops.aten.sin.default]
    written = lambda t: t.sin().mul_(2).cos().exp()  # noqa: E731
    with pytest.raises(RuntimeError, match="has been mutated"):
        run(x, written, sin).sum().backward()
    run(x, written, sin, allow_cache_entry_mutation=True).sum().backward()
    out = run(x, lambda t: t.sin().cos().exp(), sin)
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="Trying to backward an extra time"):
        out.sum().backward()
    with pytest.raises(ValueError, match="Expected op in `op_list` to be an OpOverload"):
        create_selective_checkpoint_contexts([2])
    with pytest.raises(ValueError, match="update the OpOverloadPacket"):
        create_selective_checkpoint_contexts([rl.ops.aten.sin])
    with pytest.raises(TypeError, match="either a function or a list of ops"):
        create_selective_checkpoint_contexts(2)
