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


def getGradientForOp(op: Any) -> tuple[Any, Any]:
    """The gradient operators of an operator whose outputs all have gradients, and the gradients of its inputs."""
    return core.GradientRegistry.GetGradientForOp(op, [_grad(o) for o in op.output])


class NetGradientChecker:
    """Checks gradients of nets."""

    @staticmethod
    def _run(net: Any, outputs: Any, of: Any, values: Any, inputs: Any) -> tuple[Any, Any, Any]:
        """Values of outputs, gradients of inputs, and the net that has computed them."""
        whole = net.Clone(net.Name() + "_copy")
        gradients = whole.AddGradientOperators(list(of))
        for name, value in (values or {}).items():
            workspace.FeedBlob(str(name), value)
        for name in inputs:
            assert name in gradients, f"{name} has no gradient, cannot check net gradient."
            assert workspace.HasBlob(str(name)), f"the input {name} was not fed"
        workspace.RunNetOnce(whole)
        found = {name: _dense(gradients[name], name) for name in inputs}
        return [(o, workspace.FetchBlob(str(o))) for o in outputs], found, whole

    @staticmethod
    def CompareNets(
        nets: Any, outputs: Any, outputs_with_grad_ids: Any, inputs_with_grads: Any, input_values: Any = None,
        threshold: float = 1e-7, print_net_images: bool = False,
    ) -> None:  # fmt: skip
        """Whether nets have the same outputs, and inputs the same gradients: AssertionError where not.

        Args:
            outputs: a list of each net's. outputs_with_grad_ids: places of those that gradients are of.
            inputs_with_grads: blobs whose gradients are compared. input_values: arrays by blob.
        """
        runs = []
        for net, own in zip(nets, outputs, strict=True):
            of = [own[k] for k in outputs_with_grad_ids]
            runs.append(NetGradientChecker._run(net, own, of, input_values, inputs_with_grads))
            if print_net_images:
                _draw(net, "forward")
                _draw(runs[-1][2], "backward")
        results, gradients, _ = runs[0]
        for others, other_gradients, _ in runs[1:]:
            assert len(others) == len(results), f"the nets have {len(results)} and {len(others)} outputs"
            for k, ((a, x), (b, y)) in enumerate(zip(results, others, strict=True)):
                _assert_close(x, y, threshold, f"Different forward pass results for output id {k}: {a} and {b}")
            for blob, gradient in other_gradients.items():
                _assert_close(gradients[blob], gradient, threshold, f"Different gradients for input {blob}")

    @staticmethod
    def Check(
        net: Any, outputs_with_grad: Any, input_values: Any, input_to_check: Any, step_size: float = 0.0001, threshold: float = 0.05,
        print_net: bool = True,
    ) -> tuple[float, float]:  # fmt: skip
        """Whether the gradient of an input is what differences of the outputs' sum give: the mean and the largest distance of the two.

        AssertionError where that is larger than the threshold.
        """
        _, gradients, whole = NetGradientChecker._run(net, [], outputs_with_grad, input_values, [input_to_check])
        gradient = gradients[input_to_check]

        def loss(value: Any) -> float:
            workspace.FeedBlob(str(input_to_check), value)
            workspace.RunNetOnce(whole)
            return sum(workspace.FetchBlob(str(o)).sum() for o in outputs_with_grad)

        estimated = np.zeros_like(input_values[input_to_check])
        for at in range(estimated.size):
            moved = [input_values[input_to_check].copy() for _ in range(2)]
            moved[0].flat[at] += step_size
            moved[1].flat[at] -= step_size
            estimated.flat[at] = (loss(moved[0]) - loss(moved[1])) / step_size / 2
        about = f": {net.Proto()}" if print_net else ""
        return _assert_close(
            gradient, estimated, threshold, f"Error in gradient check for net_copy {net.Name()}{about}"
        )


def _dense(gradient: Any, like: Any) -> Any:
    """The array of a gradient, with zeros in the rows that a slice lacks."""
    if not isinstance(gradient, core.GradientSlice):
        return workspace.FetchBlob(str(gradient))
    dense = np.zeros_like(workspace.FetchBlob(str(like)))
    np.add.at(dense, workspace.FetchBlob(str(gradient.indices)), workspace.FetchBlob(str(gradient.values)))
    return dense


def _assert_close(a: Any, b: Any, threshold: float, message: str) -> tuple[float, float]:
    np.testing.assert_allclose(a, b, atol=threshold, rtol=threshold, err_msg=message)
    distance = np.abs(a - b).flatten()
    return float(np.mean(distance)), float(np.max(distance))


def _draw(net: Any, what: str) -> None:
    from rushlight.caffe2.python import net_drawer

    with open(f"caffe2_net_{what}_{net.Name()}.png".replace("/", "_"), "wb") as f:
        f.write(net_drawer.GetPydotGraph(net).create_png())
