"""Optimizer, the base class: parameter groups, state by parameter, state dicts, hooks around step."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from ..utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

_global_optimizer_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Callable] = OrderedDict()


class _RequiredParameter:
    """The default of a setting that each parameter group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


def _register(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(optimizer, args, kwargs)`` before the step of every optimizer."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(optimizer, args, kwargs)`` after the step of every optimizer."""
    return _register(_global_optimizer_post_hooks, hook)


def _hooked(step: Callable) -> Callable:
    """`step` with the hooks around it; costs a few truth tests where there are none."""

    @functools.wraps(step)
    def step_with_hooks(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
        ):
            return step(self, *args, **kwargs)
        given: Any = (self, *args)
        for hook in [*_global_optimizer_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()]:
            changed = hook(self, given, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                given, kwargs = changed
        result = step(*given, **kwargs)
        for hook in [*self._optimizer_step_post_hooks.values(), *_global_optimizer_post_hooks.values()]:
            hook(self, given, kwargs)
        return result

    step_with_hooks.hooked = True  # type: ignore[attr-defined]
    return step_with_hooks


_HOOK_DICTS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Optimizer:
    """Base of all optimizers.

    Args:
        params: tensors, (name, tensor) pairs, or dictionaries that are parameter groups: ``params`` and settings that
            differ from the defaults.
        defaults: the settings of groups that don't say otherwise.
    """

    state: defaultdict[Any, Any]
    param_groups: list[dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuses numbers in text, which would only be said not to compare with a number."""
        for name, value in [("lr", args[1] if len(args) > 1 else None), *kwargs.items()]:
            if isinstance(value, str) and _is_number(value):
                raise TypeError(
                    f"{cls.__name__}: expected {name} to be a number, got the text {value!r}. Hint: YAML reads 1e-3 as text (1.0e-3 "
                    f"is a number there), and argparse everything without type=float; pass float({name})"
                )
        return super().__new__(cls)

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for name in _HOOK_DICTS:
            setattr(self, name, OrderedDict())
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be "
                f"an iterable of Tensors or dicts, but got {params.type()}. Hint: put it into a list, [x]"
            )
        if isinstance(params, rl.nn.Module) and not hasattr(params, "__iter__"):  # a ParameterList is a list of them
            raise TypeError(f"'{type(params).__name__}' object is not iterable. Hint: pass model.parameters()")
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list. Hint: the model has no parameters (layers in a plain list are not seen: use "
                "nn.ModuleList), or model.parameters() was used up: it can be walked once"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _patch_step_function(self) -> None:
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = _hooked(cls.step)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOK_DICTS:
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            text += f"\nParameter Group {i}\n" + "".join(lines)
        return text + ")"

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` before each step; a pair it returns replaces the arguments."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer)`` before state_dict."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` after state_dict; a result replaces it."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` before load_state_dict; a result replaces what is loaded."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer)`` after load_state_dict."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def state_dict(self) -> dict[str, Any]:
        """The state and the parameter groups, with numbers in the place of parameters."""
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        numbers: dict[int, int] = {}
        packed_groups = []
        for group in self.param_groups:
            start = len(numbers)
            for i, p in enumerate(group["params"], start):
                numbers.setdefault(id(p), i)
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            packed_groups.append(packed)
        packed_state = {(numbers[id(k)] if isinstance(k, Tensor) else k): v for k, v in self.state.items()}
        state_dict = {"state": packed_state, "param_groups": packed_groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over copies of state and settings; the groups must have as many parameters as ours."""
        state_dict = state_dict.copy()
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = pre_hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(self.param_groups, saved_groups, strict=True)):
            sizes = [[len(g["params"]) for g in groups] for groups in (saved_groups, self.param_groups)]
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group. Hint: the saved "
                f"groups have {sizes[0]} parameters, the optimizer's {sizes[1]}; make it for the model that was saved"
            )
        params = {
            number: (p, saved)
            for ours, saved in zip(self.param_groups, saved_groups, strict=True)
            for number, p in zip(saved["params"], ours["params"], strict=True)
        }
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                param, saved = params[key]
                state[param] = _cast_state(param, saved, value)
            else:
                state[key] = deepcopy(value)
        for ours, saved in zip(self.param_groups, saved_groups, strict=True):
            saved["params"] = ours["params"]
            if "param_names" in ours and "param_names" not in saved:
                saved["param_names"] = ours["param_names"]
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the gradients of all parameters, or zeroes them."""
        if set_to_none:
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad = None
            return
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters; a closure recomputes the loss and its gradients first."""
        raise NotImplementedError

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group: a dictionary of ``params`` and the settings that differ from the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but "
                "the ordering of tensors in sets will change between runs. Please use a list instead."
            )
        given = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in given if isinstance(p, tuple)]
        if names and len(names) != len(given):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        tensors = [p[1] if isinstance(p, tuple) else p for p in given]
        param_group["params"] = tensors
        if names:
            param_group["param_names"] = names
        for p in tensors:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {_typename(p)}. Hint: pass model.parameters(), "
                    "tensors, or dicts with a list 'params'"
                )
            if not self.defaults.get("differentiable", None) and not (p.is_leaf or p.retains_grad):
                raise ValueError(
                    "can't optimize a non-leaf Tensor. Hint: it was computed from another one; optimize that, or x.detach()"
                    ".requires_grad_()"
                )
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        ids = {id(p) for p in tensors}
        if len(ids) != len(tensors):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                text = "with names" if "param_names" in param_group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {text} to the optimizer"
                )
            if not ids.isdisjoint(id(p) for p in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)


def _typename(value: Any) -> str:
    module, name = type(value).__module__, type(value).__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def _cast_state(param: Tensor, group: dict, value: Any, key: Any = None) -> Any:
    """A copy of loaded state in the dtype and on the device of its parameter; counters stay as they are."""
    if isinstance(value, Tensor):
        if key == "step":
            if group.get("capturable", False) or group.get("fused", False):
                return value.to(dtype=rl.float32, device=param.device, copy=True)
            return value.clone()
        dtype = param.dtype if param.is_floating_point() else value.dtype
        return value.to(dtype=dtype, device=param.device, copy=True)
    if isinstance(value, dict):
        return {k: _cast_state(param, group, v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_cast_state(param, group, v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return deepcopy(value)


def _check(ok: bool, text: str, error: type[Exception] = ValueError) -> None:
    if not ok:
        raise error(text)


def _place(optimizer: Optimizer, group: dict[str, Any], i: int) -> str:
    """Names a parameter for an error."""
    names = group.get("param_names")
    name = f" ({names[i]})" if isinstance(names, list) and i < len(names) else ""
    number = next(n for n, other in enumerate(optimizer.param_groups) if other is group)
    return f"parameter {i}{name} of group {number} of {type(optimizer).__name__}"


def _check_tensor(optimizer: Optimizer, group: dict[str, Any], i: int, name: str, value: Any) -> None:
    if value is None:
        raise KeyError(f"{name} is missing in the state of {_place(optimizer, group, i)}")
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} in the state of {_place(optimizer, group, i)} must be a Tensor, not {_typename(value)}"
        )


def _check_fits(optimizer: Optimizer, group: dict[str, Any], i: int, name: str, value: Any) -> Tensor:
    """Raises if state, or the gradient, of a parameter is of another shape, dtype or device than that."""
    param = group["params"][i]
    _check_tensor(optimizer, group, i, name, value)
    if value.shape != param.shape or value.dtype != param.dtype or value.device != param.device:
        cause = (
            "set it to None or compute it anew"
            if name == "gradient"
            else "was the state saved for another model, or the parameter changed since? Make a new optimizer"
        )
        raise RuntimeError(
            f"{_place(optimizer, group, i)} has shape {list(param.shape)} and dtype {param.dtype} on {param.device}, "
            f"but its {name} has shape {list(value.shape)} and dtype {value.dtype} on {value.device}; {cause}"
        )
    return value


def _check_count(optimizer: Optimizer, group: dict[str, Any], i: int, name: str, value: Any) -> Tensor:
    _check_tensor(optimizer, group, i, name, value)
    if value.numel() != 1 or value.is_meta or value.is_complex():
        raise RuntimeError(
            f"{name} in the state of {_place(optimizer, group, i)} must have one real element, but it has "
            f"shape {list(value.shape)} and dtype {value.dtype} on {value.device}"
        )
    return value


def _scalar(value: Any) -> float:
    return value.item() if isinstance(value, Tensor) else value


_no_value: Any = object()


def _check_common(lr: Any, eps: Any = _no_value, betas: Any = _no_value, weight_decay: Any = 0) -> None:
    """The checks of the settings that most optimizers have."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    _check(0.0 <= lr, f"Invalid learning rate: {lr}")
    _check(eps is _no_value or 0.0 <= eps, f"Invalid epsilon value: {eps}")
    if betas is not _no_value:
        for i in range(2):
            _check(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")
    _check(0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")


def _check_fused(fused: Any, foreach: Any, differentiable: bool) -> None:
    if fused:
        _check(not differentiable, "`fused` does not support `differentiable`", RuntimeError)
        _check(not foreach, "`fused` and `foreach` cannot be `True` together.", RuntimeError)


def _new_step() -> Tensor:
    is_double = rl.get_default_dtype() == rl.float64
    return rl.tensor(0.0, dtype=rl.float64 if is_double else rl.float32)


def _zeros_like(param: Tensor) -> Tensor:
    return rl.zeros_like(param, memory_format=rl.preserve_format)


def _as_real(is_complex: bool, *tensors: Tensor) -> tuple:
    return tuple(rl.view_as_real(t) for t in tensors) if is_complex else tensors


# What optimizers outside of this package are written with.
def _use_grad_for_differentiable(step: Callable) -> Callable:
    """A step that records gradients where the optimizer's defaults say `differentiable`, and not else."""

    @functools.wraps(step)
    def run(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with rl.set_grad_enabled(bool(self.defaults.get("differentiable", False))):
            return step(self, *args, **kwargs)

    return run


def _get_value(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


def _dispatch_sqrt(x: Any) -> Any:
    return x.sqrt() if isinstance(x, Tensor) else x**0.5


def _stack_if_compiling(x: Any) -> Any:
    return x


def _get_scalar_dtype(is_fused: bool | None = None) -> Any:
    """What step counts are made of."""
    return rl.float64 if rl.get_default_dtype() == rl.float64 and not is_fused else rl.float32


def _view_as_real(params: list[Tensor], *state_and_grads: list[Tensor]) -> None:
    """Complex tensors in the lists become real ones of pairs."""
    for i, p in enumerate(params):
        if p.is_complex():
            for tensors in (params, *state_and_grads):
                tensors[i] = rl.view_as_real(tensors[i])


def _default_to_fused_or_foreach(
    params: list[Tensor], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """(fused, foreach): neither, as on any CPU."""
    return False, False


def _disable_dynamo_if_unsupported(single_tensor_fn: Callable | None = None) -> Callable:
    return lambda function: function


class TensorwiseOptimizer(Optimizer):
    """An optimizer that updates one parameter after the other.

    A subclass makes the state of a parameter in `_init_state` and updates in `_update`; it names the state that is as
    large as the parameter, and the numbers.
    """

    _count_names: tuple[str, ...] = ("step",)
    _takes_sparse = False  # `_update` can do with a sparse gradient
    _optional_state = False  # a parameter may have state of which some is missing

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        raise NotImplementedError

    def _check_state(self) -> None:
        """Raises where the state or the gradient of a parameter, which may be another's, doesn't fit it."""
        for group in self.param_groups:
            names = self._state_names(group)
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            try:
                for p in params:
                    if not self.state.get(p) or self._optional_state:
                        raise KeyError  # some have no state yet: tell them apart
                states = [self.state[p] for p in params]
                values = [own[name] for name in names for own in states]
                counts = [own[name] for name in self._count_names for own in states]
                _C._ops._optimizer_check(params, [p.grad for p in params], values, counts)
            except (KeyError, RuntimeError, TypeError):
                self._check_singly(group, names)

    def _check_singly(self, group: dict[str, Any], names: tuple[str, ...]) -> None:
        """As _check_state, and what it raises names the parameter's place and name."""
        for i, param in enumerate(group["params"]):
            grad = param.grad
            if grad is None:
                continue
            _check_fits(self, group, i, "gradient", grad)
            own = self.state.get(param)
            if not own or self._optional_state and any(own.get(name) is None for name in names):
                continue
            values = [_check_fits(self, group, i, name, own.get(name)) for name in names]
            counts = [_check_count(self, group, i, name, own.get(name)) for name in self._count_names]
            _C._ops._optimizer_check([param], [grad], values, counts)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters; a closure recomputes the loss and its gradients first."""
        loss = None
        if closure is not None:
            with rl.enable_grad():
                loss = closure()
        with rl.set_grad_enabled(bool(self.defaults.get("differentiable", False))):
            self._step_groups()
        return loss

    def _any_sparse(self) -> bool:
        """Whether a gradient is sparse. Raises where the optimizer has no rule for that."""
        if not any(p.grad is not None and p.grad.is_sparse for group in self.param_groups for p in group["params"]):
            return False
        if not self._takes_sparse:
            raise RuntimeError(
                f"{type(self).__name__} does not support sparse gradients; SGD, Adagrad and SparseAdam do"
            )
        return True

    def _step_groups(self) -> None:
        self._any_sparse()
        self._check_state()
        for group in self.param_groups:
            self._step_group(group)

    def _step_group(self, group: dict[str, Any]) -> None:
        for param in group["params"]:
            grad = param.grad
            if grad is not None:
                state = self.state[param]
                if not state:
                    self._init_state(group, param, state)
                self._update(group, param, -grad if group.get("maximize") else grad, state)

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        raise NotImplementedError

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        raise NotImplementedError

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._added_settings.items():
                group.setdefault(name, value)
            for name, value in self.defaults.items():  # what a file's version did not know yet
                group.setdefault(name, value)
            for p in group["params"]:
                own = self.state.get(p, {})
                if "step" in own and not isinstance(own["step"], Tensor):  # a plain number in old checkpoints
                    own["step"] = rl.tensor(float(own["step"]), dtype=rl.float32)

    # Settings that old pickles lack.
    _added_settings: dict[str, Any] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
    }
