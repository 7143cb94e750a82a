"""autograd.Function against PyTorch."""

import pytest
import torch

import rushlight

BOTH = pytest.mark.parametrize("T", [rushlight, torch], ids=["rushlight", "torch"])


def values(t):
    return None if t is None else t.tolist()


@BOTH
def test_context_and_double_backward(T):
    class Cube(T.autograd.Function):
        @staticmethod
        def forward(ctx, x, power):
            assert not T.is_grad_enabled()
            ctx.save_for_backward(x)
            ctx.power = power
            return x**power

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False)
            return g * ctx.power * x ** (ctx.power - 1), None

    x = T.tensor([2.0, 3.0], requires_grad=True)
    y = Cube.apply(x, 3)
    assert type(y.grad_fn).__name__ == "CubeBackward" and y.grad_fn.name() == "CubeBackward"
    assert y.grad_fn.next_functions[0][0].variable is x and y.grad_fn.power == 3
    (g,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = T.autograd.grad(g.sum(), x, create_graph=True)
    assert values(g) == [12.0, 27.0] and values(h) == [12.0, 18.0]
    assert Cube.apply(x.detach(), 2).requires_grad is False
    with T.no_grad():
        assert Cube.apply(x, 2).requires_grad is False


@BOTH
def test_setup_context_saved_output_and_several_results(T):
    class Split(T.autograd.Function):
        @staticmethod
        def forward(x):
            return x.exp(), x > 0, "text"

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output[0])
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx, g, unused, text):
            (y,) = ctx.saved_tensors
            return g * y

    x = T.tensor([0.0, 1.0], requires_grad=True)
    y, mask, text = Split.apply(x)
    assert text == "text" and not mask.requires_grad and y.requires_grad
    y.sum().backward()
    assert values(x.grad) == values(x.detach().exp())


@BOTH
@pytest.mark.parametrize("materialize", [True, False])
def test_materialize_grads(T, materialize):
    seen = []

    class Two(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 1, x.sum()

        @staticmethod
        def backward(ctx, a, b):
            seen.append((values(a), values(b)))
            return a

    x = T.ones(2, requires_grad=True)
    Two.apply(x)[0].sum().backward()
    assert seen == [([1.0, 1.0], 0.0 if materialize else None)]


@BOTH
def test_mark_dirty(T):
    class Double(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    a = T.ones(4, requires_grad=True)
    x = a * 1
    y = Double.apply(x)
    assert y is x and x.grad_fn.name() == "DoubleBackward"
    Double.apply(x[:2])
    x.sum().backward()
    assert values(a.grad) == [4.0, 4.0, 2.0, 2.0]
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad (is being|has been) used in an in-place operation"
    ):
        Double.apply(T.ones(2, requires_grad=True))


@BOTH
def test_returning_the_input_makes_another_tensor(T):
    class Identity(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = T.ones(2, requires_grad=True)
    y = Identity.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert values(x.grad) == [7.0, 7.0]


@BOTH
@pytest.mark.parametrize(
    "gradients, error, text",
    [
        (lambda T, g: (g, g), RuntimeError, "returned an incorrect number of gradients (expected 1, got 2)"),
        (lambda T, g: 5, (TypeError, RuntimeError), "expected Variable or None (got int)"),
        (lambda T, g: T.ones(7), RuntimeError, "returned an invalid gradient at index 0"),
    ],
)
def test_wrong_gradients(T, gradients, error, text):
    class Wrong(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return gradients(T, g)

    with pytest.raises(error, match=text.replace("(", r"\(").replace(")", r"\)")):
        Wrong.apply(T.ones(2, requires_grad=True)).sum().backward()


@BOTH
def test_once_differentiable(T):
    from importlib import import_module

    once = import_module(T.__name__ + ".autograd.function").once_differentiable

    class Square(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = T.tensor([3.0], requires_grad=True)
    y = Square.apply(x)
    (g,) = T.autograd.grad(y * y, x, create_graph=True)
    assert values(g) == [108.0]
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()


@BOTH
def test_saved_tensors_are_watched_and_freed(T):
    class Square(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = T.ones(2, requires_grad=True) * 1
    y = Square.apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = Square.apply(T.ones(2, requires_grad=True)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


@BOTH
def test_an_exception_in_backward_comes_through(T):
    class Broken(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        Broken.apply(T.ones(2, requires_grad=True)).sum().backward()
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        Broken()


@BOTH
def test_functional(T):
    from importlib import import_module

    F = import_module(T.__name__ + ".autograd.functional")
    x = T.tensor([1.0, 2.0])
    f = lambda v: v * v * v  # noqa: E731
    assert values(F.jacobian(f, x)) == [[3.0, 0.0], [0.0, 12.0]]
    assert values(F.hessian(lambda v: f(v).sum(), x)) == [[6.0, 0.0], [0.0, 12.0]]
    v = T.tensor([1.0, 10.0])
    assert values(F.vjp(f, x, v)[1]) == [3.0, 120.0]
    assert values(F.jvp(f, x, v)[1]) == [3.0, 120.0]
    assert values(F.hvp(lambda t: f(t).sum(), x, v)[1]) == [6.0, 120.0]
    jac = F.jacobian(lambda a, b: a * b, (x, v))
    assert [values(j) for j in jac] == [[[1.0, 0.0], [0.0, 10.0]], [[1.0, 0.0], [0.0, 2.0]]]


@BOTH
def test_gradcheck(T):
    from importlib import import_module

    check = import_module(T.__name__ + ".autograd")
    x = T.tensor([0.3, 0.7], dtype=T.float64, requires_grad=True)
    assert check.gradcheck(lambda v: v.sin() * v, (x,))
    assert check.gradgradcheck(lambda v: v.sin() * v, (x,))

    class Wrong(T.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            return v * v

        @staticmethod
        def backward(ctx, g):
            return g

    assert not check.gradcheck(Wrong.apply, (x,), raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check.gradcheck(Wrong.apply, (x,))


@BOTH
def test_a_function_that_says_it_works_in_place(T):
    class Binarize(T.autograd.function.InplaceFunction):
        @staticmethod
        def forward(ctx, x, inplace=False):
            if inplace:
                ctx.mark_dirty(x)
            return x.sign_() if inplace else x.sign()

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    x = T.tensor([-1.5, 2.0], requires_grad=True)
    for inplace in (False, True):
        Binarize.apply(x * 3, inplace).sum().backward()
    assert x.grad.tolist() == [12, 12]
    assert T.autograd.function.InplaceFunction(True).inplace


class _Adders:
    """Functions that write to an input: one result, and two."""

    def __init__(self, T):
        class Adder(T.autograd.Function):
            @staticmethod
            def forward(ctx, a, b):
                ctx.mark_dirty(a.add_(b))
                return a

            @staticmethod
            def backward(ctx, g):
                return g * 3, g * 5

        class Two(Adder):
            @staticmethod
            def forward(ctx, a, b):
                ctx.mark_dirty(a.add_(b))
                return a, a + b

        self.one, self.two = Adder, Two


@BOTH
@pytest.mark.parametrize(
    "view", [lambda x: x.view_as(x), lambda x: x[:], lambda x: x[1:]], ids=["whole", "slice", "part"]
)
def test_a_function_that_writes_to_a_view(T, view):
    a, b = T.ones(3, requires_grad=True), T.ones(3, requires_grad=True)
    base = a * 1
    c = _Adders(T).one.apply(view(base), view(b))
    (c.sum() + (base * base).sum()).backward()
    whole = view(T.ones(3)).numel() == 3
    assert a.grad.tolist() == [15] * 3 if whole else [2, 15, 15]
    assert b.grad.tolist() == [25] * 3 if whole else [0, 25, 25]


@BOTH
def test_a_function_that_writes_to_a_view_has_one_result(T):
    a, b = T.ones(3, requires_grad=True), T.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="your Function cannot return more than one Tensor"):
        _Adders(T).two.apply((a * 1)[:], b)


def test_a_function_that_writes_to_a_view_takes_it_first():
    class Second(rushlight.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.mark_dirty(b.add_(a))
            return b

        @staticmethod
        def backward(ctx, g):
            return g, g

    a, b = rushlight.ones(3, requires_grad=True), rushlight.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="make it the first argument"):
        Second.apply(a, (b * 1)[:])
    Second.apply(a, b * 1).sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [1, 1, 1]


@BOTH
def test_a_view_that_lost_its_gradient_prints(T):
    a = T.ones(1, requires_grad=True)
    with T.no_grad():
        b = a[:]
        b *= 2
    assert repr(b) == "tensor([2.], grad_fn=<Invalid>)"


@BOTH
def test_anomaly_detection_says_that_it_is_on(T):
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        T.autograd.detect_anomaly()


@BOTH
def test_setup_context_sees_defaults(T):
    class Power(T.autograd.Function):
        @staticmethod
        def forward(x, n=3):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.n = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.n * ctx.saved_tensors[0] ** (ctx.n - 1), None

    for call, wanted in (
        (lambda x: Power.apply(x), 12),
        (lambda x: Power.apply(x, 2), 4),
        (lambda x: Power.apply(x, n=4), 32),
    ):
        x = T.tensor(2.0, requires_grad=True)
        call(x).backward()
        assert x.grad.item() == wanted


@BOTH
def test_marks_of_what_is_no_input_are_passed_over(T):
    class Sum(T.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            c = 3 * a
            c.add_(b)
            ctx.mark_dirty(c)
            return c

        @staticmethod
        def backward(ctx, grad):
            return 3 * grad, grad

    a, b = T.ones(2, requires_grad=True), T.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="received a tensor that was not an input. Only input Tensors"):
        c = Sum.apply(a, b)
    c.sum().backward()
    assert c.tolist() == [4, 4] and a.grad.tolist() == [3, 3] and b.grad.tolist() == [1, 1]


@BOTH
def test_an_output_that_is_returned_twice_is_one_tensor(T):
    class Twice(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            return y, y

        @staticmethod
        def backward(ctx, first, second):
            return 2 * (first + second)

    x = T.ones(2, requires_grad=True)
    a, b = Twice.apply(x)
    assert a is b
    (a + b).sum().backward()
    assert x.grad.tolist() == [4, 4]


@BOTH
def test_the_old_name_of_saved_tensors_says_so(T):
    class Square(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            with pytest.warns(DeprecationWarning, match="'saved_variables' is deprecated; use 'saved_tensors'"):
                (x,) = ctx.saved_variables
            return 2 * x * grad

    x = T.ones(2, requires_grad=True)
    Square.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_once_differentiable_under_transforms():
    def program(T):
        from importlib import import_module

        once = import_module(T.__name__ + ".autograd.function").once_differentiable

        class Cube(T.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x * x * x

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            @once
            def backward(ctx, g):
                return g * 3 * ctx.saved_tensors[0] ** 2

        x, weight = T.tensor(2.0, requires_grad=True), T.tensor(0.5, requires_grad=True)
        (g,) = T.func.vjp(Cube.apply, x)[1](weight)
        with pytest.raises(RuntimeError):
            g.backward()
        return g.item(), T.func.vmap(T.func.grad(Cube.apply))(T.tensor([1.0, 2.0])).tolist()

    assert program(rushlight) == program(torch) == (6.0, [3.0, 12.0])
