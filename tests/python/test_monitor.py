"""torch.monitor: events, handlers, and numbers that are logged by windows of time."""

import time
from datetime import datetime, timedelta

import pytest
import rushlight.monitor
import torch.monitor

both = pytest.mark.parametrize("monitor", [rushlight.monitor, torch.monitor], ids=["here", "PyTorch"])


@both
def test_a_full_window_is_logged(monitor):
    events, kind = [], monitor.Aggregation
    handle = monitor.register_event_handler(events.append)
    try:
        stat = monitor.Stat("s", [kind.MEAN, kind.COUNT, kind.SUM, kind.MAX, kind.MIN], timedelta(hours=1), 3)
        assert set(stat.get().values()) == {0.0} and stat.name == "s"
        stat.add(3)
        stat.add(-1)
        assert stat.count == 2 and events == []
        stat.add(2.5)
        assert stat.count == 0
        stat.add(7)  # too many for the window
        assert stat.count == 0
        expected = {"s.count": 3.0, "s.sum": 4.5, "s.max": 3.0, "s.mean": 1.5, "s.min": -1.0}
        assert [(e.name, e.data) for e in events] == [("torch.monitor.Stat", expected)]
        assert isinstance(events[0].timestamp, datetime)
        assert {k.name: v for k, v in stat.get().items()} == {n[2:].upper(): v for n, v in expected.items()}
    finally:
        monitor.unregister_event_handler(handle)


@both
def test_a_window_ends_with_its_time(monitor):
    events = []
    handle = monitor.register_event_handler(events.append)
    try:
        stat = monitor.Stat("w", (monitor.Aggregation.SUM,), timedelta(milliseconds=1))
        for _ in range(100):
            stat.add(2)
            time.sleep(0.002)
            if events:
                break
        assert events[0].data["w.sum"] >= 2
    finally:
        monitor.unregister_event_handler(handle)


@both
def test_events(monitor):
    events = []
    event = monitor.Event(name="epoch", timestamp=datetime(2020, 1, 1), data={"a": "text", "b": 1, "c": 0.5, "d": True})
    assert event.data == {"a": "text", "b": 1, "c": 0.5, "d": True} and event.timestamp == datetime(2020, 1, 1)
    handle = monitor.register_event_handler(events.append)
    monitor.log_event(event)
    monitor.unregister_event_handler(handle)
    monitor.log_event(event)
    assert [e.name for e in events] == ["epoch"]
    with pytest.raises(TypeError):
        monitor.Event(name="x", timestamp=datetime.now(), data={"a": [1]})


def test_mistakes():
    monitor = rushlight.monitor
    with pytest.raises(TypeError, match="window_size to be a timedelta above 0, got 5"):
        monitor.Stat("s", [], 5)
    with pytest.raises(TypeError, match="aggregations to be of Aggregation, got 'sum'"):
        monitor.Stat("s", ["sum"], timedelta(1))
    with pytest.raises(TypeError, match="expected a function of an Event, got int"):
        monitor.register_event_handler(3)
    handle = monitor.register_event_handler(print)
    monitor.unregister_event_handler(handle)
    monitor.unregister_event_handler(handle)  # PyTorch's process ends here


def test_tensorboard(tmp_path):
    written = []

    class Writer:
        def add_scalar(self, name, value, walltime):
            written.append((name, value))

    handle = rushlight.monitor.register_event_handler(rushlight.monitor.TensorboardEventHandler(Writer()))
    stat = rushlight.monitor.Stat("loss", [rushlight.monitor.Aggregation.VALUE], timedelta(hours=1), 1)
    stat.add(0.25)
    rushlight.monitor.unregister_event_handler(handle)
    assert written == [("loss.value", 0.25)]
