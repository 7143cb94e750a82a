"""check_finite: where the first NaN or infinity comes from."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import _C


class check_finite:  # noqa: N801
    """Context manager: the first operator that makes a NaN or an infinity raises, and says which module it was called in.

    Works forward and, for what was recorded inside, backward. What an operator was given in its arguments or as a number (a mask of
    ``-inf``) it may give back; NaN from outside (the data) raises where it first spreads. Looks at every result and keeps the stack of
    every recorded call, so it is slow: for debugging only.

    Args:
        models: modules whose paths errors name; others appear by their class.
        infinities: whether infinities are errors too. Default: True.

    Raises: RuntimeError with operator, module, shapes and ranges of the arguments.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softplus())
    >>> with torch.check_finite(net):
    ...     _ = net(torch.ones(1, 2)).log().sum().backward()
    >>> with torch.check_finite():
    ...     torch.zeros(3).log()
    Traceback (most recent call last):
      ...
    RuntimeError: log: the result, torch.float32 [3], holds 3 infinite values...
    """

    _entered: list[check_finite] = []

    def __init__(self, *models: Any, infinities: bool = True) -> None:
        for m in models:
            if not isinstance(m, rushlight.nn.Module):
                raise TypeError(f"check_finite: expected modules, got {type(m).__name__}")
        self._infinities = infinities
        self._models = models
        self._names: dict[int, str] = {}

    def _name(self, module: int) -> str:
        if module not in self._names:  # made since, or of no model named here
            import gc

            found = next((m for m in gc.get_objects() if id(m) == module), None)
            self._names[module] = f"a {type(found).__name__}" if found is not None else "a module"
        return self._names[module]

    def __enter__(self) -> check_finite:
        for m in self._models:
            for path, module in m.named_modules():
                kind = type(module).__name__
                self._names.setdefault(id(module), f"{path} ({kind})" if path else f"the model ({kind})")
        self._prev = (
            _C.is_anomaly_enabled(),
            _C.is_anomaly_check_nan_enabled(),
            any(c._infinities for c in self._entered),
        )
        self._entered.append(self)
        self._running = _C._finite_check_start(self._infinities, self._name)
        _C._set_anomaly(True, True, self._infinities)
        return self

    def __exit__(self, *exc: Any) -> None:
        _C._finite_check_stop(self._running)
        self._entered.remove(self)
        _C._set_anomaly(*self._prev)
