"""IterDataPipe and MapDataPipe, and how their methods are registered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..dataset import Dataset, IterableDataset, _T_co

__all__ = [
    "DFIterDataPipe",
    "DataChunk",
    "IterDataPipe",
    "MapDataPipe",
    "argument_validation",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "runtime_validation",
    "runtime_validation_disabled",
]


class DataChunk(list):
    """A batch: a list that remembers what it was made of."""

    def __init__(self, items: Iterable[Any]) -> None:
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        return indent + "[" + ", ".join(str(i) for i in iter(self)) + "]"

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()

    def raw_iterator(self) -> Iterator[Any]:
        yield from self.items


class _Pipe:
    functions: dict[str, Callable]

    def __getattr__(self, name: str) -> Any:
        if name in type(self).functions:
            made = functools.partial(type(self).functions[name], self)
            functools.update_wrapper(made, type(self).functions[name], assigned=("__doc__",))
            return made
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @classmethod
    def register_function(cls, function_name: str, function: Callable) -> None:
        """Adds a method to all pipes of this kind."""
        if function_name in cls.functions:
            raise Exception(f"Unable to add DataPipe function name {function_name} as it is already taken")
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: type, enable_df_api_tracing: bool = False
    ) -> None:
        """Adds a method that makes a pipe of a class."""
        cls.register_function(function_name, lambda source, *args, **kwargs: cls_to_register(source, *args, **kwargs))
        cls.functions[function_name].__doc__ = cls_to_register.__doc__

    def __reduce_ex__(self, *args: Any, **kwargs: Any) -> Any:
        return object.__reduce_ex__(self, *args)

    def __str__(self) -> str:
        return type(self).__qualname__

    __repr__ = __str__


class IterDataPipe(_Pipe, IterableDataset[_T_co]):
    """A pipe that is walked. A new walk ends the one before, as PyTorch has it.

    >>> import rushlight as torch
    >>> from rushlight.utils.data.datapipes.iter import IterableWrapper
    >>> list(IterableWrapper(range(6)).map(lambda x: x * x).filter(lambda x: x % 2 == 0).batch(2))
    [[0, 4], [16]]
    """

    functions: dict[str, Callable] = {}
    _walk = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        walk = cls.__dict__.get("__iter__")
        if walk is not None and inspect.isgeneratorfunction(walk):
            cls.__iter__ = _single_walk(walk)  # type: ignore[method-assign]

    def __getstate__(self) -> Any:
        return {k: v for k, v in self.__dict__.items() if k != "_walk"}

    def reset(self) -> None:
        """Called before each walk."""


def _single_walk(walk: Callable) -> Callable:
    @functools.wraps(walk)
    def started(self: Any) -> Iterator[Any]:
        self._walk += 1
        self.reset()
        return _watched(self, walk(self), self._walk)

    return started


def _watched(pipe: Any, items: Iterator[Any], number: int) -> Iterator[Any]:
    for item in items:
        if pipe._walk != number:
            raise RuntimeError(
                "This iterator has been invalidated because another iterator has been created from the same IterDataPipe: "
                f"{pipe!r}\nThis may be caused multiple references to the same IterDataPipe. We recommend using `.fork()` if that is "
                "necessary."
            )
        yield item


class DFIterDataPipe(IterDataPipe):
    """A pipe of data frames."""

    def _is_dfpipe(self) -> bool:
        return True


class MapDataPipe(_Pipe, Dataset[_T_co]):
    """A pipe with ``pipe[key]``.

    >>> import rushlight as torch
    >>> from rushlight.utils.data.datapipes.map import SequenceWrapper
    >>> pipe = SequenceWrapper(range(10)).map(lambda x: x + 1)
    >>> pipe[4], len(pipe)
    (5, 10)
    """

    functions: dict[str, Callable] = {}


class functional_datapipe:
    """A decorator: makes a pipe's class a method of all pipes."""

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: type) -> type:
        if not isinstance(cls, type) or not issubclass(cls, (IterDataPipe, MapDataPipe)):
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe or MapDataPipe")
        kind = IterDataPipe if issubclass(cls, IterDataPipe) else MapDataPipe
        kind.register_datapipe_as_function(self.name, cls)
        return cls


_determinism = False


class guaranteed_datapipes_determinism:
    """Inside of the ``with``, pipes that are marked non-deterministic can't be made."""

    def __enter__(self) -> None:
        global _determinism
        self._before, _determinism = _determinism, True

    def __exit__(self, *exception: Any) -> None:
        global _determinism
        _determinism = self._before


class non_deterministic:
    """A decorator for pipes whose order is not fixed; with a function, those of whose arguments it is true."""

    def __init__(self, arg: Any) -> None:
        self.cls: Any = None
        self.function: Any = None
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(
                    f"Only `IterDataPipe` can be decorated with `non_deterministic`, but {arg.__name__} is found"
                )
            self.cls = arg
        elif callable(arg):
            self.function = arg
        else:
            raise TypeError(f"{arg} can not be decorated by non_deterministic")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.cls is not None:
            if _determinism:
                raise TypeError(
                    f"{self.cls.__name__} is non-deterministic, but you set 'guaranteed_datapipes_determinism'. "
                    "You can turn off determinism for this DataPipe if that is acceptable for your application"
                )
            return self.cls(*args, **kwargs)
        if not (isinstance(args[0], type) and issubclass(args[0], IterDataPipe)):
            raise TypeError(f"Only `IterDataPipe` can be decorated, but {type(args[0]).__name__} is found")
        self.cls, function = args[0], self.function

        def make(*args: Any, **kwargs: Any) -> Any:
            if function(*args, **kwargs) and _determinism:
                raise TypeError(
                    f"{self.cls.__name__} is non-deterministic with the inputs, but you set 'guaranteed_datapipes_determinism'."
                )
            return self.cls(*args, **kwargs)

        return make


_validates = True


class runtime_validation_disabled:
    """Inside of the ``with``, `runtime_validation` checks nothing."""

    def __enter__(self) -> None:
        global _validates
        self._before, _validates = _validates, False

    def __exit__(self, *exception: Any) -> None:
        global _validates
        _validates = self._before


def argument_validation(f: Callable) -> Callable:
    """A decorator: arguments annotated as pipes must be pipes."""
    signature = inspect.signature(f)
    hints = {n: p.annotation for n, p in signature.parameters.items() if isinstance(p.annotation, type)}

    @functools.wraps(f)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            kind = hints.get(name)
            if kind is not None and issubclass(kind, _Pipe) and not isinstance(value, kind):
                raise TypeError(f"Expected argument '{name}' as a {kind.__name__}, but found {type(value)}")
        return f(*args, **kwargs)

    return checked


def runtime_validation(f: Callable) -> Callable:
    """A decorator for ``__iter__``: what it gives must be of the type that its annotation ``Iterator[type]`` says."""
    wanted = getattr(inspect.signature(f).return_annotation, "__args__", (None,))[0]

    @functools.wraps(f)
    def checked(self: Any) -> Any:
        for item in f(self):
            if _validates and isinstance(wanted, type) and not isinstance(item, wanted):
                raise RuntimeError(f"Expected an instance as subtype of {wanted}, but found {item}({type(item)})")
            yield item

    return checked
