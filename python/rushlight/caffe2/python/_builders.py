"""caffe2.python.net_builder: kinds of blocks."""

from __future__ import annotations

from rushlight.caffe2.python import core
from rushlight.caffe2.python._nets_of_blocks import NetBuilder
from rushlight.caffe2.python.control_ops_util import add_if_op, add_while_op
from rushlight.caffe2.python.task import Task, TaskGroup


def _net():
    return NetBuilder.current().current_net()


# ---- blocks that are steps


class _RunOnce(NetBuilder):
    """A block that ends behind its last part, where there is something that could end it."""

    def __init__(self, name=None):
        super().__init__(name)

    def _finish(self):
        if self._stop_blob is not None:
            self.stop_if(_net().Const(True))


class _StopGuard(_RunOnce):
    def __init__(self, has_stopped_blob=None, name=None):
        super().__init__(name)
        self._stopped = has_stopped_blob
        self._ran = False

    def __enter__(self):
        super().__enter__()
        self._stopped = _net().Const(True, blob_out=self._stopped)
        return self

    def _finish(self):
        self._ran = True
        _net().Const(False, blob_out=self._stopped)  # who gets here wasn't stopped
        super()._finish()

    def has_stopped(self):
        """A blob that says whether the block was stopped."""
        assert self._ran, "Context not used yet."
        return self._stopped


class _Loop(NetBuilder):
    def __init__(self, iters=None, name=None):
        super().__init__(name, _stop_blob_required=True)
        self._iter = self._num_iters = None
        if iters is not None:
            around = _net()
            self._one, self._iter = around.Const(1), around.Const(0)
            self._num_iters = iters if isinstance(iters, core.BlobReference) else around.Const(iters)

    def iter(self):
        """The blob that counts the rounds from 0 on."""
        assert self._num_iters is not None, "This loop does not have a number of iterations."
        return self._iter

    def __enter__(self):
        super().__enter__()
        if self._num_iters is not None:
            self.stop_if(_net().GE([self._iter, self._num_iters]))
        return self

    def _finish(self):
        if self._num_iters is not None:
            _net().Add([self._iter, self._one], [self._iter])


class _RunIf(_RunOnce):
    """A block that is stopped at once where its condition is false, or a block before it has run: `_done` says so."""

    def __init__(self, cond_blob=None, name=None, _already_ran=None):
        super().__init__(name)
        assert cond_blob or _already_ran, "expected a condition"
        self._is_else = cond_blob is None
        around = _net()
        if _already_ran is None:
            self._skip, self._done = around.Not(cond_blob), around.Const(False)
        else:
            self._done = _already_ran
            self._skip = _already_ran if self._is_else else around.Or([_already_ran, around.Not(cond_blob)])

    def __enter__(self):
        super().__enter__()
        self.stop_if(self._skip)
        _net().Const(True, blob_out=self._done)
        return self

    def _next(self, cond, name):
        assert not self._is_else, "there is nothing behind an Else"
        return NetBuilder.current().add(_RunIf(cond, name=name or self.name, _already_ran=self._done))

    def Elif(self, cond, name=None):
        """A block that runs where no block before it has, and the blob is true."""
        return self._next(cond, name)

    def Else(self, name=None):
        """A block that runs where no block before it has."""
        return self._next(None, name)


class _Reporter(NetBuilder):
    def __init__(self, interval_ms, net=None, name=None):
        super().__init__(name)
        self._net, self.interval_ms = net, interval_ms

    def _finish(self):
        step = core.to_execution_step(self)
        step.RunEveryMillis(self.interval_ms)
        if self._net:
            self._net.add_attribute(Task.REPORT_STEP, step)
        else:
            TaskGroup.current().report_step(step, interval_ms=self.interval_ms)


class _Setup(NetBuilder):
    """A block that runs before or behind what its net is part of; see task.get_setup_nets."""

    INIT, EXIT = "init", "exit"

    def __init__(self, type, name=None):
        super().__init__(name)
        self.type = type

    def setup(self, net):
        return core.to_execution_step(self) if self.type == self.INIT else None

    def exit(self, net):
        return core.to_execution_step(self) if self.type == self.EXIT else None


# ---- blocks that are operators


class _IfNet(NetBuilder):
    def __init__(self, cond_blob, name=None):
        super().__init__(name=name, _use_control_ops=True)
        assert cond_blob, "Conditional blob is not specified for an If net"
        self._cond_blob = cond_blob
        self._then_net = None

    def _finish(self):
        self._then_net = self._merged() or core.Net("empty_then_net")
        self._add_if("if_net", None)

    def _add_if(self, name, else_net):
        net = core.Net(f"{self.name}/{name}")
        add_if_op(net, self._cond_blob, self._lexical_scope, self._then_net, else_net)
        self._become(net)


class _Else(NetBuilder):
    """The block makes the If in front of it again, with an else."""

    def __init__(self, name=None):
        around = NetBuilder.current(required=False)
        assert around and around._children and isinstance(around._children[-1], _IfNet), "Invalid use of Else builder"
        super().__init__(name=name, _use_control_ops=True)
        self._if = around._children[-1]

    def _finish(self):
        else_net = self._merged()
        if else_net is not None:
            self._if._add_if("if_else_net", else_net)


class _WhileNet(NetBuilder):
    def __init__(self, name=None):
        super().__init__(name=name, _use_control_ops=True)
        self._condition = None

    def _finish(self):
        assert self._condition is not None, "Condition builder must be specified in While op"
        body = self._merged() or core.Net("empty_loop_body_net")
        net = core.Net(f"{self.name}/while_net")
        add_while_op(net, self._condition._cond_blob, self._lexical_scope, body, self._condition._cond_net)
        self._become(net)


class _WhileCondition(NetBuilder):
    def __init__(self, name=None):
        loop = NetBuilder.current(required=False)
        assert isinstance(loop, _WhileNet), "Invalid use of loop condition builder"
        assert loop._condition is None, "Multiple loop condition builders specified"
        assert not loop._children, "Condition definition must be specified before the loop's body"
        super().__init__(name=name, _use_control_ops=True)
        loop._condition = self
        self._cond_blob = self._cond_net = None

    def _finish(self):
        self._cond_net = self._merged()
        assert self._cond_net and len(self._cond_net.Proto().op), "Invalid loop condition specified"
        outputs = self._cond_net.Proto().op[-1].output
        assert len(outputs) == 1, "the last operator of a loop's condition should make one bool"
        self._cond_blob = core.BlobReference(outputs[0])
        self._become(self._cond_net)
