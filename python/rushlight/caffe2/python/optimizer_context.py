"""caffe2.python.optimizer_context: optimizers of the parameters that a block makes.

>>> from rushlight.caffe2.python import brew, model_helper, optimizer
>>> from rushlight.caffe2.python.optimizer_context import UseOptimizer
>>> model = model_helper.ModelHelper(name="two_rates")
>>> with UseOptimizer(optimizer.SgdOptimizer(0.1)):
...     y = brew.fc(model, "x", "y", dim_in=3, dim_out=2)
>>> model.get_param_info("y_w").optimizer.base_learning_rate
0.1
"""

from __future__ import annotations

from rushlight.caffe2.python.modifier_context import ModifierContext, UseModifierBase

DEFAULT_OPTIM = "DEFAULT"


class OptimizerContext(ModifierContext):
    _current = None

    @classmethod
    def current(cls):
        if cls._current is None:
            cls._current = cls()
        return cls._current

    def has_optimizer(self, name):
        return self._has_modifier(name)

    def get_optimizer(self, name):
        assert self.has_optimizer(name), f"{name} optimizer is not provided!"
        return self._get_modifier(name)


class UseOptimizer(UseModifierBase):
    """The optimizers of parameters that are made inside of the block: one, or a dict by name (brew's helpers take `DEFAULT_OPTIM`)."""

    _context_class = OptimizerContext
