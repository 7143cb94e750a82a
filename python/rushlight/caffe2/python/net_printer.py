"""caffe2.python.net_printer: nets, steps, tasks and jobs as text, and a check of the blobs that they read.

>>> from rushlight.caffe2.python import core, net_printer
>>> net = core.Net("shown")
>>> _ = net.Scale("x", "y", scale=2.0)
>>> print(net_printer.to_string(net))
shown = core.Net('shown')
shown.Scale(['x'], ['y'], scale=2.0)
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import contextmanager

from rushlight.caffe2.proto.caffe2_pb2 import NetDef, OperatorDef
from rushlight.caffe2.python.checkpoint import Job
from rushlight.caffe2.python.core import ExecutionStep, Net, Plan
from rushlight.caffe2.python.task import Task, TaskGroup, WorkspaceType


class Visitor:
    """Calls the function that a class registers for the type of an object."""

    @classmethod
    def register(cls, kind):
        visitors = cls.__dict__.get("visitors")
        if visitors is None:
            visitors = cls.visitors = {}
        assert kind not in visitors, f"{kind} already registered!"

        def add(function):
            visitors[kind] = function
            return function

        return add

    def __call__(self, obj, *args, **kwargs):
        if obj is None:
            return None
        if type(obj) not in self.visitors:
            raise TypeError(f"{type(self).__name__}: unsupported object type: {type(obj)}")
        return self.visitors[type(obj)](self, obj, *args, **kwargs)


# ---- which blobs there are


class Analyzer(Visitor):
    """Goes through what would run, with the blobs that are there by then."""

    PREFIXES_TO_IGNORE = frozenset({"distributed_ctx_init"})

    def __init__(self):
        self.workspaces = defaultdict(lambda: defaultdict(int))
        self.workspace_ctx = []

    @property
    def workspace(self):
        return self.workspace_ctx[-1]

    @contextmanager
    def set_workspace(self, node=None, ws=None, do_copy=False):
        if ws is None:
            ws = self.workspace if node is None else self.workspaces[str(node)]
        self.workspace_ctx.append(ws.copy() if do_copy else ws)
        try:
            yield self.workspace
        finally:
            self.workspace_ctx.pop()

    def define_blob(self, blob):
        self.workspace[blob] += 1

    def need_blob(self, blob):
        ignored = any(blob.startswith(p) for p in self.PREFIXES_TO_IGNORE)
        assert ignored or blob in self.workspace, f"Blob undefined: {blob}"


@Analyzer.register(OperatorDef)
def analyze_op(analyzer, op):
    for blob in op.input:
        analyzer.need_blob(blob)
    for blob in op.output:
        analyzer.define_blob(blob)


@Analyzer.register(Net)
def analyze_net(analyzer, net):
    for op in net.Proto().op:
        analyzer(op)


def _parts(step):
    return step.Substeps() + [step.get_net(n) for n in step.Proto().network]


@Analyzer.register(ExecutionStep)
def analyze_step(analyzer, step):
    proto = step.Proto()
    concurrent = {}  # what the parts that run at the same time have made
    with analyzer.set_workspace(do_copy=proto.create_workspace):
        if proto.report_net:
            with analyzer.set_workspace(do_copy=True):
                analyzer(step.get_net(proto.report_net))
        for part in _parts(step):
            with analyzer.set_workspace(do_copy=proto.concurrent_substeps) as ws:
                analyzer(part)
                if proto.should_stop_blob:
                    analyzer.need_blob(proto.should_stop_blob)
            if proto.concurrent_substeps:
                new = set(ws) - set(analyzer.workspace)
                twice = new & set(concurrent)
                assert not twice, f"Error: Blobs created by multiple parallel steps: {', '.join(sorted(twice))}"
                concurrent.update(dict.fromkeys(new))
    for blob in concurrent:
        analyzer.define_blob(blob)


@Analyzer.register(Task)
def analyze_task(analyzer, task):
    step = task.get_step()
    plan = Plan(task.node)
    plan.AddStep(step)
    size = plan.Proto().ByteSize()
    assert size < 2**26, (
        f"Due to a protobuf limitation, serialized tasks must be smaller than 64Mb, but this task has {size} bytes."
    )
    with analyzer.set_workspace(do_copy=task.workspace_type() != WorkspaceType.GLOBAL):
        analyzer(step)


@Analyzer.register(TaskGroup)
def analyze_task_group(analyzer, group):
    for task in group.tasks_by_node().tasks():
        with analyzer.set_workspace(node=task.node):
            analyzer(task)


@Analyzer.register(Job)
def analyze_job(analyzer, job):
    analyzer(job.init_group)
    analyzer(job.epoch_group)


def analyze(obj):
    """Raises AssertionError where a blob would be read before it is made, or is made by two steps at the same time."""
    Analyzer()(obj)


# ---- text


class Text:
    """Lines, with those of blocks indented."""

    def __init__(self):
        self.lines = []
        self._blocks = [0]  # lines in each of the blocks that are open

    @contextmanager
    def context(self, text):
        if text is None:
            yield
            return
        self.add(f"with {text}:")
        self._blocks.append(0)
        yield
        if self._blocks[-1] == 0:
            self.add("pass")
        self._blocks.pop()

    def add(self, text):
        self._blocks[-1] += 1
        self.lines.append("    " * (len(self._blocks) - 1) + text)

    def __str__(self):
        return "\n".join(self.lines)


class Printer(Visitor, Text):
    """Writes what it is called with as text.

    Args:
        factor_prefixes: whether what names have in common is written once. c2_syntax: whether operators are calls of their net.
    """

    def __init__(self, factor_prefixes=False, c2_syntax=True):
        Text.__init__(self)
        self.factor_prefixes, self.c2_syntax = factor_prefixes, c2_syntax
        self.c2_net_name = None


def _shown_text(value):
    text = value.decode("ascii", errors="ignore") if isinstance(value, bytes) else str(value)
    return f"'{text}'" if len(text) < 64 else f"'{text[:64]}'...<+len={len(text) - 64}>"


def _shown_argument(arg):
    for field in ("f", "i"):
        if arg.HasField(field):
            return str(getattr(arg, field))
    if arg.HasField("s"):
        return _shown_text(arg.s)
    return str(list(arg.floats) or list(arg.ints) or [_shown_text(s) for s in arg.strings])


def commonprefix(m):
    """What all strings begin with."""
    return os.path.commonprefix(list(m))


def format_value(val):
    return "[" + ", ".join(f"'{v}'" for v in val) + "]" if isinstance(val, list) else str(val)


def factor_prefix(vals, do_it):
    """Values with commas; where asked, what they begin with once before them all."""
    vals = [format_value(v) for v in vals]
    prefix = commonprefix(vals) if do_it and len(vals) > 1 else ""
    text = ", ".join(v[len(prefix) :] for v in vals)
    return f"{prefix}[{text}]" if prefix else text


def call(op, inputs=None, outputs=None, factor_prefixes=False):
    """A call as text; pairs among the inputs are arguments by name."""
    inputs = inputs or ()
    positional = factor_prefix([a for a in inputs if not isinstance(a, tuple)], factor_prefixes)
    named = [f"{a[0]}={a[1]}" for a in inputs if isinstance(a, tuple)]
    text = f"{op}({', '.join(part for part in [positional, *named] if part)})"
    return f"{factor_prefix(outputs, factor_prefixes)} = {text}" if outputs else text


def format_device_option(dev_opt):
    if not dev_opt or not (dev_opt.device_type or dev_opt.device_id or dev_opt.node_name):
        return None
    return call("DeviceOption", [dev_opt.device_type, dev_opt.device_id, f"'{dev_opt.node_name}'"])


@Printer.register(OperatorDef)
def print_op(text, op):
    args = [(a.name, _shown_argument(a)) for a in op.arg]
    device = format_device_option(op.device_option)
    if device:
        args.append(("device_option", device))
    if text.c2_net_name:
        text.add(call(f"{text.c2_net_name}.{op.type}", [list(op.input), list(op.output), *args]))
    else:
        text.add(call(op.type, [*op.input, *args], op.output, factor_prefixes=text.factor_prefixes))
    for arg in op.arg:
        if arg.HasField("n"):
            with text.context(f"arg: {arg.name}"):
                text(arg.n)


@Printer.register(NetDef)
def print_net_def(text, net_def):
    before = text.c2_net_name
    if text.c2_syntax:
        text.add(call("core.Net", [f"'{net_def.name}'"], [net_def.name]))
        text.c2_net_name = net_def.name
    else:
        text.add(f"# net: {net_def.name}")
    for op in net_def.op:
        text(op)
    text.c2_net_name = before


@Printer.register(Net)
def print_net(text, net):
    text(net.Proto())


def _block_of(step):
    """What a step is a block of, and whether each of its substeps is one."""
    proto, several = step.Proto(), len(step.Substeps()) > 1
    if proto.should_stop_blob:
        return call("loop"), False
    if proto.num_iter and proto.num_iter != 1:
        return call("loop", [proto.num_iter]), False
    if proto.num_concurrent_instances > 1:
        return call("parallel", [("num_instances", proto.num_concurrent_instances)]), several
    if proto.concurrent_substeps and several:
        return call("parallel"), True
    return (call("run_once") if proto.report_net else None), False


def _block_of_part(part, apart):
    proto = part.Proto() if isinstance(part, ExecutionStep) else None
    if proto is not None and proto.run_every_ms:
        return call("reporter", [str(part), ("interval_ms", proto.run_every_ms)])
    if not apart:
        return None
    return call("workspace" if proto is not None and proto.create_workspace else "step", [str(part)])


@Printer.register(ExecutionStep)
def print_step(text, step):
    proto = step.Proto()
    block, apart = _block_of(step)
    with text.context(block):
        if proto.report_net:
            with text.context(call("report_net", [proto.report_interval])):
                text(step.get_net(proto.report_net))
        for part in _parts(step):
            with text.context(_block_of_part(part, apart)):
                text(part)
                if proto.should_stop_blob:
                    text.add(call("yield stop_if", [proto.should_stop_blob]))


def _shown_output(output):
    return f"Output[{', '.join(map(str, output.names))}]"


@Printer.register(Task)
def print_task(text, task):
    outputs = ", ".join(map(_shown_output, task.outputs()))
    with text.context(call("Task", [("node", task.node), ("name", task.name), ("outputs", outputs)])):
        text(task.get_step())


@Printer.register(TaskGroup)
def print_task_group(text, group, header=None):
    with text.context(header or call("TaskGroup")):
        for task in group.tasks_by_node().tasks():
            text(task)


@Printer.register(Job)
def print_job(text, job):
    text(job.init_group, "Job.current().init_group")
    text(job.epoch_group, "Job.current().epoch_group")
    with text.context("Job.current().stop_conditions"):
        for output in job.stop_conditions:
            text.add(_shown_output(output))
    text(job.download_group, "Job.current().download_group")
    text(job.exit_group, "Job.current().exit_group")


def to_string(obj, **kwargs):
    """A net, step, task, group or job as text; see Printer."""
    printer = Printer(**kwargs)
    printer(obj)
    return str(printer)


def debug_net(net):
    """A net that prints each operator before it runs."""
    assert isinstance(net, Net), f"expected a Net, got {type(net).__name__}"
    made = Net(str(net))
    for op in net.Proto().op:
        made.LogInfo(to_string(op, c2_syntax=False))
        made.extend_ops([op])
    return made
