"""caffe2.python.core: plans, and the steps that they consist of."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python._net import Net
from rushlight.caffe2.python._references import BlobReference, ScopedName


def get_net_name(netlike):
    if isinstance(netlike, Net):
        return netlike.Name()
    return netlike.name if isinstance(netlike, caffe2_pb2.NetDef) else netlike


def _add_net_to_dict(net_dict, net):
    """Whether the net is new to the dict; another one of its name is a mistake."""
    name = get_net_name(net)
    if name in net_dict:
        assert net_dict[name] is None or net is net_dict[name], f"Different nets with same name: {name}"
        return False
    net_dict[name] = net if isinstance(net, Net) else None
    return True


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
        self._net_dict = {}
        self._is_used = False
        self._substeps = []
        for net in [nets] if isinstance(nets, Net) else nets or []:
            if _add_net_to_dict(self._net_dict, net):
                self._step.network.append(get_net_name(net))
        if num_iter is not None:
            self._step.num_iter = num_iter

    def Name(self):
        return self._step.name

    def __str__(self):
        return self._step.name

    def get_net(self, name):
        return self._net_dict[name]

    def Proto(self):
        return self._step

    def HasNets(self):
        return len(self._step.network) > 0

    def HasSubsteps(self):
        return len(self._step.substep) > 0

    def Nets(self):
        return list(self._net_dict.values())

    def Substeps(self):
        return self._substeps

    # ---- what may be changed as long as the step is in no other one, and in no plan

    def _assert_can_mutate(self):
        assert not self._is_used, "Cannot mutate a step that has already been added to a plan/step."

    def _notify_is_used(self):
        self._is_used = True

    def _set(self, field, value):
        self._assert_can_mutate()
        setattr(self._step, field, value)

    def SetIter(self, num_iter):
        self._set("num_iter", num_iter)

    def SetCreateWorkspace(self, create_workspace):
        self._set("create_workspace", create_workspace)

    def SetNumConcurrentInstances(self, num_concurrent_instances):
        self._set("num_concurrent_instances", num_concurrent_instances)

    def SetOnlyOnce(self, only_once):
        self._set("only_once", only_once)

    def SetShouldStopBlob(self, should_stop_blob):
        assert isinstance(should_stop_blob, BlobReference), f"expects BlobReference here, got {type(should_stop_blob)}"
        self._set("should_stop_blob", str(should_stop_blob))

    def SetConcurrentSubsteps(self, concurrent_substeps):
        assert not self.HasNets(), "Cannot have both network and substeps."
        self._set("concurrent_substeps", concurrent_substeps)

    def RunEveryMillis(self, interval):
        """The step runs every so many milliseconds while the steps beside it do, and once more behind them."""
        self._step.run_every_ms = interval

    def SetReportNet(self, report_net, report_interval):
        """A net that runs every so many seconds while the step does, and once more behind it."""
        self._assert_can_mutate()
        _add_net_to_dict(self._net_dict, report_net)
        self._step.report_net = get_net_name(report_net)
        self._step.report_interval = report_interval

    def AddSubstep(self, substep):
        self._assert_can_mutate()
        assert not self.HasNets(), "Cannot have both network and substeps."
        proto = substep
        if isinstance(substep, ExecutionStep):
            substep._notify_is_used()
            if not substep.HasNets() and not substep.HasSubsteps():
                return self
            for net in substep.Nets():
                _add_net_to_dict(self._net_dict, net)
            self._substeps.append(substep)
            proto = substep.Proto()
        self._step.substep.add().CopyFrom(proto)
        return self

    def AddNet(self, net):
        self._assert_can_mutate()
        assert not self.HasSubsteps(), "Cannot have both network and substeps."
        assert isinstance(net, Net), f"expected a Net, got {type(net).__name__}"
        _add_net_to_dict(self._net_dict, net)
        self._step.network.append(get_net_name(net))
        return self

    def get_all_attributes(self, name):
        """What the nets of the step and of its substeps keep under a name."""
        return [a for net in self._net_dict.values() for a in net.get_attributes(name)]

    @classmethod
    def create_from_proto(cls, step_proto, net_obj_dict, net_proto_dict):
        """A step of a message. Nets are those of net_obj_dict, or made of net_proto_dict's messages and kept there."""
        assert isinstance(step_proto, caffe2_pb2.ExecutionStep)
        assert bool(step_proto.network) != bool(step_proto.substep), "a step has either nets or substeps"
        parts = [cls.create_from_proto(s, net_obj_dict, net_proto_dict) for s in step_proto.substep]
        for name in step_proto.network:
            if name not in net_obj_dict:
                net_obj_dict[name] = Net(net_proto_dict[name])
            parts.append(net_obj_dict[name])
        settings = {
            field: getattr(step_proto, field)
            for field in (
                "num_iter",
                "concurrent_substeps",
                "only_once",
                "num_concurrent_instances",
                "create_workspace",
                "run_every_ms",
            )
            if step_proto.HasField(field)
        }
        if step_proto.HasField("should_stop_blob"):
            settings["should_stop_blob"] = BlobReference(step_proto.should_stop_blob)
        return execution_step(step_proto.name, parts, **settings)


def _nets_in_order(step, names):
    """Names of the nets in the order that they are first run in; those that report come behind their step."""
    for substep in step.Substeps():
        _nets_in_order(substep, names)
    names.update(dict.fromkeys(step.Proto().network))
    if step.Proto().report_net:
        names.setdefault(step.Proto().report_net)
    return names


class Plan:
    """Nets and the steps that run them: workspace.RunPlan(plan)."""

    def __init__(self, name_or_step):
        self._plan = caffe2_pb2.PlanDef()
        self._net_dict = {}
        self._steps = []
        if isinstance(name_or_step, ExecutionStep):
            self._plan.name = name_or_step.Name()
            self.AddStep(name_or_step)
        elif isinstance(name_or_step, str):
            self._plan.name = name_or_step
        else:
            raise ValueError(f"name_or_step must be a string or ExecutionStep, got {type(name_or_step).__name__}")

    def __str__(self):
        return self._plan.name

    def Proto(self):
        return self._plan

    def AddNets(self, nets):
        for net in nets:
            if _add_net_to_dict(self._net_dict, net):
                assert isinstance(net, Net), f"expected a Net, got {type(net).__name__}"
                self._plan.network.add().CopyFrom(net.Proto())

    def Nets(self):
        return list(self._net_dict.values())

    def AddStep(self, step):
        assert isinstance(step, ExecutionStep), f"expected an ExecutionStep, got {type(step).__name__}"
        step._notify_is_used()
        if not step.HasNets() and not step.HasSubsteps():
            return
        self._plan.execution_step.add().CopyFrom(step.Proto())
        self._steps.append(step)
        self.AddNets([step.get_net(name) for name in _nets_in_order(step, {})])

    def Steps(self):
        return self._steps

    def get_all_attributes(self, name):
        """What the plan's nets keep under a name."""
        return [a for net in self._net_dict.values() for a in net.get_attributes(name)]

    @classmethod
    def create_from_proto(cls, plan_proto):
        """A plan of a message; its nets are new, with names of their own where theirs are taken."""
        assert isinstance(plan_proto, caffe2_pb2.PlanDef), f"expected a PlanDef, got {type(plan_proto).__name__}"
        plan = cls(plan_proto.name)
        nets = {n.name: n for n in plan_proto.network}
        assert len(nets) == len(plan_proto.network), "two nets of the plan have the same name"
        made = {}
        for step in plan_proto.execution_step:
            plan.AddStep(ExecutionStep.create_from_proto(step, made, nets))
        return plan


def to_execution_step(step_or_nets, default_name=None):
    """A step of a step, of nets, or of a NetBuilder."""
    from rushlight.caffe2.python.net_builder import NetBuilder

    if isinstance(step_or_nets, ExecutionStep):
        return step_or_nets
    stop_blob = None
    if not default_name:
        default_name = getattr(step_or_nets, "name", None)
    if isinstance(step_or_nets, NetBuilder):
        stop_blob = step_or_nets._stop_blob
        step_or_nets = step_or_nets.get()
    return execution_step(default_name, step_or_nets, should_stop_blob=stop_blob)


def execution_step(
    default_name,
    steps_or_nets,
    num_iter=None,
    report_net=None,
    report_interval=None,
    concurrent_substeps=None,
    should_stop_blob=None,
    only_once=None,
    num_concurrent_instances=None,
    create_workspace=False,
    run_every_ms=None,
):
    """A step of nets or steps.

    Args:
        steps_or_nets: a net, a step, or a list of them.
        num_iter: how often they run. Default: once, or until the should_stop_blob is true.
        should_stop_blob: a blob of one bool, looked at behind each of them.
        report_net, report_interval: see ExecutionStep.SetReportNet. run_every_ms: see ExecutionStep.RunEveryMillis.
        concurrent_substeps: whether they run at the same time. num_concurrent_instances: how often each does.
        create_workspace: whether a run has a workspace of its own, which sees the one around it.
        only_once: whether a step with a should_stop_blob runs them once at most.
    """
    assert should_stop_blob is None or num_iter is None, "Cannot set both should_stop_blob and num_iter."
    step = ExecutionStep(default_name)
    if should_stop_blob is not None:
        step.SetShouldStopBlob(should_stop_blob)
    else:
        step.SetIter(1 if num_iter is None else num_iter)
    if only_once is not None:
        step.SetOnlyOnce(only_once)
    if concurrent_substeps is not None:
        step.SetConcurrentSubsteps(concurrent_substeps)
    if report_net is not None:
        assert report_interval is not None, "report_net wants a report_interval"
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
                step.AddSubstep(to_execution_step(x))
    elif steps_or_nets:
        raise ValueError(
            f"steps_or_nets must be a step, a net, or a list of nets or steps, got {type(steps_or_nets).__name__}"
        )
    return step


def scoped_execution_step(name, *args, **kwargs):
    """An execution step whose name is inside of the name scope."""
    return execution_step(ScopedName(name) if name else name, *args, **kwargs)
