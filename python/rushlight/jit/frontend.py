"""The errors that programs expect of what reads their functions: here each is a RuntimeError, as all that a compiler finds."""

from __future__ import annotations

FrontendError = NotSupportedError = UnsupportedNodeError = RuntimeError
FrontendTypeError = TypeError
