"""torch._functorch: where PyTorch has torch.func's transforms, and programs import them from."""

from .. import _missing

__getattr__ = _missing.getattr_of(__name__)
