"""caffe2.python.gradient_checker: gradients of operators against differences of their values.

>>> import numpy as np
>>> from rushlight.caffe2.python import core
>>> from rushlight.caffe2.python.gradient_checker import GradientChecker
>>> checker = GradientChecker(stepsize=0.01, threshold=0.01)
>>> x = np.array([[0.5, -1.0]], dtype=np.float32)
>>> ok, grad, estimated = checker.CheckSimple(core.CreateOperator("Tanh", ["x"], ["y"]), [x], 0, [0])
>>> ok
True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.caffe2.python import core, workspace


class GradientChecker:
    """Checks gradients of operators.

    Args:
        stepsize: of the differences; threshold: how far the two may be from each other, relative to 1 or the larger of them.
        device_option: of the operators. workspace_name: the workspace that they run in.
    """

    def __init__(
        self, stepsize: float, threshold: float, device_option: Any = None, workspace_name: str = "gradient_check", input_device_options: Any = None
    ) -> None:  # fmt: skip
        self._stepsize, self._threshold = stepsize, threshold
        self._device_option, self._workspace_name = device_option, workspace_name

    def GetLossAndGrad(self, op: Any, grad_ops: Any, inputs: Any, input_names: Any, input_to_check: int, grad_name: Any, outputs_with_grads: Any) -> tuple[float, Any]:  # fmt: skip
        """Half the sum of the squares of the outputs, and its gradient for one input."""
        for name, value in zip(input_names, inputs, strict=True):
            workspace.FeedBlob(name, value)
        workspace.RunOperatorOnce(op)
        loss = 0.0
        for k in outputs_with_grads:
            y = workspace.FetchBlob(op.output[k])
            loss += float(np.square(y.astype(np.float64)).sum() / 2)
            workspace.FeedBlob(_grad(op.output[k]), y)
        workspace.RunOperatorsOnce(grad_ops)
        if isinstance(grad_name, core.GradientSlice):
            dense = np.zeros_like(inputs[input_to_check])
            np.add.at(dense, workspace.FetchBlob(str(grad_name.indices)), workspace.FetchBlob(str(grad_name.values)))
            return loss, dense
        return loss, workspace.FetchBlob(str(grad_name))

    def CheckSimple(
        self, op: Any, inputs: Any, input_to_check: int, outputs_with_grads: Any, grad_ops: Any = None, input_device_options: Any = None,
        ensure_outputs_are_inferred: bool = False,
    ) -> tuple[bool, Any, Any]:  # fmt: skip
        """Whether the gradient of an input is right, the gradient, and the one that differences give.

        Args:
            op: an OperatorDef. inputs: its inputs. input_to_check: the place of one.
            outputs_with_grads: places of the outputs that the loss is of. grad_ops: None asks the registry.
        """
        if self._device_option is not None:
            op.device_option.CopyFrom(self._device_option)
        if grad_ops is None:
            g_output = [_grad(o) if k in outputs_with_grads else None for k, o in enumerate(op.output)]
            grad_ops, g_input = core.GradientRegistry.GetGradientForOp(op, g_output)
            grad_name = g_input[input_to_check]
        else:
            grad_name = _grad(op.input[input_to_check])
        before = workspace.CurrentWorkspace()
        workspace.SwitchWorkspace(self._workspace_name, True)
        try:
            names = list(op.input)
            ask = (op, grad_ops, inputs, names, input_to_check, grad_name, outputs_with_grads)
            _, grad = self.GetLossAndGrad(*ask)
            if grad.shape != inputs[input_to_check].shape:
                raise Exception("Mismatched gradient shape")
            estimated = np.zeros_like(inputs[input_to_check])
            changed = [np.array(x, copy=True) for x in inputs]
            ask = (op, grad_ops, changed, names, input_to_check, grad_name, outputs_with_grads)
            for at in np.ndindex(estimated.shape):
                value = changed[input_to_check][at]
                losses = []
                for step in (self._stepsize, -self._stepsize):
                    changed[input_to_check][at] = value + step
                    losses.append(self.GetLossAndGrad(*ask)[0])
                changed[input_to_check][at] = value
                estimated[at] = (losses[0] - losses[1]) / (2 * self._stepsize)
        finally:
            workspace.ResetWorkspace()
            workspace.SwitchWorkspace(before)
        scale = np.maximum(np.maximum(np.abs(grad), np.abs(estimated)), 1)
        ok = bool((np.abs(grad - estimated) <= scale * self._threshold).all())
        return ok, grad, estimated


def _grad(name: str) -> str:
    return name + "_grad"
