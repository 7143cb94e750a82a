"""torch.compile: programs call it and run as they are. A warning says so once."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from .nn import Module

__all__ = ["OptimizedModule", "compile"]

_told = False
# PyTorch's own: what a program may ask for.
_BACKENDS = (
    "inductor", "eager", "eager_noexcept", "eager_debug", "pre_dispatch_eager", "aot_eager", "aot_eager_decomp_partition", "aot_eager_default_partitioner",
    "aot_inductor_debug_cpp", "aot_ts", "ts", "cudagraphs", "cudagraphs_inner", "onnxrt", "openxla", "openxla_eval", "tvm", "tensorrt",
    "torch_tensorrt", "ipex", "hpu_backend", "tpu", "dynamo_minifier_backend", "dynamo_accuracy_minifier_backend",
)  # fmt: skip


def _tell() -> None:
    global _told
    if not _told:
        _told = True
        warnings.warn(
            "torch.compile: rushlight runs the program as it is, operator by operator; torch.jit.trace makes one program of it. "
            "This is said once.",
            UserWarning,
            stacklevel=4,
        )


class OptimizedModule(Module):
    """What compile() makes of a module: the same module, below the name ``_orig_mod``, as checkpoints of compiled models have it."""

    _orig_mod: Module

    def __init__(self, mod: Module, dynamo_ctx: Any = None) -> None:
        super().__init__()
        self._orig_mod = mod
        self.training = mod.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = (
            name in ("_orig_mod", "training")
            or name in type(self).__dict__
            or "_orig_mod" not in self.__dict__.get("_modules", ())
        )
        if name == "training" and "_orig_mod" in self.__dict__.get("_modules", ()):
            self._orig_mod.training = value
        super().__setattr__(name, value) if own else setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __len__(self) -> int:
        return len(self._orig_mod)  # type: ignore[arg-type]

    def __iter__(self):
        return iter(self._orig_mod)  # type: ignore[call-overload]

    def __getitem__(self, index: Any) -> Any:
        return self._orig_mod[index]  # type: ignore[index]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})

    def __repr__(self) -> str:
        inside = repr(self._orig_mod).replace("\n", "\n  ")
        return f"OptimizedModule(\n  (_orig_mod): {inside}\n)"


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable = "inductor",
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
    **_: Any,
) -> Any:
    """The function or module, which runs as it is: nothing is compiled. A module is wrapped so that its state's names are PyTorch's.

    >>> torch.compile(lambda x: x + 1)(torch.ones(1))
    tensor([2.])
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if not callable(model):
        raise TypeError(f"torch.compile: expected a function or a module, got {type(model).__name__}")
    if disable:
        return model
    if isinstance(backend, str) and backend not in _BACKENDS:
        from .compiler import known_backends

        if backend not in known_backends():
            from ._dynamo import exc

            raise exc.InvalidBackend(
                f"Invalid backend: '{backend}', see `torch._dynamo.list_backends()` for available backends. Hint: here every one of "
                "PyTorch's runs the program as it is"
            )
    _tell()
    if isinstance(model, Module):
        return OptimizedModule(model)
    if inspect.isclass(model):
        return model
    if hasattr(model, "_torchdynamo_orig_callable"):
        return model

    @functools.wraps(model)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        return model(*args, **kwargs)

    compiled._torchdynamo_orig_callable = model  # type: ignore[attr-defined]
    return compiled


def _disable_dynamo(fn: Callable | None = None, recursive: bool = True) -> Any:
    """The function as it is: nothing compiles it. Without one, what decorates one."""
    return functools.partial(_disable_dynamo, recursive=recursive) if fn is None else fn
