"""Writes what the tests need of ONNX's file format, so that they need no package for it."""

import struct

import numpy as np

FLOAT, INT64, STRING, BOOL = 1, 7, 8, 9


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, array, dims=None, elem=None):
    array = np.asarray(array)
    elem = elem or {"float32": FLOAT, "int64": INT64, "bool": BOOL}[array.dtype.name]
    dims = array.shape if dims is None else dims
    return b"".join(field(1, d) for d in dims) + field(2, elem) + field(8, name) + field(9, array.tobytes())


def attribute(name, value):
    out = field(1, name)
    if isinstance(value, int):
        return out + field(3, value) + field(20, 2)
    if isinstance(value, float):
        return out + field(2, value) + field(20, 1)
    if isinstance(value, str):
        return out + field(4, value) + field(20, 3)
    if isinstance(value, tuple):  # a graph
        return out + field(6, value[0]) + field(20, 5)
    if isinstance(value, bytes):  # a tensor
        return out + field(5, value) + field(20, 4)
    if isinstance(value[0], str):
        return out + b"".join(field(9, v) for v in value) + field(20, 8)
    return out + b"".join(field(8, v) for v in value) + field(20, 7)


def node(op, inputs, outputs, domain="", name="", **attributes):
    out = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, name) + field(4, op)
    return out + b"".join(field(5, attribute(k, v)) for k, v in attributes.items()) + field(7, domain)


def info(name, elem=FLOAT):
    return field(1, name) + field(2, field(1, field(1, elem)))


def graph(nodes, inputs, outputs, initialisers=()):
    out = b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, t) for t in initialisers)
    return out + b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs)


def model(graph, opset=17, functions=(), domains=()):
    out = field(1, 8) + field(7, graph) + field(8, field(2, opset))
    out += b"".join(field(8, field(1, d) + field(2, v)) for d, v in domains)
    return out + b"".join(field(25, f) for f in functions)
