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


def _step(name: str, steps: Any, **kwargs: Any) -> core.ExecutionStep:
    """A step of nets or steps, one or a list of them."""
    return core.execution_step(name, steps, **kwargs)


def _name(base: str, what: str) -> str:
    return core.ExecutionStep._get_next_step_name(f"{base}/{what}")


def _blob_of(condition: Any) -> Any:
    """The bool of a condition."""
    if isinstance(condition, core.Net):
        outputs = condition.Proto().external_output
        if not outputs:
            raise ValueError(f"the condition net {condition.Name()} has no external output")
        return core.BlobReference(outputs[-1], condition)
    return core.BlobReference(str(condition))


def _stops(name: str, condition: Any, until: bool) -> tuple[core.Net, Any]:
    """A net that computes when to stop: where the condition is (`until`) or is no more."""
    net = core.Net(_name(name, "stop"))
    blob = _blob_of(condition)
    stop = net.Copy([blob], net.NextScopedBlob("stop")) if until else net.Not([blob], net.NextScopedBlob("stop"))
    return net, stop


def _conditional(name: str, condition: Any, steps: Any, when: bool) -> core.ExecutionStep:
    """The steps, once, if the condition is `when`."""
    net, stop = _stops(name, condition, until=not when)
    before = [condition, net] if isinstance(condition, core.Net) else [net]
    body = _step(_name(name, "body"), steps)
    # The first substep decides whether the second is reached; one round is all.
    first = _step(_name(name, "condition"), before)
    once = core.execution_step(_name(name, "once"), [first, body], should_stop_blob=stop)
    once.SetIter(1)
    return once


def Do(name: str, *nets_or_steps: Any) -> core.ExecutionStep:
    """All of them in order."""
    return _step(name, _flat(nets_or_steps))


def _flat(items: Any) -> list[Any]:
    return [x for i in items for x in (_flat(i) if isinstance(i, (list, tuple)) else [i])]


def DoParallel(name: str, *nets_or_steps: Any) -> core.ExecutionStep:
    """All of them, one after the other: there is one thread."""
    return Do(name, *nets_or_steps)


def If(name: str, condition_blob_or_net: Any, true_nets_or_steps: Any, false_nets_or_steps: Any = None) -> core.ExecutionStep:  # fmt: skip
    """The first steps if the condition is true, else the second if there are any."""
    chosen = [_conditional(_name(name, "then"), condition_blob_or_net, true_nets_or_steps, True)]
    if false_nets_or_steps is not None:
        blob = _blob_of(condition_blob_or_net)
        # What decides is kept: the first steps may write to it.
        kept = core.Net(_name(name, "kept"))
        copy = kept.Copy([blob], kept.NextScopedBlob("condition"))
        before = [condition_blob_or_net, kept] if isinstance(condition_blob_or_net, core.Net) else [kept]
        chosen = [
            _step(_name(name, "decide"), before),
            _conditional(_name(name, "then"), copy, true_nets_or_steps, True),
            _conditional(_name(name, "else"), copy, false_nets_or_steps, False),
        ]
    return _step(name, chosen)


def IfNot(name: str, condition_blob_or_net: Any, true_nets_or_steps: Any, false_nets_or_steps: Any = None) -> core.ExecutionStep:  # fmt: skip
    """The first steps if the condition is false, else the second if there are any."""
    if false_nets_or_steps is None:
        return _step(name, [_conditional(name, condition_blob_or_net, true_nets_or_steps, False)])
    return If(name, condition_blob_or_net, false_nets_or_steps, true_nets_or_steps)


def Switch(name: str, *conditions: Any) -> core.ExecutionStep:
    """The steps of the first of the pairs (condition, steps) whose condition is true."""
    pairs = [(c[0], c[1]) for c in conditions]
    step: Any = None
    for k in range(len(pairs) - 1, -1, -1):
        step = If(name if k == 0 else _name(name, f"case{k}"), pairs[k][0], pairs[k][1], step)
    return step


def SwitchNot(name: str, *conditions: Any) -> core.ExecutionStep:
    """The steps of the first of the pairs (condition, steps) whose condition is false."""
    step: Any = None
    for k in range(len(conditions) - 1, -1, -1):
        called = name if k == 0 else _name(name, f"case{k}")
        step = IfNot(called, conditions[k][0], conditions[k][1], step)
    return step


def _loop(name: str, condition: Any, steps: Any, until: bool, first: bool) -> core.ExecutionStep:
    """Rounds of the steps; `first`: they run before the condition is looked at."""
    net, stop = _stops(name, condition, until)
    look = _step(_name(name, "condition"), [condition, net] if isinstance(condition, core.Net) else [net])
    body = _step(_name(name, "body"), steps)
    if not first:
        return core.execution_step(name, [look, body], should_stop_blob=stop)
    begin = core.Net(_name(name, "begin"))  # the end is asked about before it is computed
    begin.ConstantFill([], [stop], shape=[], value=False, dtype=core.DataType.BOOL)
    rounds = core.execution_step(_name(name, "rounds"), [body, look], should_stop_blob=stop)
    return _step(name, [begin, rounds])


def While(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps as long as the condition, which is looked at before each round, is true."""
    return _loop(name, condition_blob_or_net, nets_or_steps, until=False, first=False)


def Until(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps as long as the condition, which is looked at before each round, is false."""
    return _loop(name, condition_blob_or_net, nets_or_steps, until=True, first=False)


def DoWhile(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps once, and again as long as the condition is true."""
    return _loop(name, condition_blob_or_net, nets_or_steps, until=False, first=True)


def DoUntil(name: str, condition_blob_or_net: Any, nets_or_steps: Any) -> core.ExecutionStep:
    """The steps once, and again as long as the condition is false."""
    return _loop(name, condition_blob_or_net, nets_or_steps, until=True, first=True)


def RunOnce(name: str, *nets_or_steps: Any) -> core.ExecutionStep:
    """The steps, once in the plan's life."""
    return _step(name, _flat(nets_or_steps), only_once=True)


def For(name: str, nets_or_steps: Any, iter_num: int) -> core.ExecutionStep:
    """The steps so many times."""
    return _step(name, nets_or_steps, num_iter=iter_num)


def BoolNet(*blobs_with_bool_value: Any) -> core.Net:
    """A net that sets blobs: pairs (blob, bool)."""
    pairs = blobs_with_bool_value[0] if isinstance(blobs_with_bool_value[0], list) else blobs_with_bool_value
    net = core.Net("bool_net")
    for blob, value in pairs:
        made = net.ConstantFill([], [str(blob)], shape=[], value=bool(value), dtype=core.DataType.BOOL)
        net.AddExternalOutput(made)
    return net


def NotNet(condition_blob_or_net: Any) -> core.Net:
    """A net whose output is the opposite of a condition."""
    net = core.Net("not_net")
    out = net.Not([_blob_of(condition_blob_or_net)], net.NextScopedBlob("not"))
    net.AddExternalOutput(out)
    return net
