"""What modules with packed weights have in common."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ....nn import Module


class WithState(Module):
    """A module that keeps more in its state dict than parameters and buffers. What it reads is taken out, and the rest is not asked to be
    complete."""

    def _write_state(self, out: dict, prefix: str) -> None:
        """Adds to the state dict."""
        raise NotImplementedError

    def _read_state(self, state: dict, prefix: str, version: int | None) -> None:
        """Takes out of it what `_write_state` of that version added."""
        raise NotImplementedError

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        self._write_state(destination, prefix)

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, strict: bool, *lists: Any
    ) -> None:
        self._read_state(state_dict, prefix, local_metadata.get("version"))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, False, *lists)


class Packed(WithState):
    """A module whose weight and bias are in one packed object, ``_packed_params``; copies and pickles hold them apart."""

    def _weight_bias(self) -> tuple[Any, Any]:
        raise NotImplementedError

    def set_weight_bias(self, w: Any, b: Any) -> None:
        raise NotImplementedError

    def weight(self) -> Any:
        return self._weight_bias()[0]

    def bias(self) -> Any:
        return self._weight_bias()[1]

    def __getstate__(self) -> dict:
        state = {k: v for k, v in self.__dict__.items() if k != "_packed_params"}
        if "_packed_params" in self.__dict__:
            state["_packed"] = self._weight_bias()
        return state

    def __setstate__(self, state: dict) -> None:
        packed = state.pop("_packed", None)
        super().__setstate__(state)
        if packed is not None:
            self.set_weight_bias(*packed)

    def __deepcopy__(self, memo: dict) -> Any:
        made = type(self).__new__(type(self))
        Module.__init__(made)
        import copy

        memo[id(self)] = made
        made.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return made

    def __copy__(self) -> Any:
        return self.__deepcopy__({})


def quantized_weight(weight: Any, observer: Any) -> Any:
    """A float weight as 8 bits, by what the observer chose."""
    scale, zero_point = observer.calculate_qparams()
    if observer.qscheme in (torch.per_tensor_symmetric, torch.per_tensor_affine):
        return torch.quantize_per_tensor(weight, float(scale), int(zero_point), torch.qint8)
    if observer.qscheme is torch.per_channel_affine_float_qparams:
        return torch.quantize_per_channel(
            weight, scale.to(torch.float), zero_point.to(torch.float), observer.ch_axis, observer.dtype
        )
    return torch.quantize_per_channel(
        weight, scale.to(torch.double), zero_point.to(torch.int64), observer.ch_axis, torch.qint8
    )


def observed_weight(mod: Any) -> Any:
    """The 8-bit weight of a float module, whose qconfig says which observer chooses."""
    observer = getattr(mod, "weight_fake_quant", None)
    if observer is None:
        observer = mod.qconfig.weight()
        observer(mod.weight)
    elif not observer.activation_post_process.min_val.numel() or bool(
        (observer.activation_post_process.min_val == float("inf")).any()
    ):
        observer(mod.weight)
    return quantized_weight(mod.weight.detach().float(), observer)
