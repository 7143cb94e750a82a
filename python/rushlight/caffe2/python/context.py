"""caffe2.python.context: classes whose instances are current inside of a `with` block.

>>> from rushlight.caffe2.python import context
>>> class Color(context.Managed):
...     pass
>>> with Color() as outer:
...     Color.current() is outer
True
"""

from __future__ import annotations

import functools
import threading


class _Stacks(threading.local):
    def __init__(self):
        self.of = {}

    def __getitem__(self, cls):
        return self.of.setdefault(cls, [])


_stacks = _Stacks()


class Managed:
    """A class with a current instance in each thread: the one of the innermost block of it or of a class made of it."""

    @classmethod
    def current(cls, value=None, required=True):
        """The value, which has to be one of this class, if there is one; else the current instance."""
        if value is not None:
            assert isinstance(value, cls), f"Wrong context type. Expected: {cls}, got {type(value)}."
            return value
        stack = _stacks[cls]
        if not stack:
            if not required:
                return None
            assert issubclass(cls, DefaultManaged), f"Context {cls} is required but none is active."
            stack.append(cls())
        return stack[-1]

    def _managed_classes(self):
        return [cls for cls in type(self).__mro__ if issubclass(cls, Managed) and cls not in (Managed, DefaultManaged)]

    def __enter__(self):
        for cls in self._managed_classes():
            _stacks[cls].append(self)
        return self

    def __exit__(self, *args):
        for cls in self._managed_classes():
            assert _stacks[cls], f"Context {cls} is empty."
            assert _stacks[cls].pop() is self, f"Context {cls}: blocks end in another order than they began"

    def __call__(self, func):
        """The function, run inside of this context."""

        @functools.wraps(func)
        def inside(*args, **kwargs):
            with self:
                return func(*args, **kwargs)

        return inside


class DefaultManaged(Managed):
    """The same, where asking for the current instance makes one if there is none."""
