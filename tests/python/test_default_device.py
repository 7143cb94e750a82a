"""torch.device as a context, and set_default_device."""

import threading

import numpy as np
import pytest

import rushlight as torch


def kinds():
    made = (torch.ones(2), torch.empty(2), torch.randn(2), torch.tensor([1]), torch.as_tensor(np.ones(1)), torch.arange(3),
            torch.full((2,), 1.0), torch.zeros(1, device=None), torch.nn.Linear(2, 2).weight, torch.linspace(0, 1, 3))  # fmt: skip
    return {t.device.type for t in made}


def test_inside_the_context_new_tensors_are_there():
    outside = torch.ones(2)
    with torch.device("meta") as device:
        assert device.type == "meta" and kinds() == {"meta"}
        assert torch.get_default_device() == torch.device("meta")
        assert torch.ones(2, device="cpu").device.type == "cpu"
        assert torch.zeros_like(outside).device.type == "cpu" and outside.new_zeros(2).device.type == "cpu"
        assert (outside + 1).device.type == "cpu"
        with torch.device("cpu"):
            assert kinds() == {"cpu"}
    assert kinds() == {"cpu"}
    with pytest.raises(ValueError), torch.device("meta"):
        raise ValueError
    assert kinds() == {"cpu"}


def test_as_a_decorator():
    @torch.device("meta")
    def make(n):
        return torch.ones(n)

    assert make(3).device.type == "meta" and make.__name__ == "make" and torch.ones(1).device.type == "cpu"


def test_set_default_device_is_of_one_thread():
    torch.set_default_device("meta")
    try:
        other = []
        thread = threading.Thread(target=lambda: other.append(kinds()))
        thread.start()
        thread.join()
        assert kinds() == {"meta"} and other == [{"cpu"}]
        with torch.device("cpu"):
            assert kinds() == {"cpu"}
    finally:
        torch.set_default_device(None)
    assert kinds() == {"cpu"} and torch.get_default_device() == torch.device("cpu")
    with pytest.raises(TypeError, match="expected a device"):
        torch.set_default_device(1.5)
