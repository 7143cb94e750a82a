"""caffe2.python.control_ops_grad: gradients of operators that run nets. The library makes them, with those of all others."""

from __future__ import annotations

from rushlight.caffe2.python._gradients import GradientRegistry


def _gradient(op, g_output, kind):
    assert op.type == kind, f"Expected {kind} op"
    assert len(op.output) == len(g_output), f"Different number of gradient blobs and {kind} op outputs"
    return GradientRegistry.GetGradientForOp(op, [None if g is None else str(g) for g in g_output])


def gen_do_gradient(op, g_output):
    """The gradient operators of a Do, and the gradients of its inputs."""
    return _gradient(op, g_output, "Do")


def gen_if_gradient(op, g_output):
    """The gradient operators of an If, and the gradients of its inputs."""
    return _gradient(op, g_output, "If")


def gen_while_gradient(op, g_output):
    """The gradient operators of a While, whose body is one Do, and the gradients of its inputs."""
    return _gradient(op, g_output, "While")


def getNetArgument(op, net_name):
    """The net that an argument holds; None if there is none."""
    for arg in op.arg:
        if arg.name == net_name:
            assert arg.HasField("n"), f"Expected non empty net argument {net_name}"
            return arg.n
    return None


def disambiguate_grad_if_op_output(grad_op, idx, new_grad_output):
    """Has a gradient If write one of its outputs, in its nets too, under another name."""
    before = grad_op.output[idx]
    for name in ("then_net", "else_net"):
        net = getNetArgument(grad_op, name)
        for op in net.op if net is not None else ():
            op.output[:] = [new_grad_output if o == before else o for o in op.output]
    grad_op.output[idx] = new_grad_output
