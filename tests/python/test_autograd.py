"""autograd against PyTorch: gradients, graphs, hooks, modes, and its error texts."""

import gc
import re
import warnings

import pytest
import torch

import rushlight

BOTH = pytest.mark.parametrize("T", [rushlight, torch], ids=["rushlight", "torch"])


def values(t):
    return None if t is None else t.tolist()


def same(program):
    """Runs a program on both libraries: results and errors must agree."""
    results = []
    for library in (rushlight, torch):
        try:
            results.append(program(library))
        except Exception as error:
            results.append((type(error).__name__, str(error).replace("rushlight.", "torch.")))
    assert results[0] == results[1]
    return results[0]


def test_gradients_and_second_derivatives():
    def program(T):
        x = T.tensor([0.5, -1.5, 2.0], dtype=T.float64, requires_grad=True)
        y = (x.sin() * x.exp() / (x * x + 1)).sum()
        (g,) = T.autograd.grad(y, x, create_graph=True)
        (h,) = T.autograd.grad((g * g).sum(), x)
        y.backward()
        return [[round(v, 10) for v in values(t)] for t in (g, h, x.grad)]

    same(program)


def test_a_view_that_was_taken_where_nothing_is_recorded_passes_no_gradient_on():
    def program(T):
        x = T.ones(2, 3, requires_grad=True)
        with T.no_grad():
            view = x.view(6)
        y = (view * view).sum()
        y.backward()
        other = T.ones(6, requires_grad=True)
        (view * other).sum().backward()
        return view.requires_grad, view.is_leaf, y.requires_grad, values(view.grad), values(x.grad), values(other.grad)

    same(program)


def test_hooks_of_a_tensor_are_told():
    def program(T):
        leaf = T.ones(2, requires_grad=True)
        seen = [leaf._backward_hooks]
        handles = [leaf.register_hook(lambda g: g * 2), leaf.register_hook(lambda g: None)]
        seen.append(len(leaf._backward_hooks))
        handles[0].remove()
        seen.append([f(3) for f in leaf._backward_hooks.values()])
        y = leaf * 2
        seen.append(y._backward_hooks)
        y.register_hook(lambda g: g)
        return [*seen, len(y._backward_hooks), (y * 1)._backward_hooks, T.ones(1)._backward_hooks]

    same(program)


def test_broadcast_cast_and_complex():
    def program(T):
        a = T.ones(2, 3, requires_grad=True)
        b = T.ones(3, dtype=T.float64, requires_grad=True)
        c = T.ones(2, 1, requires_grad=True)
        z = T.tensor([1 + 2j, 3 - 1j, 0.5j], requires_grad=True)
        (a * b * c).sum().backward()
        (a * (z * z.conj()).real).sum().backward()
        return [(values(t.grad), str(t.grad.dtype).split(".")[1]) for t in (a, b, c, z)]

    same(program)


@BOTH
def test_graph_can_be_walked_and_named(T):
    x = T.ones(2, requires_grad=True)
    y = (x + 1) * x
    assert y.grad_fn is y.grad_fn
    assert type(y.grad_fn).__name__ == y.grad_fn.name() == "MulBackward0"
    assert repr(y.grad_fn).startswith("<MulBackward0 object at 0x")
    add, leaf = (f for f, _ in y.grad_fn.next_functions)
    assert add.name() == "AddBackward0"
    assert type(leaf).__name__ == "AccumulateGrad" and leaf.variable is x
    assert add.next_functions[0][0] is leaf
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}
    assert values(y.grad_fn._saved_self) == [2.0, 2.0]
    assert isinstance(y.grad_fn, T.autograd.graph.Node)
    assert x.is_leaf and not y.is_leaf and x.grad_fn is None and y.output_nr == 0
    assert repr(y) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    x.sum().backward()
    assert x.grad is x.grad


@BOTH
def test_tensor_hooks(T):
    x = T.ones(3, requires_grad=True)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(values(g)))
    y.register_hook(lambda g: g * 10)
    gone = y.register_hook(lambda g: g * 1000)
    gone.remove()
    y.retain_grad()
    assert y.retains_grad
    order = []
    x.register_hook(lambda g: order.append("hook"))
    x.register_post_accumulate_grad_hook(lambda p: order.append(values(p.grad)))
    y.sum().backward()
    assert seen == [[1.0, 1.0, 1.0]]
    assert values(y.grad) == [10.0] * 3
    assert values(x.grad) == [20.0] * 3
    assert order == ["hook", [20.0] * 3]


@BOTH
def test_node_hooks(T):
    x = T.ones(2, requires_grad=True)
    y = x * 2
    calls = []
    y.grad_fn.register_prehook(lambda outs: (outs[0] * 3,))
    handle = y.grad_fn.register_hook(lambda ins, outs: calls.append((values(ins[0]), values(outs[0]))))
    y.sum().backward(retain_graph=True)
    handle.remove()
    y.sum().backward()
    assert calls == [([6.0, 6.0], [3.0, 3.0])]
    assert values(x.grad) == [12.0, 12.0]


@BOTH
def test_hook_that_changes_the_size(T):
    x = T.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match="has changed the size of value"):
        y.sum().backward()


@BOTH
def test_an_error_in_a_hook_keeps_its_type(T):
    x = T.ones(2, requires_grad=True)
    y = x * 2

    def hook(g):
        raise KeyError("mine")

    y.register_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        y.sum().backward()


@BOTH
def test_changed_saved_tensor(T):
    a = T.tensor([0.1, 0.2, 0.3, 0.4], requires_grad=True)
    y = a.tanh()
    assert y._version == 0
    y.add_(2.0)
    assert y._version == 1
    text = (
        r"one of the variables needed for gradient computation has been modified by an inplace operation: \[torch.FloatTensor \[4\]\], "
        r"which is output 0 of Tanh(Backward0)?, is at version 1; expected version 0 instead"
    )
    with pytest.raises(RuntimeError, match=text):
        y.backward(T.ones(4))


@BOTH
def test_other_data_keeps_the_version(T):
    p = T.nn.Parameter(T.ones(2))
    with T.no_grad():
        p.add_(1)
    y = (p * p).sum()
    p.data = T.zeros(2).add_(1).add_(1).add_(1)
    assert p._version == 1
    y.backward()  # by the values of today: nothing of this graph was written to
    assert p.grad.tolist() == [6, 6]
    y = (p * p).sum()
    with T.no_grad():
        p.mul_(2)
    p.data.add_(1)  # a tensor with a counter of its own
    assert p._version == 2 and p[:1]._version == 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@BOTH
def test_backward_twice(T):
    x = T.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert values(x.grad) == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


@BOTH
@pytest.mark.parametrize(
    "call, text",
    [
        (lambda T, x: (x * 2).backward(), "grad can be implicitly created only for scalar outputs"),
        (lambda T, x: T.ones(1).backward(), "element 0 of tensors does not require grad and does not have a grad_fn"),
        (
            lambda T, x: T.autograd.grad(x.sum(), T.ones(2, requires_grad=True)),
            "The differentiated Tensor at index 0 appears to not have been used",
        ),
        (lambda T, x: T.autograd.grad(x.sum(), T.ones(2)), "One of the differentiated Tensors does not require grad"),
        (lambda T, x: (x * 2).backward(T.ones(3)), "Mismatch in shape: grad_output"),
        (lambda T, x: x.add_(1), "a leaf Variable that requires grad is being used in an in-place operation"),
        (
            lambda T, x: x[0].zero_(),
            "a view of a leaf Variable that requires grad is being used in an in-place operation",
        ),
        (lambda T, x: (x * 2).requires_grad_(False), "you can only change requires_grad flags of leaf variables"),
        (lambda T, x: T.arange(3).requires_grad_(), "floating point"),
        (lambda T, x: setattr(x, "grad", T.ones(2, dtype=T.float64)), "attempting to assign a gradient with dtype"),
        (
            lambda T, x: setattr(x, "grad", T.ones(3)),
            "attempting to assign a gradient of size '[3]' to a tensor of size '[2]'",
        ),
        (lambda T, x: T.ones(2).register_hook(print), "cannot register a hook on a tensor that doesn't require grad"),
        (lambda T, x: x.sum().backward(inputs=[]), "cannot be empty"),
        (
            lambda T, x: (x * 2).register_post_accumulate_grad_hook(print),
            "post accumulate grad hooks cannot be registered on non-leaf tensors",
        ),
    ],
)
def test_misuse(T, call, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        call(T, T.ones(2, requires_grad=True))


def test_views_and_in_place():
    def program(T):
        a = T.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        x = a * 1
        y = x.view(4)
        y.mul_(2)
        x[0] = 1
        x[1, 1] += a[0, 0]
        t = x.t()
        t[0].mul_(3)
        loss = (x * x).sum() + (y * T.tensor([1.0, 10.0, 100.0, 1000.0])).sum() + t.sum()
        loss.backward()
        return values(x), values(y), type(x.grad_fn).__name__, type(y.grad_fn).__name__, values(a.grad)

    same(program)


def test_buffer_filled_row_by_row():
    def program(T):
        w = T.tensor([2.0, 3.0], requires_grad=True)
        buffer = T.zeros(3, 2)
        row = buffer[1]
        buffer[0] = w
        buffer[2] = buffer[0].clone() * w
        (buffer.sum() + (row * 5).sum()).backward()
        return values(w.grad), row.requires_grad, values(buffer)

    same(program)


def test_chain_of_100000_nodes():
    x = rushlight.ones(2, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    del y
    y = x
    for _ in range(100_000):
        y = y.sin()
    del y


def test_modes():
    def program(T):
        x = T.ones(1, requires_grad=True)
        out = []
        with T.no_grad():
            out.append((x * 2).requires_grad)
            with T.enable_grad():
                out.append((x * 2).requires_grad)
            out.append(T.is_grad_enabled())
        with T.set_grad_enabled(False):
            out.append((x * 2).requires_grad)
        previous = T.set_grad_enabled(False)
        out.append(T.is_grad_enabled())
        T.set_grad_enabled(True)
        del previous

        @T.no_grad()
        def decorated(v):
            return (v * 2).requires_grad

        @T.no_grad
        def bare(v):
            return (v * 2).requires_grad

        @T.no_grad()
        def generator(v):
            yield (v * 2).requires_grad
            yield (v * 2).requires_grad

        out += [decorated(x), bare(x), decorated.__name__]
        for flag in generator(x):
            out += [flag, T.is_grad_enabled()]
        with T.inference_mode():
            y = x * 2
            out += [y.requires_grad, y.is_inference(), T.is_inference_mode_enabled(), x.view(1).is_inference()]
        out += [T.is_grad_enabled(), T.is_inference_mode_enabled()]
        return out

    same(program)


@BOTH
def test_inference_tensors(T):
    x = T.ones(2, requires_grad=True)
    with T.inference_mode():
        y = T.ones(2) * 2
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * y
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        y.add_(1)
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        y.requires_grad = True
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        y._version  # noqa: B018
    assert (x * y.clone()).requires_grad and not y[:1].requires_grad and y[:1].is_inference()


@BOTH
def test_inputs_argument_and_unused(T):
    a, b = T.ones(2, requires_grad=True), T.ones(2, requires_grad=True)
    y = a * b
    (y * 2).sum().backward(inputs=[a], retain_graph=True)
    assert values(a.grad) == [2.0, 2.0] and b.grad is None
    unused = T.ones(3, requires_grad=True)
    assert T.autograd.grad(y.sum(), [b, unused], allow_unused=True, retain_graph=True)[1] is None
    zeros = T.autograd.grad(y.sum(), [b, unused], materialize_grads=True, retain_graph=True)[1]
    assert values(zeros) == [0.0, 0.0, 0.0]
    middle, leaf = T.autograd.grad((y * y).sum(), [y, a])
    assert values(middle) == [2.0, 2.0] and values(leaf) == [2.0, 2.0]


def test_detach_and_leaf_rules():
    def program(T):
        x = T.ones(2, requires_grad=True)
        y = x * 2
        d = y.detach()
        out = [d.requires_grad, d._base is None, d.data_ptr() == y.data_ptr(), y.is_leaf]
        y.detach_()
        out += [y.requires_grad, y.is_leaf, y.grad_fn is None]
        x.grad = T.tensor([5.0, 6.0])
        (x * 1).sum().backward()
        out.append(values(x.grad))
        x.grad = None
        out.append(x.grad)
        return out

    same(program)


@BOTH
def test_anomaly_mode_names_the_line(T):
    with pytest.warns(UserWarning, match="Error detected in LogBackward0.*"):
        with T.autograd.detect_anomaly():
            x = T.zeros(1, requires_grad=True)
            y = (x.log() * 0).sum()  # here
            with pytest.raises(RuntimeError, match="returned nan values in its 0th output"):
                y.backward()
    assert not T.is_anomaly_enabled()


def test_anomaly_text_has_the_line():
    with pytest.warns(UserWarning), rushlight.autograd.detect_anomaly():
        y = rushlight.ones(4, requires_grad=True).tanh()  # the user's line
        y.add_(2)
        with pytest.raises(RuntimeError, match="test_autograd.py.*\n.*the user's line"):
            y.sum().backward()


def test_graph_is_freed_without_the_collector():
    import weakref

    class Probe(rushlight.Tensor):
        pass

    gc.disable()
    try:
        x = rushlight.ones(2, requires_grad=True)
        y = x.exp()
        probe = weakref.ref(y)
        z = (y * y).sum()
        del y, z
        assert probe() is None
    finally:
        gc.enable()


def test_backward_within_backward_two_thousand_deep():
    class Deeper(rushlight.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with rushlight.enable_grad():
                ctx.next = x.detach().requires_grad_() - 1
            return ctx.next.detach()

        @staticmethod
        def backward(ctx, g):
            if float(ctx.next) < 0:
                return g
            assert not rushlight.is_grad_enabled()
            with rushlight.enable_grad():
                Deeper.apply(ctx.next).sum().backward()
            if float(ctx.next) == fails_at:
                raise ArithmeticError("half way")
            return g

    fails_at = None
    x = rushlight.tensor(2000.0, requires_grad=True)
    Deeper.apply(x).sum().backward()
    assert x.grad.item() == 1
    fails_at = 1000.0
    with pytest.raises(ArithmeticError, match="half way"):
        Deeper.apply(x).sum().backward()


def test_reentrant_backward():
    def program(T):
        class Inner(T.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                with T.enable_grad():
                    y = x.detach().requires_grad_()
                    (y * y).sum().backward()
                return y.grad * g

        x = T.tensor([2.0, 3.0], requires_grad=True)
        (Inner.apply(x) * Inner.apply(x * 2)).sum().backward()
        return values(x.grad)

    same(program)


@pytest.mark.parametrize(
    "call",
    [
        "F.mse_loss(x, y)",
        "F.huber_loss(x, y, reduction='none')",
        "F.linear(x, y, y[:, 0])",
        "F.conv2d(image, image)",
        "F.conv_transpose2d(image, image)",
        "F.max_pool2d(image, 2)",
        "F.adaptive_avg_pool2d(image, 2)",
        "F.interpolate(image, scale_factor=2)",
        "F.relu6(x)",
        "torch.stack([x, y])",
        "x.clamp(0, 1)",
        "x**2",
        "x.split(2)[0]",
        "x.unbind()[0]",
    ],
)
def test_grad_fn_has_pytorchs_name(call):
    names = []
    for module in (rushlight, torch):
        x, y = (module.ones(4, 4, requires_grad=True) for _ in range(2))
        image = module.ones(1, 1, 4, 4, requires_grad=True)
        result = eval(call, {"torch": module, "F": module.nn.functional}, {"x": x, "y": y, "image": image})
        names.append(result.grad_fn.name())
    assert names[0] == names[1]


def test_a_root_on_the_way_from_another():
    x = rushlight.ones(3, requires_grad=True)
    p = x * 2
    q = p * 3
    one = rushlight.ones(3)
    for roots in ([p, q], [q, p], [p, q, p * q]):
        expected = 8.0 if len(roots) == 2 else 8.0 + 24.0
        (g,) = rushlight.autograd.grad(roots, [x], [one] * len(roots), retain_graph=True)
        assert g.tolist() == [expected] * 3


@pytest.mark.parametrize(
    "function",
    [
        "lambda a: a.detach().sum()",
        "lambda a: a.long().float().requires_grad_().clone().sum()",
        "lambda a: (3 * a).sum()",
    ],
)
@pytest.mark.parametrize("derivative", ["vjp", "jvp", "jacobian", "hessian", "vhp", "hvp"])
def test_strict_derivatives_say_what_is_independent(derivative, function):
    def first_sentence(T):
        functional, x = T.autograd.functional, T.ones(3)
        v = {"vjp": T.tensor(1.0), "jvp": T.ones(3), "vhp": T.ones(3), "hvp": T.ones(3)}.get(derivative)
        given = (eval(function, {"T": T}), x) + (() if v is None else (v,))
        loose = getattr(functional, derivative)(*given)
        got = [t.tolist() for t in (loose if isinstance(loose, tuple) else (loose,))]
        try:
            getattr(functional, derivative)(*given, strict=True)
        except RuntimeError as e:
            return got, str(e).split(". ")[0]
        return got, None

    ours, theirs = first_sentence(rushlight), first_sentence(torch)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("name", ["relu_", "sigmoid_", "tanh_", "exp_", "sqrt_", "square_"])
def test_second_derivatives_of_what_writes_to_a_view(name, hooked):
    def program(root):
        x = root.clone()
        getattr(x.view(2, 2).t()[0], name)()
        y = x * x
        getattr(y[1:3], name)()
        return y

    v = rushlight.tensor([1.5, 0.5, 0.75, 1.25], dtype=rushlight.float64, requires_grad=True)
    with rushlight.autograd.graph.saved_tensors_hooks(*[lambda t: t] * 2) if hooked else rushlight.enable_grad():
        assert rushlight.autograd.gradcheck(program, [v])
        assert rushlight.autograd.gradgradcheck(program, [v])


@BOTH
def test_zeros_for_what_was_not_used_may_be_differentiated_again(T):
    x, a = T.tensor(0.5, requires_grad=True), T.tensor(1.0, requires_grad=True)
    (first,) = T.autograd.grad(x * a, x, create_graph=True)
    second = T.autograd.grad(first, x, create_graph=True, materialize_grads=True)
    third = T.autograd.grad(second, x, materialize_grads=True)
    assert second[0].item() == third[0].item() == 0


def test_backward_that_makes_a_graph_warns_of_the_cycle():
    """Once, or each time where that was asked for; autograd.grad doesn't."""
    x = rushlight.ones(2, requires_grad=True)
    rushlight.set_warn_always(True)
    try:
        for backward in ((x * x).sum().backward, lambda **k: rushlight.autograd.backward((x * x).sum(), **k)):
            with pytest.warns(
                UserWarning, match=r"Using backward\(\) with create_graph=True will create a reference cycle"
            ):
                backward(create_graph=True)
            x.grad = None
    finally:
        rushlight.set_warn_always(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rushlight.autograd.grad((x * x).sum(), x, create_graph=True)


def test_functions_have_a_rule_for_batches_to_override():
    class Double(rushlight.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

    with pytest.raises(NotImplementedError, match="override the vmap staticmethod or set generate_vmap_rule"):
        Double.vmap(None, (0,), rushlight.ones(2))
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        rushlight.func.vmap(Double.apply)(rushlight.ones(2))


@pytest.mark.parametrize("requires_grad", [True, False])
def test_parts_of_inference_tensors_are_no_views_to_autograd(requires_grad):
    def facts(fw):
        with fw.inference_mode():
            x = fw.ones(2, 3, requires_grad=requires_grad)
            parts = [x.view(-1), x[0], x.t()]
        if not requires_grad:
            parts.append(x[1])
        return [(p.is_inference(), p.requires_grad, p._is_view(), p._base) for p in parts]

    assert facts(rushlight) == facts(torch)


def test_views_in_inference_mode_of_other_tensors_stay_views():
    x = rushlight.ones(2, 3)
    with rushlight.inference_mode():
        row = x[0]
        row.add_(1)
    assert row._base is x and x[0].tolist() == [2, 2, 2]


def test_a_hook_after_a_leaf_is_shown_its_gradient_itself():
    def more(t):
        t.grad.add_(0.5)

    x = rushlight.ones(3, requires_grad=True)
    leaf = x.view_as(x).grad_fn.next_functions[0][0]
    seen = []
    x.register_post_accumulate_grad_hook(more)
    leaf.register_hook(lambda inputs, outputs: seen.append(outputs[0].tolist()))
    (x * x).sum().backward()
    assert seen == [[2.5, 2.5, 2.5]] and x.grad.tolist() == [2.5, 2.5, 2.5]


def test_grad_of_no_inputs_and_versions_of_inference_tensors():
    with pytest.raises(RuntimeError, match="grad requires non-empty inputs"):
        rushlight.autograd.grad(rushlight.ones(1, requires_grad=True), [])
    with rushlight.inference_mode():
        x = rushlight.ones(2)
    rushlight.autograd.graph.increment_version(x)  # as in PyTorch they count none, and that is no error


@pytest.mark.parametrize(
    "f",
    [
        lambda t, x: t.nn.functional.batch_norm(x, None, None, t.ones(4), t.zeros(4), True),
        lambda t, x: x.max(1)[0],
        lambda t, x: x.sort(1)[0],
        lambda t, x: t.nn.functional.max_pool2d(x[None], 2),
        lambda t, x: x.frexp()[0],
        lambda t, x: t.linalg.svd(x, full_matrices=False)[1],
        lambda t, x: x.aminmax(dim=1)[0],
        lambda t, x: t.linalg.inv_ex(x)[0],
    ],
)
def test_hooks_of_nodes_see_gradients_of_what_has_some(f):
    def seen(t):
        x = t.arange(16.0).view(4, 4).cos().requires_grad_()
        y, found = f(t, x), []
        y.grad_fn.register_hook(lambda inputs, outputs: found.append([g is None for g in outputs]))
        y.grad_fn.register_prehook(lambda outputs: found.append(len(outputs)))
        y.sum().backward()
        return found

    assert seen(rushlight) == seen(torch)


def test_a_saved_tensor_that_was_detached_in_place():
    a = torch.ones(2, requires_grad=True).clone()
    b = a.sin()
    a.detach_()
    with pytest.raises(RuntimeError, match="has been detached in-place"):
        b.sum().backward()
    x = torch.ones(2, requires_grad=True)
    y = x.sin()
    x.requires_grad_(False)  # a leaf may be
    y.sum().backward()
    kept = torch.ones(2, requires_grad=True).clone()
    c = kept.exp()  # saves its result
    kept.detach_()
    c.sum().backward()


def test_inputs_of_another_graph_are_not_executed():
    x, apart = torch.ones(2, requires_grad=True) * 2, torch.ones(2, requires_grad=True) * 2
    seen = []
    torch.autograd.graph.register_multi_grad_hook((x, apart), lambda grads: seen.append([g is None for g in grads]))
    (x * 3).sum().backward(inputs=(x, apart))
    assert seen == [[False, True]]


def test_anomaly_mode_tells_the_error_where_warnings_are_errors(capfd):
    x = rushlight.ones(1, requires_grad=True)
    with pytest.warns(UserWarning), rushlight.autograd.detect_anomaly():
        y = (x * 0).sqrt() * 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeError, match="returned nan values"):
                y.backward()
    assert "Error detected in SqrtBackward0" in capfd.readouterr().err


def test_anomaly_mode_tells_of_each_outer_call_by_itself():
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    class Outer(Inner):
        @staticmethod
        def backward(ctx, g):
            return Inner.apply(g)

    x, weights = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    with warnings.catch_warnings(record=True) as said, torch.autograd.detect_anomaly():
        warnings.simplefilter("always")
        (g,) = torch.autograd.grad(Outer.apply(x), x, weights, create_graph=True)
        with pytest.raises(RuntimeError, match="returned nan values"):
            g.sum().backward()
    texts = [str(w.message).strip() for w in said]
    assert texts[-2].startswith("Error detected in InnerBackward")
    assert texts[-1].startswith("Previous calculation was induced by OuterBackward")


def test_views_that_a_function_returns_several_of():
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x[:1], x[1:]

        @staticmethod
        def backward(ctx, a, b):
            return torch.cat([a, b])

    parts = Two.apply(torch.ones(2, requires_grad=True).clone())
    with pytest.raises(RuntimeError, match="the output of a function that returns multiple views"):
        parts[0].mul_(2)


def test_hooks_are_told_where_no_gradient_came():
    def program(T):
        class First(T.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1, x * 2

            @staticmethod
            def backward(ctx, g, h):
                return g

        class Nothing(T.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.clone()

            @staticmethod
            def backward(ctx, g):
                return None

        seen = []

        def note(*given):
            seen.append([[values(t) for t in g] if isinstance(g, tuple) else values(g) for g in given])

        x = T.ones(2, requires_grad=True)
        p, q = First.apply(x)
        p.register_hook(note)
        p.grad_fn.register_prehook(note)
        q.sum().backward()
        y = x * 2
        y.register_hook(note)
        y.grad_fn.register_prehook(note)
        y.grad_fn.register_hook(note)
        x.register_hook(note)
        Nothing.apply(y).sum().backward()
        z = x * 3
        T.autograd.graph.register_multi_grad_hook((x, z), lambda grads: seen.append([values(g) for g in grads]))
        Nothing.apply(z).sum().backward()
        return seen, values(x.grad)

    same(program)


def test_sparse_gradients_are_added_in_pytorchs_order():
    def program(T):
        table = T.nn.Embedding(4, 5, sparse=True)
        (table(T.tensor([0, 1])).sum() + table(T.tensor([3, 2])).sum()).backward()
        first = table.weight.grad._indices().tolist()
        table(T.tensor([1, 1])).sum().backward()
        return first, table.weight.grad._indices().tolist()

    same(program)


def test_a_hook_that_is_removed_leaves_its_tensor():
    import rushlight.nn as nn

    weight = nn.Parameter(rushlight.ones(3))

    def register():
        yield weight.register_hook(lambda g: None)
        yield weight.register_post_accumulate_grad_hook(lambda t: None)
        node = rushlight.autograd.graph.get_gradient_edge(weight).node
        yield node.register_hook(lambda i, o: None)
        yield node.register_prehook(lambda o: None)

    def held():
        gc.collect()
        return sum(type(o).__name__ == "HookHandle" for o in gc.get_objects())

    for handle in register():
        handle.remove()
    del handle
    before = held()
    for _ in range(50):
        for handle in register():
            handle.remove()
    del handle
    assert held() == before


def test_results_without_a_gradient_may_stay_none_in_backward():
    def program(T):
        class Two(T.autograd.Function):
            @staticmethod
            def forward(ctx, x, fill):
                out = x.clone(), x > 0
                ctx.mark_non_differentiable(out[1])
                ctx._materialize_non_diff_grads = fill
                return out

            @staticmethod
            def backward(ctx, g, none):
                seen.append(none is None)
                return g, None

        seen = []
        for fill in (True, False):
            Two.apply(T.ones(2, requires_grad=True), fill)[0].sum().backward()
        return seen

    assert same(program) == [False, True]
