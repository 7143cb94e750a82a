"""Every module of nn in PyTorch's own database of modules (module_db): scripts, traces, saves, loads here and in PyTorch, trains after
loading, and gives PyTorch's outputs and gradients.

What PyTorch can't script or trace need not be here either. KNOWN says what else differs, and why.
"""

import functools
import io
import itertools
import re
import warnings
import weakref

import pytest
import torch
from carry import resolve, tensors, to_rushlight, to_torch
from torch.testing._internal.common_modules import module_db

import rushlight as rl

CASES = 2  # of each module, in training and in evaluation
CLOSE = {"rtol": 1e-4, "atol": 1e-5, "equal_nan": True}

# Regular expression over "script nn.Name": why.
KNOWN: dict[str, str] = {}

MADE_WITH = weakref.WeakKeyDictionary()  # modules that are arguments of constructors: what they were made with


def remembering(init):
    @functools.wraps(init)
    def made(self, *args, **kwargs):
        MADE_WITH[self] = args, kwargs
        init(self, *args, **kwargs)

    return made


def samples(info, training, monkeypatch):
    """The first few inputs of a module."""
    with monkeypatch.context() as patch:
        for layer in (torch.nn.TransformerEncoderLayer, torch.nn.TransformerDecoderLayer):
            patch.setattr(layer, "__init__", remembering(layer.__init__))
        torch.manual_seed(0)
        inputs = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=True, training=training)
        return list(itertools.islice(inputs, CASES))


def counterpart(value):
    """A constructor's argument for rushlight: modules are made anew, and functions found by their name."""
    if isinstance(value, torch.nn.Module):
        args, kwargs = MADE_WITH[value]
        own = getattr(rl.nn, type(value).__name__)(
            *map(counterpart, args), **{k: counterpart(v) for k, v in kwargs.items()}
        )
        own.load_state_dict(to_rushlight(dict(value.state_dict())))
        return own
    if callable(value) and hasattr(value, "__name__"):
        found = resolve(f"nn.functional.{value.__name__}") or resolve(value.__name__)
        if found is None:
            pytest.skip(f"the sample passes {value.__name__}, a function of its own")
        return found
    return to_rushlight(value)


def outcome(module, args, kwargs, library, weights):
    """Outputs, and gradients of a fixed weighting of them by parameters and inputs, from the same random numbers."""
    library.manual_seed(7)
    result = module(*args, **kwargs)
    outputs = tensors(result, library.Tensor)
    found = [t for t in outputs if t.requires_grad and t.is_floating_point()]
    inputs = [t for t in tensors([list(args), kwargs], library.Tensor) if t.requires_grad]
    leaves = [*module.parameters(), *inputs]
    gradients = []
    if found:
        total = sum((t * w[: t.numel()].reshape(t.shape)).sum() for t, w in zip(found, weights, strict=False))
        gradients = [
            g
            for g in library.autograd.grad(total, [p for p in leaves if p.requires_grad], allow_unused=True)
            if g is not None
        ]
    return [t.detach() for t in outputs], gradients


def step(module, args, kwargs, library, weights):
    """Outputs after one step of gradient descent."""
    outcome_before = outcome(module, args, kwargs, library, weights)
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters or not outcome_before[1]:
        return []
    library.manual_seed(7)
    outputs = [t for t in tensors(module(*args, **kwargs), library.Tensor) if t.requires_grad]
    sum(t.sum() for t in outputs).backward()
    library.optim.SGD(parameters, lr=0.01).step()
    for p in parameters:
        p.grad = None
    return outcome(module, args, kwargs, library, weights)[0]


def compile_with(library, way, module, args, kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if way == "script":
            return library.jit.script(module)
        library.manual_seed(7)
        named = {"example_kwarg_inputs": kwargs} if kwargs else {}
        if kwargs and args:
            return None
        return library.jit.trace(module, None if kwargs else tuple(args), check_trace=False, strict=False, **named)


def reloaded(compiled, library, saver):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        saver.jit.save(compiled, file)
        return library.jit.load(io.BytesIO(file.getvalue()))


def same(got, wanted, what):
    got, wanted = to_torch(got), to_torch(wanted)
    assert len(got) == len(wanted), what
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), msg=lambda text: f"{what}: {text}", **CLOSE)


def check(way, reference, own, args, kwargs):
    """`reference` and `own` make a module anew, as PyTorch's and as rushlight's, in one state."""
    theirs, mine = functools.partial(fresh, args, kwargs, None), functools.partial(fresh, args, kwargs, to_rushlight)
    weights = [torch.linspace(0.1, 1.3, 1 << 16) for _ in range(8)]
    weights_here = to_rushlight(weights)
    try:
        compiled = compile_with(torch, way, reference(), *theirs())
        outcome(compiled, *theirs(), torch, weights)
        compiled.load_state_dict(reference().state_dict())
        wanted = outcome(reference(), *theirs(), torch, weights)
    except Exception:  # whatever hinders PyTorch
        return False
    if compiled is None:
        return False
    here = compile_with(rl, way, own(), *mine())
    here.load_state_dict(own().state_dict())  # a trace has run it
    loaded = reloaded(here, rl, rl)
    there = reloaded(here, torch, rl)
    same(list(here.state_dict().values()), list(own().state_dict().values()), "state")
    for name, module in (("here", here), ("loaded", loaded)):
        got = outcome(module, *mine(), rl, weights_here)
        same(got[0], wanted[0], f"{name}, outputs")
        same(got[1], wanted[1], f"{name}, gradients")
    got = outcome(there, *theirs(), torch, weights)
    same(got[0], wanted[0], "loaded in PyTorch, outputs")
    same(got[1], wanted[1], "loaded in PyTorch, gradients")
    back = reloaded(compiled, rl, torch)  # PyTorch's own archive, here
    got = outcome(back, *mine(), rl, weights_here)
    same(got[0], wanted[0], "PyTorch's archive, outputs")
    same(got[1], wanted[1], "PyTorch's archive, gradients")
    same(
        step(reloaded(here, rl, rl), *mine(), rl, weights_here), step(reference(), *theirs(), torch, weights), "trained"
    )
    return True


def fresh(args, kwargs, carried):
    def one(t):
        return t.detach().clone().requires_grad_(t.requires_grad) if isinstance(t, torch.Tensor) else t

    if carried is None:
        return tuple(map(one, args)), {k: one(v) for k, v in kwargs.items()}
    return tuple(map(carried, args)), {k: carried(v) for k, v in kwargs.items()}


@pytest.mark.full
@pytest.mark.parametrize("way", ["script", "trace"])
@pytest.mark.parametrize("info", module_db, ids=lambda info: info.name)
def test_modules(info, way, monkeypatch):
    known = next((why for pattern, why in KNOWN.items() if re.search(pattern, f"{way} {info.name}")), None)
    if info.is_lazy or not hasattr(rl.nn, info.module_cls.__name__):
        pytest.skip("a lazy module has no shapes to compile")
    failed = None
    for training in (True, False) if info.train_and_eval_differ else (True,):
        for case in samples(info, training, monkeypatch):
            made, given = case.constructor_input, case.forward_input
            if given is None:
                continue
            torch.manual_seed(3)
            first = info.module_cls(*made.args, **made.kwargs).train(training)
            state = {k: v.detach().clone() for k, v in first.state_dict().items()}

            def reference(made=made, training=training, state=state):
                module = info.module_cls(*made.args, **made.kwargs).train(training)
                module.load_state_dict(state)
                return module

            def own(made=made, training=training, state=state):
                args, kwargs = [counterpart(a) for a in made.args], made.kwargs
                module = getattr(rl.nn, info.module_cls.__name__)(
                    *args, **{k: counterpart(v) for k, v in kwargs.items()}
                )
                module.train(training).load_state_dict(to_rushlight(state))
                return module

            try:
                check(way, reference, own, given.args, given.kwargs)
            except AssertionError as error:
                failed = error
            except Exception as error:
                failed = AssertionError(f"{type(error).__name__}: {error}")
            if failed is not None and known is None:
                raise AssertionError(f"{made.args} {made.kwargs} {case.desc} training={training}: {failed}") from failed
    if known is not None:
        assert failed is not None, "passes: take its line out of KNOWN"
        pytest.xfail(known)
