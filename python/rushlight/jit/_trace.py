"""trace: records what a function or module does with example inputs, as a graph that runs without Python."""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .. import _C
from ..nn import Module
from . import _state
from ._recursive import _INTERNAL, _methods_of
from ._resolver import _class_name, _names, _resolve, _source
from ._script import RecursiveScriptModule, ScriptFunction, ScriptModule
from ._types import TensorType


class TracerWarning(Warning):
    """Something that a trace can't follow: it holds for the example inputs, and may not for others."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Checks of sizes in rushlight's own modules are no concern of the user's."""
        warnings.filterwarnings("ignore", category=TracerWarning, module="(rushlight|torch).(?!jit)")


TracerWarning.ignore_lib_warnings()


class TracingCheckError(Exception):
    """Two traces of one function with the same inputs differ: what it does depends on something that a trace can't follow."""

    def __init__(self, graph_diff_error: str | None, tensor_compare_error: str | None, extra_msg: str | None = None):
        self.message = "Tracing failed sanity checks!\n"
        for part in (extra_msg, graph_diff_error, tensor_compare_error):
            if part is not None:
                self.message += part if part is extra_msg else f"ERROR: {part}"
        super().__init__(self.message)


_MANGLED = re.compile(r"___torch_mangle_\d+\.")  # classes of a second trace have names of their own


def _told(node: Any) -> tuple:
    """What of a node is the same in another trace: the operator, its attributes, and where its inputs come from."""
    made_by = [(v.node().kind(), v.offset()) for v in node.inputs()]
    return node.kind(), [str(node._attribute(name)) for name in node.attributeNames()], made_by


def _compare_graphs(first: Any, second: Any) -> None:
    """TracingCheckError that names the first node in which two traces differ; what their examples looked like doesn't count."""
    first, second = first.copy(), second.copy()
    for graph in (first, second):
        graph._pass("erase_shape_information")
    a, b = (_MANGLED.sub("", g._text(False)) for g in (first, second))
    if a != b:
        nodes = [list(g.nodes()) for g in (first, second)]
        at = next(
            (i for i, (x, y) in enumerate(zip(*nodes, strict=False)) if _told(x) != _told(y)), min(map(len, nodes))
        )
        told = "".join(
            f"\t\t{sign} {n[at]}".rstrip() + f"\n{n[at].sourceRange()}\n" if at < len(n) else f"\t\t{sign} (the end)\n"
            for sign, n in zip("-+", nodes, strict=True)
        )
        diff = "\n".join(f"\t\t{line}" for line in difflib.ndiff(a.splitlines(), b.splitlines()))
        raise TracingCheckError(
            f"Graphs differed across invocations!\n\tGraph diff:\n{diff}\n\tFirst diverging operator:\n\tNode diff:\n{told}",
            None,
        )
    for x, y in zip(first.findAllNodes("prim::Constant"), second.findAllNodes("prim::Constant"), strict=False):
        one, other = x.output().toIValue(), y.output().toIValue()
        if not (isinstance(one, _C.Tensor) and isinstance(other, _C.Tensor)) or one.is_sparse:
            continue
        if one.shape != other.shape or not ((one == other) | ((one != one) & (other != other))).all():
            raise TracingCheckError(
                None,
                "Tensor-valued Constant nodes differed in value across invocations. This often indicates that the tracer has "
                f"encountered untraceable code.\n\tNode:\n\t\t{x}\tSource Location:\n\t\t{x.sourceRange()}\n",
            )


class TopLevelTracedModule(RecursiveScriptModule):
    """What trace makes of a module."""

    def _get_name(self) -> str:
        return self.original_name


_STRICT = (
    "Encountering a {} at the output of the tracer might cause the trace to be incorrect, this is only valid if the container structure "
    "does not change based on the module's inputs. Consider using a constant container instead (e.g. for `list`, use a `tuple` instead. for "
    "`dict`, use a `NamedTuple` instead). If you absolutely need this and know the side effects, pass strict=False to trace() to allow this "
    "behavior."
)


def _check_containers(value: Any) -> None:
    if isinstance(value, dict):
        raise RuntimeError(_STRICT.format("dict"))
    if isinstance(value, list):
        warnings.warn(_STRICT.format("list"), TracerWarning, stacklevel=4)
    if isinstance(value, (tuple, list)):
        for item in value:
            _check_containers(item)


def _type_text(value: Any) -> str:
    """How TorchScript writes a value's type: Tuple[Tensor, int]."""
    if isinstance(value, _C.Tensor):
        return "Tensor"
    if isinstance(value, tuple):
        return f"Tuple[{', '.join(map(_type_text, value))}]"
    if isinstance(value, list) and value:
        return f"List[{_type_text(value[0])}]"
    return type(value).__name__


def _check_traceable(value: Any, whole: Any) -> None:
    """Raises RuntimeError for an input that a trace could not follow: anything but tensors, and containers of one kind of them."""
    if isinstance(value, _C.Tensor):
        return
    if isinstance(value, tuple):
        for item in value:
            _check_traceable(item, whole)
        return
    if not isinstance(value, (list, dict)):
        raise RuntimeError(
            f"Type '{_type_text(whole)}' cannot be traced. Only Tensors and (possibly nested) Lists, Dicts, and Tuples of Tensors can "
            f"be traced, no '{type(value).__name__}'; what else a function needs can be bound to it: lambda x: f(x, 3)"
        )
    items = list(value.values()) if isinstance(value, dict) else value
    if not items:
        raise RuntimeError(
            f"{'Dictionary inputs must have entries' if isinstance(value, dict) else 'List trace inputs must have elements'}: their "
            "type is found in them"
        )
    kinds = {type(item) for item in items}
    if len(kinds) > 1 and not all(issubclass(kind, _C.Tensor) for kind in kinds):
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise RuntimeError(
            f"{'Dictionary' if isinstance(value, dict) else 'List'} trace inputs must have items of one consistent type, got {names}"
        )
    for item in items:
        _check_traceable(item, whole)


def _clone(value: Any) -> Any:
    """Inputs of their own, so that neither in-place operators nor the same tensor given twice confuse the trace."""
    if isinstance(value, _C.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, dict):
        return {key: _clone(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_clone(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _tensors(value: Any) -> list[Any]:
    """The tensors in a result, and the numbers, which a trace gives as tensors: x.shape[0]."""
    if isinstance(value, dict):
        return [t for item in value.values() for t in _tensors(item)]
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in _tensors(item)]
    return [value] if isinstance(value, (_C.Tensor, int, float, complex)) else []


def _as_inputs(example: Any) -> tuple:
    if isinstance(example, (_C.Tensor, dict)):
        return (example,)
    return tuple(example)


def _arranged(
    function: Callable, inputs: Any, kwargs: dict[str, Any] | None
) -> tuple[Callable, tuple, tuple[str, ...]]:
    """What to call, the inputs in the order of the function's parameters, and the parameters' names. Behind a parameter that is not
    given the others go by name."""
    positional = [] if inputs is None else list(_as_inputs(inputs))
    called = function.forward if isinstance(function, Module) else function
    try:
        parameters = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for p in parameters:
        if p.kind == p.VAR_POSITIONAL:
            names += [f"{p.name}_{i}" for i in range(len(names), len(positional))]
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
    for name in names[len(positional) :]:
        if not kwargs or name not in kwargs:
            break
        positional.append(kwargs[name])
    names += [f"argument_{i}" for i in range(len(names), len(positional))]
    given, count = names[: len(positional)], len(positional)
    for name in kwargs or ():
        if name not in given:
            given.append(name)
            positional.append(kwargs[name])  # type: ignore[index]
    if len(given) == count:
        return function, tuple(positional), tuple(given)

    @functools.wraps(called)
    def by_name(*args: Any) -> Any:
        return function(*args[:count], **dict(zip(given[count:], args[count:], strict=True)))

    return by_name, tuple(positional), tuple(given)


def _object_of(module: Module, path: tuple[str, ...], state: list, memo: dict[int, Any], modules: list) -> Any:
    """The script object that holds the state of a module; `state` gets the way to each tensor, `modules` that to each module inside."""
    if isinstance(module, ScriptModule):
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None:
                state.append(((*path, name), tensor))
        for name, child in module._modules.items():
            _object_of(child, (*path, name), state, memo, modules)
        return module._c
    if module._backward_hooks:
        raise ValueError(f"Modules that have backward hooks assigned can't be compiled: {module}")
    known = memo.get(id(module))
    if path:
        modules.append((path, module))
    slots: list[tuple[str, Any, str]] = [("training", module.training, "bool")]
    for kind, members in (("parameter", module._parameters), ("buffer", module._buffers)):
        for name, tensor in members.items():
            slots.append((name, tensor, kind))
            if tensor is not None:
                state.append(((*path, name), tensor))
    for name, child in module._modules.items():
        if child is not None:
            slots.append((name, _object_of(child, (*path, name), state, memo, modules), "module"))
    if known is None:
        name, methods = _class_name(type(module)), _methods_of(type(module))
        exported = [key for key, fn in methods.items() if getattr(fn, "_torchscript_modifier", "") == "export"]
        texts = []
        if exported:  # which are compiled, and all that they call and read
            for key, fn in methods.items():
                if key != "forward":
                    with contextlib.suppress(OSError):
                        texts.append((key, *_source(fn), _names(fn)))
            taken = {slot for slot, _, _ in slots}
            for key, value in vars(module).items():
                if key not in taken and key not in _INTERNAL and type(value) in (int, float, bool, str):
                    slots.append((key, value, type(value).__name__))
        known = memo[id(module)] = _C._make_object(lambda: (name, texts), slots, {}, _resolve if texts else None, None)
        for key in exported:
            known._method(key)
    return known


def _compare(wanted: Any, got: Any, tolerance: float) -> None:
    from .. import allclose, as_tensor

    pairs = list(zip(_tensors(wanted), _tensors(got), strict=False))
    if len(_tensors(wanted)) != len(_tensors(got)):
        warnings.warn(
            f"the traced function gave {len(_tensors(got))} tensors, the Python function {len(_tensors(wanted))}",
            TracerWarning,
            stacklevel=4,
        )
    for i, (x, b) in enumerate(pairs):
        a = x if isinstance(x, _C.Tensor) else as_tensor(x, dtype=b.dtype if isinstance(b, _C.Tensor) else None)
        b = as_tensor(b)
        same = (
            a.shape == b.shape
            and a.dtype == b.dtype
            and allclose(a.detach(), b.detach(), rtol=tolerance, atol=tolerance, equal_nan=True)
        )
        if not same:
            detail = f"shapes {tuple(a.shape)} and {tuple(b.shape)}"
            if a.shape == b.shape:
                detail = (
                    f"the greatest difference is {(a.detach() - b.detach()).abs().max().item() if a.numel() else 0}"
                )
            warnings.warn(
                f"Output nr {i + 1}. of the traced function does not match the corresponding output of the Python function. Detailed error:\n"
                f"Tensor-likes are not close: {detail}",
                TracerWarning,
                stacklevel=4,
            )


@contextlib.contextmanager
def _untouched(state: list) -> Iterator[None]:
    """What runs inside leaves the random numbers and the module's buffers as they were."""
    from .. import get_rng_state, no_grad, set_rng_state

    kept = [(tensor, tensor.detach().clone()) for _, tensor in state if not tensor.requires_grad]
    before = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(before)
        with no_grad():
            for tensor, value in kept:
                tensor.copy_(value)


def _random_nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        if node.isNondeterministic():
            yield node
        for inner in node.blocks():
            yield from _random_nodes(inner)


def _check(
    function: Callable, traced: Callable, inputs: tuple, state: list, tolerance: float, graph: Any, again: Callable
) -> None:
    """Compares the graph with that of a second trace, and the results for the inputs, from the same random numbers."""
    if drawing := list(_random_nodes(graph)):
        told = "".join(f"\n\t{str(node).strip()}" for node in drawing[:20])
        warnings.warn(
            f"Trace had nondeterministic nodes. Did you forget call .eval() on your model? Nodes:{told}\nThe trace draws random numbers "
            "whenever it is run. check_trace=False traces without a word",
            TracerWarning,
            stacklevel=4,
        )
    with warnings.catch_warnings(), _untouched(state):
        warnings.simplefilter("ignore", TracerWarning)
        try:
            second = again(inputs)
        except Exception as error:
            raise TracingCheckError(None, None, f"a second trace with the same inputs failed: {error}\n") from error
    with warnings.catch_warnings(), _untouched(state):
        warnings.simplefilter("ignore", TracerWarning)
        wanted = function(*_clone(inputs))
    with _untouched(state):
        got = traced(*_clone(inputs))
    _compare(wanted, got, tolerance)
    _compare_graphs(graph, second)


def _record(
    function: Callable,
    inputs: tuple,
    names: tuple[str, ...],
    name: str,
    strict: bool,
    holder: Any = None,
    state: Any = (),
    modules: Any = (),
    out_of_place: bool = False,
) -> Any:
    def called(*args: Any) -> Any:
        out = function(*args)
        if strict:
            _check_containers(out)
        return out

    _check_traceable(tuple(inputs), tuple(inputs))
    return _C._trace(called, _clone(inputs), names, holder, list(state), list(modules), name, out_of_place)


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict[str, Any] | None = None,
    _store_inputs: bool = True,
) -> Any:
    """Runs ``func`` with example inputs and gives a function or module that repeats the operators it called.

    What depends on the values or, where Python looks at them, the shapes of the inputs is as it was for the examples; a TracerWarning says
    where. ``x.size(0)`` passed on to an operator keeps its meaning for other shapes.

    Args:
        func: a function or a module. A module's parameters and buffers are shared with the result.
        example_inputs: a tensor, or a tuple of what the function takes.
        check_trace: runs both again and warns where the results differ by more than check_tolerance.
        strict: refuses lists and dicts as results.
        _force_outplace: what writes in place is recorded as a function; a TracerWarning says where another view would have seen the write.

    >>> import rushlight as torch
    >>> torch.jit.trace(lambda x: x.t().t(), torch.ones(2, 3)).graph_for(torch.ones(2, 3))
    graph(%x : Tensor):
      return (%x)
    <BLANKLINE>
    """
    if not _state._enabled.enabled:
        return func
    if isinstance(func, (ScriptModule, ScriptFunction)):
        warnings.warn(
            "The input to trace is already a ScriptModule, tracing it is a no-op. Returning the object as is.",
            stacklevel=2,
        )
        return func
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError(
            "example_kwarg_inputs should be a dict" if example_kwarg_inputs else "trace: example_inputs must be given"
        )
    if isinstance(func, Module):
        return _trace_methods(
            func,
            {"forward": (example_inputs, example_kwarg_inputs)},
            check_trace,
            check_inputs,
            check_tolerance,
            strict,
            _force_outplace,
        )
    bound = getattr(func, "__self__", None)
    if isinstance(bound, Module):
        if getattr(func, "__name__", "") == "forward":
            return trace(
                bound,
                example_inputs,
                None,
                check_trace,
                check_inputs,
                check_tolerance,
                strict,
                _force_outplace,
                example_kwarg_inputs=example_kwarg_inputs,
            )
        raise AttributeError(
            f"trace doesn't support compiling individual module's functions.\n Please use trace_module to trace '{func.__name__}'"
        )
    called, inputs, names = _arranged(func, example_inputs, example_kwarg_inputs)
    name = getattr(func, "__name__", "forward")
    name = "_lambda" if name == "<lambda>" else name
    record = functools.partial(_record, called, names=names, name=name, strict=strict, out_of_place=_force_outplace)
    recorded = record(inputs)
    _C._make_ready(recorded)
    traced = ScriptFunction(recorded, func)
    if check_trace:
        for example in [inputs] if check_inputs is None else map(_as_inputs, check_inputs):
            _check(
                called,
                traced,
                example,
                [],
                check_tolerance,
                traced.inlined_graph,
                lambda given: record(given).inlined_graph,
            )
    return traced


def trace_module(
    mod: Module,
    inputs: dict[str, Any],
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_inputs_is_kwarg: bool = False,
    **_unused: Any,
) -> Any:
    """As trace, for several methods of a module: ``inputs`` has the example inputs of each by name, as a dict of the method's
    parameters if ``example_inputs_is_kwarg``."""
    if not _state._enabled.enabled:
        return mod
    if not isinstance(mod, Module):
        raise AttributeError("expected torch.nn.Module as the first argument")
    if not isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    return _trace_methods(
        mod,
        {name: (None, example) if example_inputs_is_kwarg else (example, None) for name, example in inputs.items()},
        check_trace,
        check_inputs,
        check_tolerance,
        strict,
        _force_outplace,
    )


def _trace_methods(
    module: Module,
    methods: dict,
    check: bool,
    check_inputs: Any,
    tolerance: float,
    strict: bool,
    out_of_place: bool = False,
) -> TopLevelTracedModule:
    state: list = []
    modules: list = []
    holder = _object_of(module, (), state, {}, modules)
    arranged = {
        name: _arranged(module if name == "forward" else getattr(module, name), example, kwargs)
        for name, (example, kwargs) in methods.items()
    }
    for name, (function, inputs, names) in arranged.items():
        _record(function, inputs, names, name, strict, holder, state, modules, out_of_place)
    _C._make_ready(holder)
    traced = TopLevelTracedModule(holder)
    if check:
        for name, (function, inputs, given_names) in arranged.items():
            examples = [inputs]
            if check_inputs is not None:
                examples = [_as_inputs(e[name] if isinstance(e, dict) else e) for e in check_inputs]
            graph = traced._method(name).inlined_graph

            def again(given: tuple, name: str = name, function: Any = function, names: Any = given_names) -> Any:
                state: list = []
                modules: list = []
                fresh = _object_of(module, (), state, {}, modules)
                names = names if len(names) == len(given) else _arranged(function, given, None)[2]
                _record(function, given, names, name, strict, fresh, state, modules, out_of_place)
                return fresh._method(name).inlined_graph

            for inputs in examples:
                run = traced if name == "forward" else getattr(traced, name)
                _check(function, run, inputs, state, tolerance, graph, again)
    return traced


def _get_trace_graph(
    f: Any,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    strict: bool = True,
    _force_outplace: bool = False,
    return_inputs: bool = False,
    _return_inputs_states: bool = False,
) -> tuple:
    """The graph of a trace and what the function gave. A module's state is among the graph's inputs, behind the arguments, in the order
    of its ``state_dict``; calls of modules inside are inlined. What counts a model's operations reads it.

    >>> import rushlight as torch
    >>> graph, out = torch.jit._get_trace_graph(torch.nn.Linear(3, 2), torch.ones(1, 3))
    >>> [n.kind() for n in graph.nodes()], len(list(graph.inputs()))
    (['aten::linear'], 3)
    """
    function, inputs, names = _arranged(f, args, kwargs)
    results: list[Any] = []

    def watched(*given: Any) -> Any:
        results.append(function(*given))
        return results[-1]

    given = inputs
    if not isinstance(f, Module):
        graph = _record(watched, inputs, names, "forward", False, out_of_place=_force_outplace).inlined_graph
    else:
        state: list = []
        modules: list = []
        holder = _object_of(f, (), state, {}, modules)
        _record(watched, inputs, names, "forward", False, holder, state, modules, _force_outplace)
        graph = holder._method("forward").inlined_graph
        given = (*inputs, *_state_as_inputs(graph, f))
    return (graph, results[0], given) if return_inputs else (graph, results[0])


def _state_as_inputs(graph: Any, module: Module) -> list[Any]:
    """Replaces what a graph takes from its first input, the module, by inputs of their own: a tensor each, which are given back."""
    holder = next(graph.inputs())
    values: dict[str, Any] = {}
    known: dict[int, Any] = {}
    tensors = []
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in known:
            known[id(tensor)] = graph.addInput(name)
            known[id(tensor)].setType(TensorType.create_from_tensor(tensor))
            tensors.append(tensor)
        values[name] = known[id(tensor)]
    paths = {holder: ""}
    taken = []
    for node in graph.findAllNodes("prim::GetAttr"):
        path = paths[node.input()] + node.s("name")
        taken.append(node)
        if path in values:
            node.output().replaceAllUsesWith(values[path])
        else:
            paths[node.output()] = path + "."
    for node in reversed(taken):
        if not node.hasUses():
            node.destroy()
    if not holder.uses():
        graph.eraseInput(0)
    return tensors
