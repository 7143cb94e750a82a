"""caffe2.python.net_builder: steps and nets of `with` blocks: conditions, loops, set-up of tasks.

Loops and conditions are execution steps, or, with WhileNet and IfNet, operators of one net.

>>> from rushlight.caffe2.python import core, workspace
>>> from rushlight.caffe2.python.net_builder import NetBuilder, ops
>>> with NetBuilder() as builder:
...     total = ops.Const(0)
...     with ops.loop(5) as loop:
...         _ = ops.Add([total, loop.iter()], [total])
...     with ops.If(ops.GT([total, ops.Const(7)])):
...         _ = ops.Const(100, blob_out=total)
>>> workspace.RunPlan(core.to_execution_step(builder))
True
>>> int(workspace.FetchBlob(total))
100
"""

from __future__ import annotations

from rushlight.caffe2.python import context, core
from rushlight.caffe2.python._builders import (
    _Else,
    _IfNet,
    _Loop,
    _Reporter,
    _RunIf,
    _Setup,
    _StopGuard,
    _WhileCondition,
    _WhileNet,
)
from rushlight.caffe2.python._nets_of_blocks import NetBuilder
from rushlight.caffe2.python.control_ops_util import add_if_op, add_while_op
from rushlight.caffe2.python.task import Task, TaskGroup

__all__ = ["NetBuilder", "Operations", "Task", "TaskGroup", "add_if_op", "add_while_op", "context", "core", "ops"]


class Operations:
    """Operators of the net that the innermost block is at, and the blocks."""

    def net(self, net=None, name=None):
        """The net that is being built; a new one of that name; or a net (or step) that is added to the block."""
        assert name is None or net is None, "Cannot provide both `net` and `name`."
        builder = NetBuilder.current()
        if net is not None:
            builder.add(net)
            return net
        return builder.current_net(name=name)

    def __getattr__(self, op_type):
        if op_type.startswith("__"):
            raise AttributeError(op_type)
        if NetBuilder.current(required=False) is None:
            raise AttributeError("No active NetBuilder.")
        return getattr(self.net(), op_type)

    # ---- blocks that are steps

    def stop(self):
        """Ends the step that the block is."""
        return self.stop_if(self.Const(True))

    def stop_if(self, blob):
        """Ends the step that the block is where the blob is true."""
        return NetBuilder.current().stop_if(blob)

    def loop(self, iters=None, name=None):
        """A block that runs `iters` times (a number or a blob), which its iter() counts from 0 on, or until it is stopped."""
        return NetBuilder.current().add(_Loop(iters, name=name))

    def stop_guard(self, has_stopped_blob=None, name=None):
        """A block that runs once, and whose has_stopped() says whether it was stopped."""
        return NetBuilder.current().add(_StopGuard(has_stopped_blob=has_stopped_blob, name=name))

    def If(self, cond, name=None):
        """A block that runs where the blob is true. Its Elif(cond) and Else() are the blocks that belong to it."""
        return NetBuilder.current().add(_RunIf(cond, name=name))

    def task_group(self):
        """A group of tasks, which runs as a step."""
        from rushlight.caffe2.python import task

        builder = NetBuilder.current()
        with task.Cluster(), task.Node("local"):
            return builder.add(task.TaskGroup())

    # ---- blocks that are operators

    def IfNet(self, cond, name=None):
        """A block that is an If operator. Its else is a block of Else() right behind it."""
        return NetBuilder.current().add(_IfNet(cond, name=name))

    def Else(self, name=None):
        return _Else(name=name)

    def WhileNet(self, name=None):
        """A block that is a While operator; it begins with a block of Condition(), whose last operator makes one bool."""
        return NetBuilder.current().add(_WhileNet(name=name))

    def Condition(self, name=None):
        assert isinstance(NetBuilder.current(), _WhileNet), "Use of Condition outside of WhileNet"
        return _WhileCondition(name=name)

    # ---- blocks that run before or behind others

    def _setup(self, key, kind, name=None):
        block = _Setup(kind, name)
        self.net().add_attribute(key, block)
        return block

    def task_init(self):
        """A block that runs once before the task, however many instances it has."""
        return self._setup(Task.TASK_SETUP, _Setup.INIT)

    def task_exit(self):
        """A block that runs once behind all instances of the task."""
        return self._setup(Task.TASK_SETUP, _Setup.EXIT)

    def task_instance_init(self):
        """A block that runs before each instance of the task, in its workspace."""
        return self._setup(Task.TASK_INSTANCE_SETUP, _Setup.INIT)

    def task_instance_exit(self):
        """A block that runs behind each instance of the task, in its workspace."""
        return self._setup(Task.TASK_INSTANCE_SETUP, _Setup.EXIT)

    def local_init(self):
        """A block that runs once before all tasks of the group."""
        return self._setup(TaskGroup.LOCAL_SETUP, _Setup.INIT)

    def local_exit(self, name=None):
        """A block that runs once behind all tasks of the group."""
        return self._setup(TaskGroup.LOCAL_SETUP, _Setup.EXIT, name)

    def task_reporter(self, interval_ms=1000, name=None):
        """A block that runs every so many milliseconds while the task does, and once more behind it."""
        return _Reporter(interval_ms, net=self.net(), name=name)

    def local_reporter(self, interval_ms=1000, name=None):
        """The same for all tasks of the group."""
        return _Reporter(interval_ms, name=name)


ops = Operations()
