"""Parameters of one scope that are another's."""

from __future__ import annotations

import contextlib

from rushlight.caffe2.python import scope


class ParameterSharingContext:
    """Which scopes stand for which, innermost block last."""

    def __init__(self):
        self._contexts = []

    def _resolve(self, candidate):
        """The scope whose parameters `candidate` has: the longest scope that it begins with and that is another's is replaced, again and again."""
        overrides = {k: v for context in self._contexts for k, v in context.items()}
        while True:
            inside = [k for k in overrides if candidate.startswith(k)]
            if not inside:
                return candidate
            longest = max(inside, key=len)
            candidate = overrides[longest] + candidate[len(longest) :]

    def get_parameter_name(self, name):
        return self._resolve(scope.CurrentNameScope()) + name

    def add_scope_overrides(self, shared_scopes):
        self._contexts.append(shared_scopes)

    def pop(self):
        self._contexts.pop()


parameter_sharing_context = ParameterSharingContext()


@contextlib.contextmanager
def ParameterSharing(shared_scopes):
    """Parameters of one scope are those of another, inside of the block: ParameterSharing({"b": "a"}).

    Scopes are those inside of the current one; a scope can't be its own part's: {"a": "a/b"} is refused.
    """
    assert isinstance(shared_scopes, dict), (
        f"ParameterSharing takes a dict of scopes, got {type(shared_scopes).__name__}"
    )
    current, overrides = scope.CurrentNameScope(), {}
    for name, other in shared_scopes.items():
        assert not other.startswith(name), f"Illegal override for parameter sharing. {name} is prefix of {other}"
        whole = [current + s for s in (name, other)]
        name, other = (s if not s or s.endswith("/") else s + "/" for s in whole)
        overrides[name] = other
    parameter_sharing_context.add_scope_overrides(overrides)
    try:
        yield
    finally:
        parameter_sharing_context.pop()
