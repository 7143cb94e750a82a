"""caffe2.python.core: plans, and the steps that they consist of."""

from __future__ import annotations

from collections import OrderedDict

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python._net import Net
from rushlight.caffe2.python._references import BlobReference, ScopedName


class ExecutionStep:
    """Nets, or further steps, that are run in order and several times."""

    _step_names_used: set = set()

    @staticmethod
    def _get_next_step_name(basename):
        name, k = basename, 1
        while name in ExecutionStep._step_names_used:
            name = f"{basename}_{k}"
            k += 1
        ExecutionStep._step_names_used.add(name)
        return name

    def __init__(self, name, nets=None, num_iter=None):
        self._step = caffe2_pb2.ExecutionStep()
        self._step.name = name or ExecutionStep._get_next_step_name("step")
        self._net_dict = OrderedDict()
        self._is_used = False
        self._substeps = []
        if nets is not None:
            nets = [nets] if isinstance(nets, Net) else nets
            for net in nets:
                if _add_net_to_dict(self._net_dict, net):
                    self._step.network.append(get_net_name(net))
        if num_iter is not None:
            self._step.num_iter = num_iter

    def Name(self):
        return self._step.name

    get_net = property(lambda self: self._net_dict.get)

    def __str__(self):
        return self._step.name

    def Proto(self):
        return self._step

    def HasNets(self):
        return len(self._step.network) > 0

    def HasSubsteps(self):
        return bool(self._substeps)

    def Nets(self):
        return list(self._net_dict.values())

    def Substeps(self):
        return self._substeps

    def SetIter(self, num_iter):
        self._step.num_iter = num_iter

    def SetCreateWorkspace(self, create_workspace):
        self._step.create_workspace = create_workspace

    def SetNumConcurrentInstances(self, n):
        self._step.num_concurrent_instances = n

    def SetOnlyOnce(self, only_once):
        self._step.only_once = only_once

    def SetShouldStopBlob(self, blob):
        assert isinstance(blob, BlobReference), f"expects BlobReference here, got {type(blob)}"
        self._step.should_stop_blob = str(blob)

    def RunEveryMillis(self, interval):
        self._step.run_every_ms = interval

    def SetReportNet(self, report_net, report_interval):
        _add_net_to_dict(self._net_dict, report_net)
        self._step.report_net = get_net_name(report_net)
        self._step.report_interval = report_interval

    def AddSubstep(self, substep):
        assert not self.HasNets(), "Cannot have both network and substeps."
        if isinstance(substep, ExecutionStep):
            if not substep.HasNets() and not substep.HasSubsteps():
                return self
            for net in substep.Nets():
                _add_net_to_dict(self._net_dict, net)
            self._substeps.append(substep)
            proto = substep.Proto()
        else:
            proto = substep
        self._step.substep.add().CopyFrom(proto)
        return self

    def SetConcurrentSubsteps(self, concurrent_substeps):
        self._step.concurrent_substeps = concurrent_substeps

    def AddNet(self, net):
        assert not self.HasSubsteps(), "Cannot have both network and substeps."
        assert isinstance(net, Net)
        _add_net_to_dict(self._net_dict, net)
        self._step.network.append(get_net_name(net))
        return self

    def get_all_attributes(self, name):
        return [a for net in self._net_dict.values() for a in net._attr_dict.get(name, [])]


def get_net_name(netlike):
    return netlike.Name() if isinstance(netlike, Net) else netlike.name


def _add_net_to_dict(net_dict, net):
    name = get_net_name(net)
    if name in net_dict:
        return False
    net_dict[name] = net
    return True


class Plan:
    """Nets and the steps that run them: workspace.RunPlan(plan)."""

    def __init__(self, name_or_step):
        self._plan = caffe2_pb2.PlanDef()
        self._net_dict = OrderedDict()
        self._steps = []
        if isinstance(name_or_step, ExecutionStep):
            self._plan.name = name_or_step.Name()
            self.AddStep(name_or_step)
        else:
            self._plan.name = str(name_or_step)

    def __str__(self):
        return self._plan.name

    def Proto(self):
        return self._plan

    def AddNets(self, nets):
        for net in nets:
            if _add_net_to_dict(self._net_dict, net):
                self._plan.network.add().CopyFrom(net.Proto() if isinstance(net, Net) else net)

    def Nets(self):
        return list(self._net_dict.values())

    def AddStep(self, step):
        assert isinstance(step, ExecutionStep)
        self._steps.append(step)
        if not step.HasNets() and not step.HasSubsteps():
            return
        self.AddNets(step.Nets())
        self._plan.execution_step.add().CopyFrom(step.Proto())

    def Steps(self):
        return self._steps


def to_execution_step(step_or_nets, default_name=None):
    if isinstance(step_or_nets, ExecutionStep):
        return step_or_nets
    if default_name is None and isinstance(getattr(step_or_nets, "name", None), str):
        default_name = step_or_nets.name
    if isinstance(step_or_nets, Net):
        step_or_nets = [step_or_nets]
    elif hasattr(step_or_nets, "get"):  # a NetBuilder
        step_or_nets = step_or_nets.get()
    steps = []
    if all(isinstance(s, Net) for s in step_or_nets):
        return ExecutionStep(default_name, step_or_nets)
    for s in step_or_nets:
        steps.append(to_execution_step(s))
    return execution_step(default_name, steps)


def execution_step(
    default_name, steps_or_nets, num_iter=None, report_net=None, report_interval=None, concurrent_substeps=None,
    should_stop_blob=None, only_once=None, num_concurrent_instances=None, create_workspace=False, run_every_ms=None,
):  # fmt: skip
    """A step of nets or of steps."""
    assert should_stop_blob is None or num_iter is None, "Cannot set both should_stop_blob and num_iter."
    if should_stop_blob is None and num_iter is None:
        num_iter = 1
    step = ExecutionStep(default_name)
    if should_stop_blob is not None:
        step.SetShouldStopBlob(should_stop_blob)
    if num_iter is not None:
        step.SetIter(num_iter)
    step.SetOnlyOnce(bool(only_once))
    if concurrent_substeps is not None:
        step.SetConcurrentSubsteps(concurrent_substeps)
    if report_net is not None:
        assert report_interval is not None
        step.SetReportNet(report_net, report_interval)
    if num_concurrent_instances is not None:
        step.SetNumConcurrentInstances(num_concurrent_instances)
    if create_workspace:
        step.SetCreateWorkspace(True)
    if run_every_ms:
        step.RunEveryMillis(run_every_ms)
    if isinstance(steps_or_nets, ExecutionStep):
        step.AddSubstep(steps_or_nets)
    elif isinstance(steps_or_nets, Net):
        step.AddNet(steps_or_nets)
    elif isinstance(steps_or_nets, (list, tuple)):
        if all(isinstance(x, Net) for x in steps_or_nets):
            for net in steps_or_nets:
                step.AddNet(net)
        else:
            for x in steps_or_nets:
                step.AddSubstep(to_execution_step(x, default_name))
    elif steps_or_nets:
        raise ValueError(f"Step must be a step, a net, or a list of steps or nets, got {steps_or_nets}")
    return step


def scoped_execution_step(name, *args, **kwargs):
    default_name = ScopedName(name) if name else name
    return execution_step(default_name, *args, **kwargs)


def InjectCrossDeviceCopies(net, blob_to_device=None, blob_remap=None, placeHolderOps=None):
    return net, blob_to_device or {}
