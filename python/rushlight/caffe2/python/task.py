"""caffe2.python.task: steps that run at the same time, with what they set up and what they give.

>>> from rushlight.caffe2.python.net_builder import ops
>>> from rushlight.caffe2.python.session import LocalSession
>>> from rushlight.caffe2.python.task import Task, TaskGroup, final_output
>>> with TaskGroup() as group:
...     with Task(num_instances=3):
...         with ops.task_init():
...             count = ops.CreateCounter([], ["count"])
...         with ops.loop(4):
...             _ = ops.CountUp(count)
...         with ops.task_exit():
...             total = final_output(ops.RetrieveCount(count))
>>> with LocalSession() as session:
...     session.run(group)
>>> int(total.fetch())
12
"""

from __future__ import annotations

from collections import defaultdict

from rushlight.caffe2.python import context, core
from rushlight.caffe2.python.schema import Field, from_blob_list


class Cluster(context.DefaultManaged):
    """The nodes that are named inside of a block."""

    def __init__(self):
        self._node_kwargs = {}

    def add_node(self, node):
        kwargs = self._node_kwargs.setdefault(str(node), {})
        for key, value in node.kwargs().items():
            kwargs.setdefault(key, value)

    def nodes(self):
        return list(self._node_kwargs)

    def node_kwargs(self):
        return self._node_kwargs

    def __repr__(self):
        return f"Cluster(nodes={self.nodes()}, node_kwargs={self.node_kwargs()})"


class Node(context.DefaultManaged):
    """Where the tasks of a block run; tasks of the same node see each other's blobs."""

    def __init__(self, node="local", **kwargs):
        self._name, self._kwargs = str(node), kwargs
        Cluster.current().add_node(self)

    def __str__(self):
        return self._name

    def __repr__(self):
        return f"Node(name={self._name}, kwargs={self._kwargs})"

    def kwargs(self):
        return self._kwargs


class WorkspaceType:
    """Whether tasks run in the session's workspace, or in one of their own that sees it and ends with the run."""

    PRIVATE = "private"
    GLOBAL = "global"


# ---- what runs before and behind a step


def _parts_of(made):
    if made is None:
        return []
    if isinstance(made, (list, tuple)):
        return list(made)
    if isinstance(made, (core.Net, core.ExecutionStep)):
        return [made]
    raise TypeError(f"Unsupported type for setup: {type(made)}")


def get_setup_nets(key, steps_or_nets, target):
    """What the objects that nets keep under a key want to run before and behind the target: two lists of nets and steps.

    An object's setup(net) and exit(net) may add operators to the net, and may give nets or steps. Each object is asked once.
    """
    objects = []
    for part in steps_or_nets:
        ask = getattr(part, "get_all_attributes", None) or getattr(part, "get_attributes", None)
        objects += ask(key) if ask is not None else []
    ways = {"setup": core.Net(key + "/init"), "exit": core.Net(key + "/exit")}
    parts = {"setup": [], "exit": []}
    for obj in objects:
        if getattr(obj, "_setup_used", False) or getattr(obj, "_setup_target", target) != target:
            continue
        for way, net in ways.items():
            if hasattr(obj, way):
                parts[way] += _parts_of(getattr(obj, way)(net))
                obj._setup_used = True
    for way, net in ways.items():
        if len(net.Proto().op):
            parts[way].insert(0, net)
    return parts["setup"], parts["exit"]


def add_setup_steps(step, init_nets, exit_nets, name):
    """The step with what runs before and behind it."""
    if not init_nets and not exit_nets:
        return step
    steps = [step]
    if init_nets:
        steps.insert(0, core.execution_step(f"{name}:init", init_nets))
    if exit_nets:
        steps.append(core.execution_step(f"{name}:exit", exit_nets))
    return core.execution_step(name, steps)


class SetupNets:
    """Nets to run before and behind a task or group: ``net.add_attribute(Task.TASK_SETUP, SetupNets([init_net]))``."""

    def __init__(self, init_nets=None, exit_nets=None):
        self.init_nets, self.exit_nets = init_nets, exit_nets

    def setup(self, init_net):
        return self.init_nets

    def exit(self, exit_net):
        return self.exit_nets

    def __repr__(self):
        return f"SetupNets(init_nets={self.init_nets}, exit_nets={self.exit_nets})"


# ---- what a task gives


class TaskOutput:
    """A blob, a list of blobs or a record that a task gives."""

    def __init__(self, names):
        self._schema = names if isinstance(names, Field) else None
        if self._schema is not None:
            names = names.field_blobs()
        self._is_scalar = not isinstance(names, (tuple, list))
        self.names = [names] if self._is_scalar else names
        self._values = self._fetch_func = None

    def set(self, values, _fetch_func=None):
        assert len(values) == len(self.names), f"expected {len(self.names)} values, got {len(values)}"
        self._values, self._fetch_func = values, _fetch_func

    def _shaped(self, values):
        if self._is_scalar:
            return values[0]
        return from_blob_list(self._schema, values) if self._schema is not None else values

    def get(self):
        """References to the blobs, once a session has run the task."""
        assert self._values is not None, "Output value not set yet."
        return self._shaped(self._values)

    def fetch(self):
        """What they hold."""
        assert self._fetch_func is not None, "Cannot fetch value for this output."
        return self._shaped([self._fetch_func(v) for v in self._values])

    def __repr__(self):
        return f"TaskOutput(names={self.names}, values={self._values})"


class TaskOutputList:
    """The outputs of a task."""

    def __init__(self, outputs=None):
        self.outputs = outputs or []

    def names(self):
        return [name for output in self.outputs for name in output.names]

    def set_values(self, values, _fetch_func=None):
        assert len(values) == len(self.names()), "Wrong number of output values."
        rest = list(values)
        for output in self.outputs:
            output.set(rest[: len(output.names)], _fetch_func)
            del rest[: len(output.names)]

    def __repr__(self):
        return f"TaskOutputList(outputs={self.outputs})"


def final_output(blob_or_record):
    """Has the current task (or a new one, if there is none) give a blob or record."""
    task = Task.current(required=False) or Task()
    return task.add_output(blob_or_record)


# ---- tasks


class Task(context.Managed):
    """A step that runs beside other tasks of its group. As a `with` block, it is what `ops` adds inside.

    Args:
        step: a step, nets, or a NetBuilder. outputs: what it gives.
        workspace_type: see WorkspaceType. group, node: the current ones are the default.
        num_instances: how many run at the same time, each in a workspace of its own.
    """

    TASK_SETUP = "task_setup"
    TASK_INSTANCE_SETUP = "task_instance_setup"
    REPORT_STEP = "report_step"
    _global_names_used: set = set()

    @staticmethod
    def _get_next_name(node, group, name):
        base = f"{node}/{name}"
        used = Task._global_names_used if group is None else {t.name for t in group._tasks_to_add}
        name, k = base, 0
        while name in used:
            k += 1
            name = f"{base}:{k}"
        return name

    def __init__(
        self, step=None, outputs=None, workspace_type=None, group=None, node=None, name=None, num_instances=None
    ):
        if not name and isinstance(step, core.ExecutionStep):
            name = step.Proto().name
        self.node = str(Node.current(None if node is None else Node(node)))
        self.group = TaskGroup.current(group, required=False)
        self.name = Task._get_next_name(self.node, self.group, name or "task")
        if self.group is not None:
            self.group._tasks_to_add.append(self)
        self._already_used = False
        self._step = self._step_with_setup = None
        self._outputs = []
        if step is not None:
            self.set_step(step)
        if outputs is not None:
            self.add_outputs(outputs)
        self._pipeline = None
        self._is_pipeline_context = False
        self._workspace_type = workspace_type
        self._report_net = None
        self._num_instances = num_instances

    def __enter__(self):
        from rushlight.caffe2.python import net_builder

        super().__enter__()
        if self.group is not None:
            self.group._tasks_to_add.remove(self)  # its place is where the block ends
        self._assert_not_used()
        assert self._step is None, "This Task already has an execution step."
        self._net_builder = net_builder.NetBuilder(_fullname=self.name)
        self._net_builder.__enter__()
        return self

    def __exit__(self, kind, value, traceback):
        super().__exit__(kind, value, traceback)
        self._net_builder.__exit__(kind, value, traceback)
        if kind is None:
            self.set_step(self._net_builder)
        if self.group is not None:
            self.group._tasks_to_add.append(self)
        self._net_builder = None

    def workspace_type(self):
        return self._workspace_type

    def _assert_not_used(self):
        assert not self._already_used, "Cannot modify task since it is already been used."

    def add_output(self, output):
        self._assert_not_used()
        output = output if isinstance(output, TaskOutput) else TaskOutput(output)
        self._outputs.append(output)
        return output

    def add_outputs(self, outputs):
        self._assert_not_used()
        if isinstance(outputs, (list, tuple)):
            return [self.add_output(output) for output in outputs]
        return self.add_output(outputs)

    def set_step(self, step):
        self._assert_not_used()
        self._step = core.to_execution_step(step)

    def get_step(self):
        """The step with all that runs before, beside and behind it."""
        if self._step_with_setup is None:
            self._step_with_setup = core.execution_step(self.name, []) if self._step is None else self._made_step()
        return self._step_with_setup

    def _made_step(self):
        reports = [
            s for s in self._step.get_all_attributes(Task.REPORT_STEP) if not getattr(s, "_report_step_used", False)
        ]
        for step in reports:
            step._report_step_used = True
            if not step.Proto().run_every_ms:
                step.RunEveryMillis(1000)
        parts = [self._step, *reports]
        before, behind = get_setup_nets(Task.TASK_SETUP, parts, self)
        each_before, each_behind = get_setup_nets(Task.TASK_INSTANCE_SETUP, parts, self)
        if not self._outputs:  # the end of a task shows in its output
            net = core.Net(f"{self.name}:output")
            self.add_output(net.ConstantFill([], 1, dtype=core.DataType.INT32, value=0))
            behind.append(net)
        body = core.execution_step(f"{self.name}:body", [*reports, self._step]) if reports else self._step
        step = add_setup_steps(body, each_before, each_behind, f"{self.name}:instance")
        if self._num_instances and self._num_instances > 1:
            step.SetCreateWorkspace(True)
            step = core.execution_step(f"{self.name}:parallel", [step], num_concurrent_instances=self._num_instances)
        return add_setup_steps(step, before, behind, self.name)

    def output_list(self):
        return TaskOutputList(self._outputs)

    def outputs(self):
        return self._outputs

    def _notify_used(self):
        self.get_step()
        self._already_used = True

    def __repr__(self):
        return f"Task(name={self.name}, node={self.node}, outputs={self.outputs()})"


class TaskGroup(context.Managed):
    """Tasks that begin together: those that are made inside of its block. It ends with the last of them."""

    LOCAL_SETUP = "local_setup"

    def __init__(self, workspace_type=None):
        self._tasks, self._tasks_to_add = [], []
        self._already_used = False
        self._report_nets, self._report_steps = {}, []
        self._workspace_type = workspace_type
        self._tasks_by_node = None
        self._remote_nets = []

    def add_remote_net(self, net):
        self._remote_nets.append(net)

    def remote_nets(self):
        return self._remote_nets

    def add(self, task):
        assert not self._already_used, "Cannot add Task to an already used TaskGroup."
        mine, its = self._workspace_type, task._workspace_type
        assert mine is None or its is None or mine == its, f"a task of the workspace type {its} in a group of {mine}"
        if its is None:
            task._workspace_type = mine or WorkspaceType.PRIVATE
        if mine is None:
            self._workspace_type = task._workspace_type
        task._notify_used()
        self._tasks.append(task)

    def tasks(self):
        """The tasks; none can be added from now on."""
        for task in self._tasks_to_add:
            self.add(task)
        self._tasks_to_add = []
        self._already_used = True
        return self._tasks

    def num_registered_tasks(self):
        return len(self._tasks_to_add) + len(self._tasks)

    def used_nodes(self):
        return list(dict.fromkeys(task.node for task in self._tasks + self._tasks_to_add))

    def report_step(self, step=None, node=None, interval_ms=1000):
        """A step that runs every so many milliseconds on a node while its tasks do, and once more behind them."""
        step = core.to_execution_step(step)
        step.RunEveryMillis(interval_ms)
        self._report_steps.append((str(node or Node.current(node)), step))

    def report_net(self, net=None, node=None, report_interval=5):
        """A net that runs every so many seconds on a node while its tasks do; made where none is given."""
        node = str(node or Node.current(node))
        assert net is None or node not in self._report_nets, f"{node} has a report net"
        if node not in self._report_nets:
            self._report_nets[node] = (net or core.Net(f"{node}/reporter"), report_interval)
        return self._report_nets[node][0]

    def tasks_by_node(self, node_remap=None):
        """A group with one task for each node, which runs those of this group; node_remap(node) gives nodes other names."""
        nodes = {t.node: node_remap(t.node) if node_remap else t.node for t in self.tasks()}
        if self._tasks_by_node is not None:
            grouped, before = self._tasks_by_node
            assert before == nodes, "Cannot call tasks_by_node multiple times."
            return grouped
        for node, (net, interval) in self._report_nets.items():
            self.report_step(net, node=node, interval_ms=interval * 1000)
        self._report_nets = {}
        tasks, reports = defaultdict(list), defaultdict(list)
        for task in self.tasks():
            tasks[nodes[task.node]].append(task)
        for node, step in self._report_steps:
            reports[nodes[node]].append(step)
        grouped = TaskGroup()
        for node, members in tasks.items():
            _group_of_node(node, members, reports[node], self, grouped)
        self._tasks_by_node = (grouped, nodes)
        return grouped

    def to_task(self, node=None):
        """One task that runs all of them on one node."""
        node = str(Node.current(node))
        tasks = self.tasks_by_node(lambda _: node).tasks()
        return tasks[0] if tasks else Task()

    def workspace_type(self):
        return self._workspace_type

    def __repr__(self):
        return (
            f"TaskGroup(tasks={self._tasks + self._tasks_to_add}, workspace_type={self.workspace_type()}, "
            f"remote_nets={self.remote_nets()})"
        )


def _group_of_node(node, tasks, reports, target, grouped):
    """Adds to a group the task that runs those of a node at the same time."""
    before, behind = get_setup_nets(TaskGroup.LOCAL_SETUP, [*(t.get_step() for t in tasks), *reports], target)
    steps = list(reports)
    for task in tasks:
        step = task.get_step()
        step.SetCreateWorkspace(task.workspace_type() == WorkspaceType.PRIVATE)
        steps.append(step)
    step = steps[0] if len(steps) == 1 else core.execution_step(f"{node}:body", steps, concurrent_substeps=True)
    shared = any(t.workspace_type() == WorkspaceType.GLOBAL for t in tasks)
    Task(
        node=node,
        step=add_setup_steps(step, before, behind, node),
        outputs=[o for t in tasks for o in t.outputs()],
        name="grouped_by_node",
        group=grouped,
        workspace_type=WorkspaceType.GLOBAL if shared else WorkspaceType.PRIVATE,
    )
