"""caffe2.python.modifier_context: objects by name that hold inside of a block, as optimizers of some parameters do."""

from __future__ import annotations


class ModifierContext:
    """Blocks that are open, innermost last, and the objects that each names."""

    def __init__(self):
        self._contexts = []

    def _get_modifier(self, name):
        for context in reversed(self._contexts):
            if name in context:
                return context[name]
        return None

    def _has_modifier(self, name):
        return self._get_modifier(name) is not None

    def _push_modifiers(self, modifiers):
        self._contexts.append(modifiers)

    def _pop_modifiers(self):
        assert self._contexts, "no block is open"
        self._contexts.pop()


class UseModifierBase:
    """A block in which objects hold, given by name or, one alone, as DEFAULT."""

    _context_class = ModifierContext

    def __init__(self, modifier_or_dict):
        if isinstance(modifier_or_dict, dict):
            self._modifiers = modifier_or_dict
        else:
            self._modifiers = {"DEFAULT": modifier_or_dict}

    def __enter__(self):
        self._context_class.current()._push_modifiers(self._modifiers)
        return self

    def __exit__(self, *_):
        self._context_class.current()._pop_modifiers()
