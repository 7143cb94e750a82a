"""caffe2.python.control: execution steps that run nets in order, by conditions and in loops.

A condition is the name of a blob that holds one bool, or a net whose last external output is one.

>>> from rushlight.caffe2.python import control, core, workspace
>>> import numpy as np
>>> _ = workspace.FeedBlob("wanted", np.array(False))
>>> one, two = core.Net("one"), core.Net("two")
>>> _ = one.ConstantFill([], "y", shape=[1], value=1.0), two.ConstantFill([], "y", shape=[1], value=2.0)
>>> plan = core.Plan("choose")
>>> plan.AddStep(control.If("choice", "wanted", one, two))
>>> _ = workspace.RunPlan(plan)
>>> workspace.FetchBlob("y")
array([2.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

from rushlight.caffe2.python import core

_used_step_names: set[str] = set()


def _name(kind: str, base: str) -> str:
    name = f"{base}/{kind}"
    k = 1
    while name in _used_step_names:
        name = f"{base}/{kind}_{k}"
        k += 1
    _used_step_names.add(name)
    return name


def _listed(items: Any) -> list[Any]:
    """Arguments as a list: (a, b), (a,) and ([a, b],) alike."""
    if not items:
        raise ValueError("input cannot be empty.")
    if len(items) > 1:
        return list(items)
    return items[0] if isinstance(items[0], list) else [items[0]]


def _is_nets(parts: list[Any]) -> bool:
    return all(isinstance(p, core.Net) for p in parts)


def _with_nets(before: list[core.Net], nets_or_steps: Any, behind: list[core.Net]) -> list[Any]:
    """Nets before and behind nets or steps; those of steps are in steps of their own."""
    parts = _listed((nets_or_steps,))
    if _is_nets(parts):
        return [*before, *parts, *behind]
    return [
        *([Do("prepend", before)] if before else []),
        *parts,
        *([Do("append", behind)] if behind else []),
    ]


def GetConditionBlobFromNet(condition_net: core.Net) -> core.BlobReference:
    """The condition that a net computes: its last external output."""
    outputs = condition_net.Proto().external_output
    assert len(outputs) > 0, f"Condition net {condition_net.Name()} must has at least one external output"
    return core.BlobReference(outputs[-1])


def _condition(condition: Any) -> tuple[Any, list[core.Net]]:
    """The bool of a condition, and the net that has to run first, if it is one."""
    if isinstance(condition, core.Net):
        return GetConditionBlobFromNet(condition), [condition]
    return condition if isinstance(condition, core.BlobReference) else core.BlobReference(str(condition)), []


def _one_output(name: str, kind: str, inputs: Any) -> tuple[core.Net, core.BlobReference]:
    net = core.Net(name)
    out = getattr(net, kind)(inputs)
    net.AddExternalOutput(out)
    return net, out


def BoolNet(*blobs_with_bool_value: Any) -> core.Net:
    """A net that sets blobs: pairs (blob, bool), or a list of them."""
    net = core.Net("bool_net")
    for blob, value in _listed(blobs_with_bool_value):
        out = net.ConstantFill([], [blob], shape=[], value=value, dtype=core.DataType.BOOL)
        net.AddExternalOutput(out)
    return net


def NotNet(condition_blob_or_net: Any) -> tuple[core.Net, core.BlobReference]:
    """A net that computes the opposite of a condition, and its output."""
    return _one_output("not_net", "Not", _condition(condition_blob_or_net)[0])


def _copy_net(blob: Any) -> tuple[core.Net, core.BlobReference]:
    return _one_output("copy_condition_blob_net", "Copy", blob)


def MergeConditionNets(name: str, condition_nets: Any, relation: str) -> Any:
    """One net of several, whose condition is that of all ("And") or any of them ("Or")."""
    if not isinstance(condition_nets, list):
        return condition_nets
    if len(condition_nets) <= 1:
        return condition_nets[0] if condition_nets else None
    merged = core.Net(name)
    proto = merged.Proto()
    for net in condition_nets:
        assert net.Proto().device_option == proto.device_option and net.Proto().type == proto.type, (
            f"{net.Name()}: expected a net of no type and device of its own"
        )
        proto.op.extend(net.Proto().op)
        proto.external_input.extend(i for i in net.Proto().external_input if i not in proto.external_input)
        for key, values in net._attr_dict.items():
            merged._attr_dict[key] += values
    merged._InvalidateLookupTables()
    return _related(merged, condition_nets, relation)


def CombineConditions(name: str, condition_nets: Any, relation: str) -> Any:
    """A net that combines the conditions of nets, which run before it."""
    if not condition_nets:
        return None
    if not isinstance(condition_nets, list):
        raise ValueError(f"condition_nets must be a list of nets, got {type(condition_nets).__name__}")
    if len(condition_nets) == 1:
        return _copy_net(GetConditionBlobFromNet(condition_nets[0]))[0]
    return _related(core.Net(name), condition_nets, relation)


def _related(net: core.Net, condition_nets: list[core.Net], relation: str) -> core.Net:
    last, *others = map(GetConditionBlobFromNet, condition_nets)
    for blob in others:
        last = getattr(net, relation)([last, blob])
    net.AddExternalOutput(last)
    return net


# ---- steps


def _step(kind: str, name: str, parts: Any, **kwargs: Any) -> core.ExecutionStep:
    return core.scoped_execution_step(_name(kind, name), parts, **kwargs)


def _all(kind: str, name: str, nets_or_steps: Any, **kwargs: Any) -> core.ExecutionStep:
    parts = _listed(nets_or_steps)
    if len(parts) == 1 and isinstance(parts[0], core.ExecutionStep):
        return parts[0]
    return _step(kind, name, parts, **kwargs)


def Do(name: str, *nets_or_steps: Any) -> core.ExecutionStep:
    """All of them in order."""
    return _all("Do", name, nets_or_steps)


def DoParallel(name: str, *nets_or_steps: Any) -> core.ExecutionStep:
    """All of them at the same time: in threads that take turns."""
    parts = [core.to_execution_step(p) for p in _listed(nets_or_steps)]
    return _all("DoParallel", name, (parts,), concurrent_substeps=True)


def _unset_first(kind: str, name: str, parts: list[Any], stop: Any, always: bool, **kwargs: Any) -> core.ExecutionStep:
    """A step that a blob ends. Where it is asked for before it is computed, it is set to false before."""

    def made(inner: str) -> core.ExecutionStep:
        return _step(inner, name, parts, should_stop_blob=stop, **kwargs)

    if not always and not _is_nets(parts):
        return made(kind)
    return Do(f"{name}/{kind}", BoolNet((stop, False)), made(f"{kind}-inner"))


def _once_if(name: str, condition: Any, nets_or_steps: Any) -> core.ExecutionStep:
    _, first = _condition(condition)
    opposite, stop = NotNet(condition)
    parts = _with_nets([*first, opposite], nets_or_steps, [])
    return _unset_first("_RunOnceIf", name, parts, stop, always=False, only_once=True)


def _once_if_not(name: str, condition: Any, nets_or_steps: Any) -> core.ExecutionStep:
    stop, first = _condition(condition)
    if not first:
        copy, stop = _copy_net(stop)
        first = [copy]
    return _step("_RunOnceIfNot", name, _with_nets(first, nets_or_steps, []), should_stop_blob=stop, only_once=True)


def _either(name: str, condition: Any, first: Any, second: Any, once_first: Any, once_second: Any) -> core.ExecutionStep:  # fmt: skip
    """A step for each outcome; the second looks at what the first has computed, so a net of the condition runs once."""
    if not second:
        return once_first(name, condition, first)
    blob, _ = _condition(condition)
    return Do(name, once_first(name + "-true", condition, first), once_second(name + "-false", blob, second))


def If(name: str, condition_blob_or_net: Any, true_nets_or_steps: Any, false_nets_or_steps: Any = None) -> core.ExecutionStep:  # fmt: skip
    """The first steps if the condition is true, else the second if there are any."""
    return _either(name + "/If", condition_blob_or_net, true_nets_or_steps, false_nets_or_steps, _once_if, _once_if_not)


def IfNot(name: str, condition_blob_or_net: Any, true_nets_or_steps: Any, false_nets_or_steps: Any = None) -> core.ExecutionStep:  # fmt: skip
    """The first steps if the condition is false, else the second if there are any."""
    return _either(
        name + "/IfNot", condition_blob_or_net, true_nets_or_steps, false_nets_or_steps, _once_if_not, _once_if
    )


def Switch(name: str, *conditions: Any) -> core.ExecutionStep:
    """The steps of all pairs (condition, steps) whose condition is true."""
    return _step("Switch", name, [_once_if(name + "/Switch", c, s) for c, s in _listed(conditions)])


def SwitchNot(name: str, *conditions: Any) -> core.ExecutionStep:
    """The steps of all pairs (condition, steps) whose condition is false."""
    return _step("SwitchNot", name, [_once_if_not(name + "/SwitchNot", c, s) for c, s in _listed(conditions)])


def For(name: str, nets_or_steps: Any, iter_num: int) -> core.ExecutionStep:
    """The steps so many times."""
    init, count = core.Net("init-net"), core.Net("For-iter")
    done = count.CountDown([init.CreateCounter([], init_count=iter_num)])
    loop = _step("For-inner", name, _with_nets([count], nets_or_steps, []), should_stop_blob=done)
    return Do(name + "/For", Do(name + "/For-init-net", init), loop)


def While(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps as long as the condition, which is looked at before each round, is true."""
    _, first = _condition(condition_blob_or_net)
    opposite, stop = NotNet(condition_blob_or_net)
    return _unset_first("While", name, _with_nets([*first, opposite], nets_or_steps, []), stop, always=False)


def Until(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps as long as the condition, which is looked at behind each net of a round, is false."""
    stop, first = _condition(condition_blob_or_net)
    return _step("Until", name, _with_nets(first, nets_or_steps, []), should_stop_blob=stop)


def DoWhile(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps once, and again as long as the condition is true."""
    _, first = _condition(condition_blob_or_net)
    opposite, stop = NotNet(condition_blob_or_net)
    return _unset_first("DoWhile", name, _with_nets([], nets_or_steps, [*first, opposite]), stop, always=True)


def DoUntil(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps once, and again as long as the condition is false. A blob is looked at behind each net, and has to be computed by one."""
    stop, first = _condition(condition_blob_or_net)
    if not first:
        return _step("DoUntil", name, nets_or_steps, should_stop_blob=stop)
    return _unset_first("DoUntil", name, _with_nets([], nets_or_steps, first), stop, always=True)
