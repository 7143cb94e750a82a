"""The hooks of all modules, and packed sequences that are cast."""

import pytest

import rushlight as rl


def test_the_hooks_of_all_modules_are_cleared_by_assignment():
    from rushlight.nn.modules import module

    seen = []
    module.register_module_forward_pre_hook(lambda m, args: seen.append("before"))
    module.register_module_forward_hook(lambda m, args, out: seen.append("after"), always_call=True)
    m = rl.nn.Identity()
    m(1)
    module._global_forward_pre_hooks = {}
    m(1)
    module._global_forward_hooks = module._global_forward_hooks_always_called = {}
    m(1)
    assert seen == ["before", "after", "after"]


def test_packed_sequences_are_cast_as_tensors_are():
    packed = rl.nn.utils.rnn.pack_padded_sequence(rl.ones(3, 2, dtype=rl.int32), [3, 1])
    assert packed.cpu() is packed and packed.int() is packed and packed.to("cpu", rl.int32) is packed
    assert packed.double().data.dtype == rl.float64 and packed.half().data.dtype == rl.float16
    assert packed.long().batch_sizes.tolist() == [2, 1, 1]
    with pytest.raises(RuntimeError, match="Cannot pack empty tensors"):
        rl.nn.utils.rnn.pack_padded_sequence(rl.ones(0, 0), [])
