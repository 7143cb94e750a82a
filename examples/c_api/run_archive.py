"""Loads a script archive and runs it, by rushlight's C interface alone: a way into other languages.

    python run_archive.py LIBRARY ARCHIVE 1x3x224x224

LIBRARY is librushlight.so. The archive's forward() gets a tensor of ones of the given shape, in memory of this program's own, and what it
returns is printed. Nothing here is specific to Python: ctypes calls what rushlight/c_api.h declares.
"""

import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p

FLOAT32 = 6  # RL_FLOAT32
TENSOR, LIST, TUPLE, DICT = 7, 8, 9, 10  # RL_TENSOR, ...
SIGNATURES = {
    # A function that can fail returns an error, NULL for none.
    "rl_tensor_borrow": [c_void_p, POINTER(c_int64), c_void_p, c_size_t, c_int32, c_void_p, c_void_p, c_void_p],
    "rl_tensor_sizes": [c_void_p, POINTER(POINTER(c_int64)), POINTER(c_size_t)],
    "rl_tensor_data": [c_void_p, c_void_p],
    "rl_call": [c_char_p, POINTER(c_void_p), c_size_t, c_void_p, c_void_p, c_size_t, c_void_p],
    "rl_module_load": [c_char_p, c_void_p],
    "rl_module_train": [c_void_p, c_int32],
    "rl_module_call": [c_void_p, c_char_p, POINTER(c_void_p), c_size_t, c_void_p, c_void_p, c_size_t, c_void_p],
    "rl_length": [c_void_p, c_void_p],
    "rl_item": [c_void_p, c_size_t, c_void_p],
    "rl_value_text": [c_void_p, c_void_p],
    "rl_get_string": [c_void_p, POINTER(c_void_p), POINTER(c_size_t)],
}


class Library:
    """The functions of SIGNATURES under their names without `rl_`; an error becomes an exception."""

    def __init__(self, path: str) -> None:
        self.c = ctypes.CDLL(path)
        self.c.rl_abi_version.restype = c_uint32
        self.c.rl_error_text.restype = c_char_p
        self.c.rl_error_text.argtypes = self.c.rl_error_free.argtypes = [c_void_p]
        self.c.rl_value_free.argtypes = self.c.rl_value_kind.argtypes = [c_void_p]
        for name, arguments in SIGNATURES.items():
            function = getattr(self.c, name)
            function.argtypes = arguments
            function.restype = c_void_p

    def __getattr__(self, name: str):
        function = getattr(self.c, "rl_" + name)

        def call(*arguments):
            error = function(*arguments)
            if error:
                text = self.c.rl_error_text(error).decode()
                self.c.rl_error_free(error)
                raise RuntimeError(text)

        return call

    def made(self, name: str, *arguments) -> "Value":
        """What a function makes and returns through its last argument."""
        value = c_void_p()
        getattr(self, name)(*arguments, byref(value))
        return Value(self, value)


class Value:
    """Owns a value, and frees it."""

    def __init__(self, library: Library, handle: c_void_p) -> None:
        self.library, self.handle = library, handle

    def __del__(self) -> None:
        self.library.c.rl_value_free(self.handle)

    def kind(self) -> int:
        return self.library.c.rl_value_kind(self.handle)

    def items(self) -> list["Value"]:
        n = c_size_t()
        self.library.length(self.handle, byref(n))
        return [self.library.made("item", self.handle, i) for i in range(n.value)]

    def shape(self) -> list[int]:
        sizes, dims = POINTER(c_int64)(), c_size_t()
        self.library.tensor_sizes(self.handle, byref(sizes), byref(dims))
        return sizes[: dims.value]

    def text(self) -> str:
        if self.kind() in (LIST, TUPLE):
            return "[" + ", ".join(item.text() for item in self.items()) + "]"
        if self.kind() == TENSOR and (shape := self.shape()):
            return f"tensor of shape {shape}"
        text, length = c_void_p(), c_size_t()
        written = self.library.made("value_text", self.handle)
        self.library.get_string(written.handle, byref(text), byref(length))
        return ctypes.string_at(text.value, length.value).decode()


def main(path: str, archive: str, shape: str) -> None:
    rl = Library(path)
    print("C interface, version", rl.c.rl_abi_version())
    sizes = [int(s) for s in shape.split("x")]
    numel = 1
    for s in sizes:
        numel *= s
    memory = (c_float * numel)(*[1.0] * numel)  # outlives the tensor over it
    x = rl.made("tensor_borrow", memory, (c_int64 * len(sizes))(*sizes), None, len(sizes), FLOAT32, None, None)
    module = rl.made("module_load", archive.encode())
    rl.module_train(module.handle, 0)
    y = rl.made("module_call", module.handle, b"forward", (c_void_p * 1)(x.handle), 1, None, None, 0)
    print("result:", y.text())
    if y.kind() == TENSOR:
        total = rl.made("call", b"sum", (c_void_p * 1)(y.handle), 1, None, None, 0)
        print("sum:", total.text().split("\n")[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
