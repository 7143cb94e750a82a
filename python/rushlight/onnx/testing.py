"""What tests of exported models ask for."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ._program import ONNXProgram, tensors_in


def assert_onnx_program(
    program: ONNXProgram, *, rtol: float | None = None, atol: float | None = None, args: Any = None, kwargs: Any = None, strategy: Any = None
) -> None:  # fmt: skip
    """The program gives for arguments what the ExportedProgram that it was made of gives; without arguments for the examples of that."""
    made_of = program.exported_program
    if made_of is None:
        raise ValueError(
            "assert_onnx_program: the ONNXProgram was made of no ExportedProgram; compare its outputs with the module's"
        )
    if args is None and kwargs is None:
        args, kwargs = made_of.example_inputs
    args, kwargs = tuple(args or ()), kwargs or {}
    expected = tensors_in([made_of.module()(*args, **kwargs)])
    rl.testing.assert_close(list(program(*args, **kwargs)), expected, rtol=rtol, atol=atol, equal_nan=True)
