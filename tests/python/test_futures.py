"""torch.futures."""

import pickle
import threading

import pytest
from rushlight.futures import Future, collect_all, wait_all


def test_values_and_what_follows():
    future = Future()
    after = future.then(lambda f: f.value() * 2).then(lambda f: f.wait() + 1)
    seen = []
    future.add_done_callback(lambda f: seen.append(f.value()))
    assert not future.done()
    threading.Timer(0.02, future.set_result, (5,)).start()
    assert future.wait() == 5 and after.wait() == 11 and seen == [5]
    with pytest.raises(RuntimeError, match="completed once"):
        future.set_result(6)
    with pytest.raises(RuntimeError, match="no value yet"):
        Future().value()


def test_exceptions():
    future = Future()
    after = future.then(lambda f: f.value())
    future.set_exception(KeyError("gone"))
    with pytest.raises(RuntimeError, match="KeyError: 'gone'"):
        after.wait()
    with pytest.raises(KeyError, match="gone"):
        wait_all([future])


def test_collections():
    futures = [Future() for _ in range(3)]
    together = collect_all(futures)
    for i, future in enumerate(futures):
        assert not together.done()
        future.set_result(i)
    assert (
        [f.wait() for f in together.wait()] == [0, 1, 2]
        and wait_all(futures) == [0, 1, 2]
        and collect_all([]).wait() == []
    )


def test_what_callbacks_raise(capsys):
    future = Future()
    after = future.then(lambda f: f.value() + "text")
    future.add_done_callback(lambda: None)
    future.set_result(1)
    assert future.wait() == 1 and "takes 0 positional arguments" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="running the callback: TypeError: unsupported operand") as raised:
        after.wait()
    assert isinstance(raised.value.__cause__, TypeError)


def test_what_futures_refuse():
    with pytest.raises(RuntimeError, match="Can not pickle"):
        pickle.dumps(Future())
    with pytest.raises(RuntimeError, match="Future can't be None"):
        wait_all([None])
