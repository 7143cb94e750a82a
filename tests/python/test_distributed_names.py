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
