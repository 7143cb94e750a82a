"""torch.distributed: the modules that programs import, none of which runs anything."""

import inspect

import pytest

import rushlight as torch


def test_modules_can_be_imported_and_their_classes_asked_for():
    from rushlight.distributed.checkpoint.state_dict import get_model_state_dict
    from rushlight.distributed.constants import default_pg_timeout
    from rushlight.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy
    from rushlight.distributed.tensor import DTensor

    assert (
        not isinstance(torch.ones(1), DTensor)
        and ShardingStrategy.FULL_SHARD
        and default_pg_timeout.total_seconds() == 1800
    )
    with pytest.raises(
        torch.UnsupportedError, match=r"torch\.distributed\.fsdp\.FullyShardedDataParallel; run one process"
    ):
        FullyShardedDataParallel(torch.nn.Linear(1, 1))
    with pytest.raises(torch.UnsupportedError, match="get_model_state_dict"):
        get_model_state_dict(None)
    assert torch.distributed.fsdp.wrap.__name__ == "rushlight.distributed.fsdp.wrap"
    with pytest.raises(ModuleNotFoundError):
        import rushlight.distributed.no_such_part  # noqa: F401


def test_what_needs_several_devices():
    from rushlight.nn.parallel.scatter_gather import scatter

    with pytest.raises(torch.UnsupportedError, match="the CPU is one device"):
        scatter(torch.ones(2), [0, 1])


def test_signature_of_a_module():
    assert str(inspect.signature(torch.nn.ReLU())) == "(*args, **kwargs)"
    assert list(inspect.signature(torch.nn.Linear).parameters)[:2] == ["in_features", "out_features"]

    class Own(torch.nn.Module):
        def __call__(self, x, y):
            return x

    assert list(inspect.signature(Own()).parameters) == ["x", "y"]


def test_what_programs_ask_a_launcher_and_catch(monkeypatch):
    d = torch.distributed
    assert issubclass(d.DistBackendError, d.DistError) and issubclass(d.QueueEmptyError, RuntimeError)
    assert (
        not d.is_backend_available("gloo")
        and d.get_pg_count() == 0
        and d.get_default_backend_for_device("cpu") == "gloo"
    )
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "INFO")
    d.set_debug_level_from_env()
    assert d.get_debug_level() is d.DebugLevel.INFO
    d.set_debug_level(d.DebugLevel.OFF)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(RuntimeError, match="LOCAL_RANK is not in the environment"):
        d.get_node_local_rank()
    assert d.get_node_local_rank(fallback_rank=3) == 3
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert d.get_node_local_rank() == 1
    with pytest.raises(ValueError, match="process group has not been initialized"):
        d.new_subgroups(2)
