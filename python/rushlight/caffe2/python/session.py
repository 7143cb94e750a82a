"""caffe2.python.session: what runs nets, steps, plans, tasks and groups of tasks.

>>> from rushlight.caffe2.python import core
>>> from rushlight.caffe2.python.session import LocalSession
>>> from rushlight.caffe2.python.task import Task, final_output
>>> net = core.Net("sum")
>>> total = net.Add([net.Const(2), net.Const(3)])
>>> task = Task(step=[net], outputs=total)
>>> with LocalSession() as session:
...     session.run(task)
>>> int(task.outputs()[0].fetch())
5
"""

from __future__ import annotations

from rushlight.caffe2.python import _state, core, workspace
from rushlight.caffe2.python.task import Cluster, Task, TaskGroup, WorkspaceType


class CompiledRunnable:
    """What a session has made of something to run."""

    def __init__(self, obj, session_class):
        self.obj, self.session_class = obj, session_class


class Session:
    """Runs things; a class made of it says how: `_compile_task_group` and `_run_compiled`."""

    _compiled_cache: dict = {}

    def __init__(self):
        self._open = True

    def is_open(self):
        return self._open

    @classmethod
    def compile(cls, runnable, workspace_type=None, setup_net_list=None):
        """What run() takes without making it again."""
        if isinstance(runnable, CompiledRunnable):
            assert cls == runnable.session_class, (
                f"Runnable was compiled for different session type. Need: {cls.__name__}, got: "
                f"{runnable.session_class.__name__}"
            )
            return runnable
        if runnable not in cls._compiled_cache:
            group = cls._group_of(runnable, workspace_type)
            cls._compiled_cache[runnable] = CompiledRunnable(cls._compile_task_group(group, setup_net_list), cls)
        return cls._compiled_cache[runnable]

    @staticmethod
    def _group_of(runnable, workspace_type):
        if isinstance(runnable, TaskGroup):
            if workspace_type:
                own = runnable.workspace_type()
                assert not own or own == workspace_type, f"Require {workspace_type} but already have {own}"
                runnable._workspace_type = workspace_type
            return runnable
        group = TaskGroup(workspace_type=workspace_type or WorkspaceType.GLOBAL)
        if isinstance(runnable, core.Plan):
            steps = runnable.Steps()
            assert steps, f"the plan {runnable} has no steps"
            # Steps of a plan run one after the other, tasks of a group don't: they are one task.
            runnable = steps[0] if len(steps) == 1 else core.execution_step(str(runnable), steps)
        elif not isinstance(runnable, (Task, core.ExecutionStep)):
            runnable = core.execution_step("runnable", runnable)
        group.add(runnable if isinstance(runnable, Task) else Task(step=runnable))
        return group

    def run(self, runnable, workspace_type=None, setup_net_list=None):
        """Runs a TaskGroup, Task, Plan, ExecutionStep, Net, or what compile() made.

        workspace_type: of tasks, where they have none. Default: private for groups, global for the others.
        """
        assert self.is_open(), "Session is closed."
        assert runnable is not None, "Got a none runnable."
        self._run_compiled(self.compile(runnable, workspace_type, setup_net_list).obj)

    def close(self):
        if self.is_open():
            self._do_close()
            self._open = False

    def fetch_output(self, output):
        raise NotImplementedError("a session of this kind fetches no outputs")

    def _run_compiled(self, task_group):
        raise NotImplementedError("Session runs nothing itself: use LocalSession")

    @classmethod
    def _compile_task_group(cls, task_group, setup_net_list=None):
        return task_group

    def _do_close(self):
        pass

    def __enter__(self):
        assert self._open, "Session already closed."
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.close()


class LocalSession(Session):
    """Runs all tasks in this process; tasks of all nodes are on one.

    Args:
        ws: a workspace (``workspace.C.Workspace()``). Default: the current one.
    """

    def __init__(self, ws=None):
        super().__init__()
        self._ws = ws or _state.Workspace(_of=workspace._ws())

    @classmethod
    def _compile_task_group(cls, task_group, setup_net_list=None):
        with Cluster():
            task = task_group.to_task()
        plan = core.Plan("task_group_plan")
        plan.AddStep(task.get_step())
        return plan, task.output_list(), task.workspace_type()

    def _run_compiled(self, compiled):
        plan, outputs, workspace_type = compiled
        for name in outputs.names():  # they outlive the tasks' workspaces
            self._ws.create_blob(str(name))
        outputs.set_values([core.BlobReference(str(name)) for name in outputs.names()], _fetch_func=self._fetch_output)
        private = workspace_type == WorkspaceType.PRIVATE
        (_state.Workspace(self._ws) if private else self._ws).run(plan)

    def _fetch_output(self, output):
        return self._ws.blobs[str(output)].fetch()

    def fetch_output(self, output):
        """What a blob of the session's workspace holds."""
        return self._fetch_output(output)
