"""Every public name says what it does."""

import inspect

import pytest

import rushlight as rl

NAMESPACES = {
    "torch": rl,
    "Tensor": rl.Tensor,
    "nn": rl.nn,
    "nn.functional": rl.nn.functional,
    "nn.init": rl.nn.init,
    "Module": rl.nn.Module,
    "optim": rl.optim,
    "lr_scheduler": rl.optim.lr_scheduler,
    "autograd": rl.autograd,
    "library": rl.library,
    "Library": rl.library.Library,
    "CustomOpDef": rl.library.CustomOpDef,
    "Generator": rl.Generator,
    "UntypedStorage": rl.UntypedStorage,
    "TypedStorage": rl.TypedStorage,
    "device": rl.device,
    "dtype": rl.dtype,
}


def undocumented(of):
    names = dir(of) if isinstance(of, type) else getattr(of, "__all__", None) or dir(of)
    for name in names:
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(of, name) if isinstance(of, type) else getattr(of, name)
        if inspect.ismodule(value) or not (callable(value) or hasattr(type(value), "__get__")):
            continue
        if not (getattr(value, "__doc__", None) or "").strip():
            yield name


@pytest.mark.parametrize("name", NAMESPACES)
def test_nothing_is_without_a_docstring(name):
    assert list(undocumented(NAMESPACES[name])) == []
