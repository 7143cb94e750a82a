"""Bad models, nets and databases: one clear error that names the place, no crash, and at most four times the file and 64 MB of memory."""

import re

import hostile
import numpy as np
import pytest
from onnx_writer import BOOL, FLOAT, INT64, field, graph, info, model, node, tensor, varint
from rushlight.caffe2.proto import caffe2_pb2

MEGABYTE = 1 << 20
MOST = 64 * MEGABYTE


def size_of(data):
    return sum(map(len, data.values())) if isinstance(data, dict) else len(data)


def check(cases, warm):
    """Cases: (name, kind, data, regular expression over "Error: text", or None where it may be read)."""
    wrong = []
    for (name, _, data, match), (_, (what, text, memory, seconds)) in zip(
        cases, hostile.outcomes([c[:3] for c in cases], warm), strict=True
    ):
        told = f"{what}: {text}"
        fine = what != "died" and what != "InternalError" and (match is None or re.search(match, told))
        if not fine or memory > 4 * size_of(data) + MOST or seconds > 30:
            wrong.append(f"{name}: {told[:300]} ({memory / MEGABYTE:.0f} MB for {size_of(data) / MEGABYTE:.1f}, {seconds:.1f} s), expected {match}")  # fmt: skip
    assert not wrong, "\n".join(wrong)


def nested(inner, *numbers, levels):
    """`inner` in fields of these numbers, by turns, `levels` deep."""
    size, heads = len(inner), []
    for k in range(levels):
        head = varint(numbers[k % len(numbers)] << 3 | 2) + varint(size)
        size += len(head)
        heads.append(head)
    return b"".join(reversed(heads)) + inner


# ---- ONNX


def onnx_model(nodes=None, inputs=("x",), outputs=("y",), initialisers=(), **others):
    nodes = [node("Relu", ["x"], ["y"])] if nodes is None else nodes
    return model(graph(nodes, [info(i) for i in inputs], [info(o) for o in outputs], initialisers), **others)


SOUND = onnx_model()
WEIGHTS = np.random.default_rng(0).standard_normal((1024, 2048)).astype(np.float32)


def large_model():
    nodes = [node("MatMul", ["x", "w"], ["h"]), *[node("Relu", [f"h{i}" if i else "h"], [f"h{i + 1}"]) for i in range(20)], node("Relu", ["h20"], ["y"])]  # fmt: skip
    return onnx_model(nodes, initialisers=[tensor("w", WEIGHTS)])


def function(name, nodes, domain="mine", inputs=("a",), outputs=("b",)):
    out = field(1, name) + b"".join(field(4, i) for i in inputs) + b"".join(field(5, o) for o in outputs)
    return out + b"".join(field(7, n) for n in nodes) + field(9, field(2, 17)) + field(10, domain)


def doubling(levels):
    """Functions each of which calls the next one twice."""
    all_ = [function(f"F{k}", [node(f"F{k + 1}", ["a"], ["m"], "mine"), node(f"F{k + 1}", ["m"], ["b"], "mine")]) for k in range(levels)]  # fmt: skip
    return onnx_model([node("F0", ["x"], ["y"], "mine")], functions=[*all_, function(f"F{levels}", [node("Relu", ["a"], ["b"])])], domains=[("mine", 1)])  # fmt: skip


def of_constant(op, value, *others, opset=17, **attributes):
    """A node over constants: what it makes is as large as the constant says."""
    names = [f"c{i}" for i in range(1 + len(others))]
    constants = [tensor(n, np.asarray(v)) for n, v in zip(names, (value, *others), strict=True)]
    nodes = [node(op, names, ["big"], **attributes), node("ReduceSum", ["big"], ["sum"], keepdims=0), node("Add", ["x", "sum"], ["y"])]  # fmt: skip
    return onnx_model(nodes, initialisers=constants, opset=opset)


def sparse(count, dims, values=None, name="s"):
    values = np.ones(count, np.float32) if values is None else values
    return field(1, tensor(name, values)) + field(2, tensor("at", np.arange(count, dtype=np.int64))) + b"".join(field(3, d) for d in dims)  # fmt: skip


def with_sparse(*tensors):
    g = graph([node("Relu", ["x"], ["y"])], [info("x")], [info("y")]) + b"".join(field(15, t) for t in tensors)
    return model(g)


def branches(levels):
    inner = graph([node("Relu", ["x"], ["r0"])], [], [info("r0")])
    for i in range(1, levels):
        nodes = [node("If", ["c"], [f"r{i}"], then_branch=(inner,), else_branch=(graph([node("Relu", ["x"], ["e"])], [], [info("e")]),))]  # fmt: skip
        inner = graph(nodes, [], [info(f"r{i}")])
    g = graph([node("If", ["c"], ["y"], then_branch=(inner,), else_branch=(inner,))], [info("c", BOOL), info("x")], [info("y")])  # fmt: skip
    return model(g)


def external(location, offset="0", length="8"):
    pairs = [("location", location), ("offset", offset), ("length", length)]
    t = field(1, 2) + field(2, FLOAT) + field(8, "w") + field(14, 1)
    t += b"".join(field(13, field(1, k) + field(2, v)) for k, v in pairs)
    return {"m.onnx": onnx_model([node("Mul", ["x", "w"], ["y"])], initialisers=[t]), "w.bin": bytes(8)}


def onnx_cases():
    error = "Error: "
    yield "nothing", b"", "no ONNX model"
    yield "a text", b"name: 'net'\n" * 100, "damaged at byte"
    large = large_model()
    for part in (0.1, 0.5, 0.9, 0.999):
        yield f"cut at {part}", large[: int(len(large) * part)], "damaged at byte .*cut short"
    rng = np.random.default_rng(1)
    for k in range(24):
        flipped = bytearray(large)
        for at in [*rng.integers(0, 200, 2), *rng.integers(len(large) - 900, len(large), 2)]:
            flipped[at] ^= 1 << int(rng.integers(0, 8))
        yield f"flipped {k}", bytes(flipped), None
    # sizes
    one = np.ones(2, np.float32)
    for dims in ([-1], [-(1 << 62)], [1 << 62], [1 << 31, 1 << 31, 4], [1 << 62, 1 << 62], [1] * 70, [3], [0]):
        yield f"an initialiser of {dims}"[:60], onnx_model(initialisers=[tensor("w", one, dims)]), r"tensor 'w'"
    yield "none of 0 by 2^62", onnx_model(initialisers=[tensor("w", one[:0], [0, 1 << 62])]), None
    yield "a length of 2^62", field(1, 8) + varint(7 << 3 | 2) + varint(1 << 62), "damaged at byte 2: field 7: it says 4611686018427387904 bytes"  # fmt: skip
    yield "a node's tensor of 2^62", onnx_model([node("Constant", [], ["y"], value=tensor("", one, [1 << 62]))]), "node '-> y' .Constant"  # fmt: skip
    for dims in ([1 << 62], [-3], [1 << 40]):
        yield f"a sparse tensor of {dims}", with_sparse(sparse(2, dims)), "sparse tensor 's'"
    yield "many sparse tensors", with_sparse(*[sparse(2, [1 << 20], name=f"s{k}") for k in range(200)]), "too sparse"
    yield "one that is wide", with_sparse(sparse(10_000, [40_000_000], np.ones(10_000, np.float32))), "sparse"
    yield "empty nodes", onnx_model([b""] * 500_000), error
    yield "empty attributes", onnx_model([b"".join([field(5, b"")] * 500_000) + field(4, "Relu")]), error
    yield "empty initialisers", onnx_model(initialisers=[b""] * 300_000), error
    yield "empty strings", onnx_model(initialisers=[field(1, 400_000) + field(2, 8) + field(6, b"") * 400_000 + field(8, "w")]), None  # fmt: skip
    yield "small numbers", onnx_model(initialisers=[field(1, 1 << 23) + field(2, INT64) + field(7, bytes(1 << 23)) + field(8, "w")]), None  # fmt: skip
    # what is computed where all of it is known
    big = np.array([1 << 17, 1 << 17], np.int64)
    huge = np.array([1 << 62], np.int64)
    two = np.ones(2, np.float32)
    yield "ConstantOfShape", of_constant("ConstantOfShape", big), None
    yield "ConstantOfShape of 2^62", of_constant("ConstantOfShape", huge), None
    yield "ConstantOfShape of -1", of_constant("ConstantOfShape", np.array([-1])), None
    yield "Expand", of_constant("Expand", np.float32(1), big), None
    yield "Tile", of_constant("Tile", two, np.array([1 << 34])), None
    yield "Range", of_constant("Range", np.float32(0), np.float32(1e12), np.float32(1)), None
    yield "Pad", of_constant("Pad", two, np.array([0, 1 << 34])), None
    yield "OneHot", of_constant("OneHot", np.array([1, 2]), np.array(1 << 34), np.array([0, 1], np.float32)), None
    yield "Resize", of_constant("Resize", np.ones((1, 1, 2, 2), np.float32), np.ones(0, np.float32), np.array([1, 1, 1e5, 1e5], np.float32)), None  # fmt: skip
    yield "EyeLike", onnx_model([node("ConstantOfShape", ["n"], ["a"]), node("EyeLike", ["a"], ["e"]), node("ReduceSum", ["e"], ["s"]), node("Add", ["x", "s"], ["y"])], initialisers=[tensor("n", big)]), None  # fmt: skip
    yield "RandomNormal", onnx_model([node("RandomNormal", [], ["e"], shape=[1 << 17, 1 << 17]), node("Add", ["x", "e"], ["y"])]), None  # fmt: skip
    yield "SplitToSequence", of_constant("SplitToSequence", np.ones(1 << 16, np.float32), np.array(1, np.int64)), None
    yield "Split", onnx_model([node("Split", ["x"], ["y"], num_outputs=1 << 40)], opset=18), None
    yield "BlackmanWindow", of_constant("BlackmanWindow", np.array(1 << 34)), None
    # names and order
    yield "a cycle", onnx_model([node("Add", ["x", "b"], ["a"], name="one"), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]), "node 'one'.*'b' is neither.*cycle"  # fmt: skip
    yield "itself", onnx_model([node("Add", ["x", "y"], ["y"])]), "'y' is neither"
    yield "missing", onnx_model([node("MatMul", ["x", "w"], ["y"])]), "MatMul.*'w' is neither.*missing initialiser"
    yield "an output twice", onnx_model([node("Relu", ["x"], ["y"])] * 2), "'y' is given twice"
    yield "two outputs alike", onnx_model([node("Split", ["x"], ["y", "y"])], opset=13), "'y' is given twice"
    yield "an input twice", onnx_model(inputs=["x", "x"]), "'x' is given twice"
    yield "an initialiser twice", onnx_model(initialisers=[tensor("w", one)] * 2), "'w' is given twice"
    yield "an attribute twice", onnx_model([node("Elu", ["x"], ["y"], alpha=1.0) + field(5, field(1, "alpha") + field(2, 2.0) + field(20, 1))]), "'alpha' is there twice"  # fmt: skip
    twin = function("F", [node("Relu", ["a"], ["b"]), node("Relu", ["a"], ["b"])])
    yield "a function's value twice", onnx_model([node("F", ["x"], ["y"], "mine")], functions=[twin]), "'b' is given twice"  # fmt: skip
    body = graph([node("Relu", ["nowhere"], ["r"])], [], [info("r")])
    yield "missing inside", onnx_model([node("If", ["x"], ["y"], then_branch=(body,), else_branch=(body,))]), "'nowhere' is neither"  # fmt: skip
    # types
    yield "a string for floats", onnx_model(initialisers=[field(1, 2) + field(2, 8) + field(8, "w") + field(9, bytes(8))]), "tensor 'w'.*strings"  # fmt: skip
    yield "the wrong list", onnx_model(initialisers=[field(1, 1) + field(2, INT64) + field(4, b"\0\0\x80?") + field(8, "w")]), "tensor 'w'"  # fmt: skip
    yield "no type", onnx_model(initialisers=[field(1, 1) + field(8, "w") + field(9, bytes(4))]), "element type 0"
    yield "a text as list", onnx_model([node("Conv", ["x", "x"], ["y"], dilations="3")]), "node '-> y' .Conv"
    yield (
        "a tensor as list",
        onnx_model([node("Conv", ["x", "x"], ["y"], strides=tensor("", one))]),
        "node '-> y' .Conv",
    )
    yield "numbers as text", onnx_model([node("Conv", ["x", "x"], ["y"], auto_pad=[1, 2])]), "node '-> y' .Conv"
    yield "a graph as number", onnx_model([node("Elu", ["x"], ["y"], alpha=(graph([], [], []),))]), "node '-> y' .Elu"
    yield "no tensor", onnx_model([node("Constant", [], ["y"]) + field(5, field(1, "value") + field(20, 4))]), "'value' has no tensor"  # fmt: skip
    yield "a kind of 99", onnx_model([node("Constant", [], ["y"]) + field(5, field(1, "value") + field(20, 99))]), "kind 99"  # fmt: skip
    yield "a number as field of bytes", field(1, 8) + field(7, 5), "damaged at byte 2: field 7: expected bytes"
    yield "a condition of floats", onnx_model([node("If", ["x"], ["y"], then_branch=3, else_branch=4)]), "then_branch"
    yield "an axis of -2^63", onnx_model([node("LayerNormalization", ["x", "x"], ["y", "m", "v"], axis=-(1 << 63))]), "'axis' says dimension"  # fmt: skip
    yield "axes of 2^62", onnx_model([node("ReduceSum", ["x"], ["y"], axes=[1, 1 << 62])], opset=11), "'axes' says dimension"  # fmt: skip
    yield "version -1", onnx_model(opset=-1), "version -1"
    yield "version 2^62", onnx_model(opset=1 << 62), "version 4611686018427387904"
    # texts
    for what, data in (
        ("an operator", onnx_model([field(2, "y") + field(4, b"\xff\xfe")])),
        ("a node", onnx_model([node("Relu", ["x"], ["y"], name=b"\xc3\x28")])),
        ("a node's output", onnx_model([field(1, "x") + field(2, b"\x80") + field(4, "Relu")])),
        ("a domain", onnx_model([node("Relu", ["x"], ["y"], b"\xc0\x80")])),
        ("an initialiser", onnx_model(initialisers=[field(1, 1) + field(2, FLOAT) + field(8, b"\xed\xa0\x80") + field(9, bytes(4))])),
    ):  # fmt: skip
        yield f"the name of {what}", data, "no UTF-8"
    yield "an attribute's text", onnx_model([node("Conv", ["x", "x"], ["y"]) + field(5, field(1, "auto_pad") + field(4, b"\xff") + field(20, 3))]), "auto_pad' is no UTF-8"  # fmt: skip
    yield "an attribute's name", onnx_model([node("Relu", ["x"], ["y"]) + field(5, field(1, b"\xff") + field(3, 1) + field(20, 2))]), "the name of an attribute is no UTF-8"  # fmt: skip
    yield "a string of a tensor", onnx_model(initialisers=[field(1, 1) + field(2, 8) + field(6, b"\xff") + field(8, "w")]), "tensor 'w' has a string that is no UTF-8"  # fmt: skip
    # depth
    yield "functions that call themselves", onnx_model([node("F", ["x"], ["y"], "mine")], functions=[function("F", [node("F", ["a"], ["b"], "mine")])]), "calls itself"  # fmt: skip
    yield "by turns", onnx_model([node("F", ["x"], ["y"], "mine")], functions=[function("F", [node("G", ["a"], ["b"], "mine")]), function("G", [node("F", ["a"], ["b"], "mine")])]), "calls itself"  # fmt: skip
    yield "functions that double", doubling(40), "calls of functions make"
    yield "branches", branches(33), "deep|inside of each other"
    yield "graphs 10^5 deep", field(1, 8) + field(7, nested(b"", 6, 5, 1, levels=99_999)), "deep"  # fmt: skip
    yield "types 10^5 deep", onnx_model(inputs=[]) + field(7, field(11, field(1, "q") + field(2, nested(b"", 1, 4, levels=100_000)))), "deep"  # fmt: skip
    yield "groups 10^5 deep", b"\x0b" * 100_000, "deep"
    yield "groups that never end", b"\x0b" * 50, "group without an end"
    yield "groups that end otherwise", b"\x0b\x14", "it ends a group"


def test_onnx_models():
    warm = [("onnx", large_model()), ("onnx", of_constant("Expand", np.float32(1), np.array([2, 2])))]
    check([(name, "onnx", data, match) for name, data, match in onnx_cases()], warm)


def test_external_data():
    outside = "outside of the model's folder|no such file|No such file|not a"
    cases = [(location, external(location), outside) for location in ("../w.bin", "/etc/passwd", "a/../../w.bin", "gone.bin", ".", "/dev/zero")]  # fmt: skip
    cases += [
        (f"{offset} {length}", external("w.bin", offset, length), "tensor 'w'.*(external|bytes)")
        for offset, length in [
            ("4", "8"),
            ("9", "0"),
            ("0", str(1 << 63)),
            ("18446744073709551615", "2"),
            ("-1", "8"),
            ("1e3", "8"),
        ]  # fmt: skip
    ]
    cases += [("no name", external(""), "no file is named"), ("a zero", external("w\0.bin"), "no file is named")]
    check([(f"external {n}", "onnx folder", d, m) for n, d, m in cases], [("onnx folder", external("w.bin"))])


# ---- NetDef, binary and text


def net_of(*ops, name="net", inputs=()):
    net = caffe2_pb2.NetDef(name=name)
    for op in ops:
        net.op.add().CopyFrom(op)
    net.external_input.extend(inputs)
    return net


def op(type_, inputs=(), outputs=("y",), **args):
    made = caffe2_pb2.OperatorDef(type=type_)
    made.input.extend(inputs)
    made.output.extend(outputs)
    for name, value in args.items():
        arg = made.arg.add()
        arg.name = name
        if isinstance(value, caffe2_pb2.NetDef):
            arg.n.CopyFrom(value)
        elif isinstance(value, (list, tuple)):
            (arg.floats if value and isinstance(value[0], float) else arg.ints).extend(value)
        elif isinstance(value, float):
            arg.f = value
        elif isinstance(value, int):
            arg.i = value
        else:
            arg.s = value.encode() if isinstance(value, str) else value
    return made


def fill(name="x", shape=(1, 3, 8, 8), **args):
    return op("ConstantFill", [], [name], shape=list(shape), value=1.0, **args)


def large_net():
    return net_of(op("GivenTensorFill", [], ["w"], shape=list(WEIGHTS.shape), values=WEIGHTS.ravel().tolist()), *[op("Relu", ["w"], ["w"])] * 20)  # fmt: skip


def net_cases():
    small, large = net_of(fill(), op("Relu", ["x"])).SerializeToString(), large_net().SerializeToString()
    for part in (0.1, 0.5, 0.999):
        yield f"cut at {part}", large[: int(len(large) * part)], "byte"
    rng = np.random.default_rng(2)
    for k in range(24):
        flipped = bytearray(large)
        for at in [*rng.integers(0, 100, 2), *rng.integers(len(large) - 500, len(large), 2)]:
            flipped[at] ^= 1 << int(rng.integers(0, 8))
        yield f"flipped {k}", bytes(flipped), None
    for at in range(len(small)):
        yield f"byte {at}", small[:at] + bytes([small[at] ^ 0x81]) + small[at + 1 :], None
    yield "a length of 2^62", b"\x12" + varint(1 << 62), "byte 0.*4611686018427387904 bytes"
    yield "empty operators", field(2, b"") * 1_000_000, "memory"
    yield "empty arguments", field(2, field(5, b"") * 1_000_000), "memory"
    yield "empty names", field(2, field(1, b"") * 4_000_000), None
    yield "nets 10^5 deep", nested(b"", 8, 6, levels=100_000), "deep"
    yield "groups 10^5 deep", b"\x0b" * 100_000, "deep"
    yield "no UTF-8", field(1, b"\xff\xfe"), None


def test_nets():
    check([(name, "net", data, match) for name, data, match in net_cases()], [("net", large_net().SerializeToString())])


def runs():
    for shape in ([1 << 62], [-1], [1 << 31, 1 << 31, 4], [1 << 40]):
        yield f"ConstantFill of {shape}", net_of(fill(shape=shape)), "ConstantFill"
        yield f"GivenTensorFill of {shape}", net_of(op("GivenTensorFill", [], ["y"], shape=shape, values=[1.0])), "GivenTensorFill"  # fmt: skip
        yield f"UniformFill of {shape}", net_of(op("UniformFill", [], ["y"], shape=shape)), "UniformFill"
    yield "a type that is none", net_of(op("Nothing")), "Nothing"
    yield "no input", net_of(op("Relu", ["nowhere"])), "Relu.*non-existing input blob: nowhere"
    yield "a cycle", net_of(op("Add", ["a", "b"], ["c"]), op("Relu", ["c"], ["b"]), inputs=["a"]), "Source for input b is unknown|non-existing input blob"  # fmt: skip
    yield "too many inputs", net_of(fill(), op("Relu", ["x", "x"])), "Relu"
    yield "no outputs", net_of(fill(), op("Relu", ["x"], [])), "Relu"
    yield "a net of another type", net_of(fill(), name="n").__class__.FromString(net_of(fill()).SerializeToString() + field(3, "nothing")), "type nothing"  # fmt: skip
    for name, value in (("kernel", 1 << 62), ("kernel", -1), ("stride", 0), ("stride", -(1 << 40)), ("pad", 1 << 62), ("dilation", 0), ("group", 0), ("group", 1 << 40), ("order", "XYZ"), ("legacy_pad", 99), ("kernel", "3"), ("kernels", [3] * 70), ("pads", [1, 2, 3])):  # fmt: skip
        args = {"kernel": 3, name: value}
        yield f"Conv {name} {value}"[:60], net_of(fill(), fill("w", (4, 3, 3, 3)), fill("b", (4,)), op("Conv", ["x", "w", "b"], **args)), "Conv|legacy_pad|order" if (name, value) != ("legacy_pad", 99) else None  # fmt: skip
        yield f"MaxPool {name} {value}"[:60], net_of(fill(), op("MaxPool", ["x"], **args)), None
    for type_, number in (("LengthsRangeFill", -(1 << 31)), ("SegmentIdsToRanges", (1 << 62)), ("SegmentIdsToLengths", -1)):  # fmt: skip
        wide = number > 1 << 31
        numbers = op("GivenTensorInt64Fill" if wide else "GivenTensorIntFill", [], ["x"], shape=[1], values=[number])
        yield f"{type_} of {number}", net_of(numbers, *[op(type_, ["x"])]), "Error" if wide or number == -1 else None
    inner = net_of(op("Relu", ["x"], ["x"]))
    for _ in range(40):
        inner = net_of(op("If", ["c"], [], then_net=inner))
    yield "nets in nets", net_of(fill(), op("ConstantFill", [], ["c"], shape=[1], value=1, dtype=5), op("If", ["c"], [], then_net=inner)), None  # fmt: skip
    yield "a net without operators", net_of(op("If", ["c"], [], then_net=net_of())), "If"
    yield "no net", net_of(fill(), op("While", ["x"], [], loop_net="nothing")), "While"
    for type_, args in (
        ("Reshape", {"shape": [1 << 62]}), ("Reshape", {"shape": [-1, -1]}), ("ExpandDims", {"dims": [1 << 40]}), ("ExpandDims", {"dims": [-1]}),
        ("Transpose", {"axes": [0, 0, 0, 0]}), ("Transpose", {"axes": [9]}), ("Slice", {"starts": [1 << 62], "ends": [0]}), ("Split", {"axis": 1 << 40}), ("Concat", {"axis": -9}),
        ("Tile", {"tiles": 1 << 40}), ("Tile", {"tiles": -1}), ("ResizeNearest", {"width_scale": 1e9}), ("PadImage", {"pad": 1 << 40}), ("SpaceToBatch", {"block_size": 0}), ("LRN", {"size": 0}),
        ("OneHot", {}), ("Cast", {"to": 99}), ("Softmax", {"axis": 1 << 62}), ("FlattenToVec", {"a": 1 << 62}), ("TopK", {"k": 1 << 62}), ("Im2Col", {"kernel": 1 << 40}), ("Gather", {}),
    ):  # fmt: skip
        yield f"{type_} {args}", net_of(fill(), op(type_, ["x"], **args)), None


def test_nets_that_run():
    cases = [(name, "run", net.SerializeToString(), match) for name, net, match in runs()]
    cases += [(name + " as a module", "module", net.SerializeToString(), None) for name, net, _ in runs()]
    sound = net_of(fill(), fill("w", (4, 3, 3, 3)), fill("b", (4,)), op("Conv", ["x", "w", "b"], kernel=3), op("MaxPool", ["x"], kernel=3)).SerializeToString()  # fmt: skip
    check(cases, [("run", sound), ("module", sound)])


TEXT = 'name: "net"\nop {\n  type: "Relu"\n  input: "x"\n  output: "y"\n  arg { name: "axis" i: 1 }\n}\n'


def text_cases():
    for at in range(1, len(TEXT) - 2):
        if TEXT[at] not in "\n ":
            yield f"cut at {at}", TEXT[:at], None
            yield f"byte {at}", TEXT[:at] + "\x01" + TEXT[at + 1 :], r"\d+:\d+" if TEXT[:at].count('"') % 2 == 0 else None  # fmt: skip
    for text, place in (
        ('name: "a', "1:7"), ("name: 'a\"", "1:7"), ("\n\n  name 3", "3:8"), ("op {\n", "2:1"), ("op {\n  type: 3 }", "2:9"), ("op { type: 'a' >", "1:16"), ("op { arg { i: 99999999999999999999 } }", "1:15"),
        ("op { arg { i: -9223372036854775809 } }", "1:15"), ("op { arg { f: 1..2 } }", "1:15"), ("op { arg { ints: [1, 2 } }", "1:24"), ("num_workers: 4294967296", "1:14"), ("name: '\\q'", "1:"),
        ("name: 'a' name: 'b'", "1:11"), ("}", "1:1"), ("op: 3", "1:5"), ("name: 'a'\n# text\n%", "3:1"), ("nothing: 1", "1:1"), ("device_option { device_type: NONE_OF_THEM }", "1:"), ("name: '\xff'", None), ("op { arg { i: 0x } }", "1:15"),
        ("op { arg { i: 08 } }", "1:15"), ("arg { n {" * 50_000, "deep"), ("arg { n {" * 50_000 + "}}" * 50_000, "deep"), ("arg < n <" * 50_000, "deep"), ("op { arg { floats: nane } }", "1:20"), ("[extension] { }", "1:1"),
    ):  # fmt: skip
        yield text[:40], text, place
    yield "operators", "op {}" * 500_000, "memory"
    yield "one long string", 'name: "' + "a" * (20 * MEGABYTE), "1:7"
    yield "numbers", "arg { ints: [" + "1," * 2_000_000, "1:4000014"
    yield "a comment without an end", "#" * (10 * MEGABYTE), None


def test_text_names_line_and_column():
    check([(n, "text", t, m) for n, t, m in text_cases()], [("text", TEXT)])


# ---- databases


def database(kind, tmp_path):
    from rushlight.caffe2.python import core, workspace

    workspace.ResetWorkspace()
    workspace.FeedBlob("w", np.arange(6000, dtype=np.float32))
    workspace.FeedBlob("v", np.arange(10, dtype=np.int64))
    workspace.RunOperatorOnce(core.CreateOperator("Save", ["w", "v"], [], db=str(tmp_path / "db"), db_type=kind, absolute_path=1))  # fmt: skip
    return {str(p.relative_to(tmp_path)): p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("kind", ["minidb", "leveldb", "lmdb"])
def test_databases(kind, tmp_path):
    files = database(kind, tmp_path)
    rng = np.random.default_rng(3)
    cases = [("nothing there", {}, "Error")]
    for name, content in files.items():
        if not content or name.endswith(("LOCK", "LOG", "lock.mdb")):
            continue
        for at in sorted({0, 1, *rng.integers(0, len(content), 12).tolist()}):
            cases.append((f"{name} cut at {at}", {**files, name: content[:at]}, None))
        for k in range(60):
            flipped = bytearray(content)
            for at in rng.integers(0, len(content) if k % 2 else min(len(content), 256), 3):
                flipped[at] ^= 1 << int(rng.integers(0, 8))
            cases.append((f"{name} flipped {k}", {**files, name: bytes(flipped)}, None))
        cases.append((f"{name} is another thing", {**files, name: b"\xff" * 5000}, None))
    # A value whose tensor is damaged: the entry is named.
    if kind == "minidb":
        cases.append(("an entry of -1 bytes", {"db": b"\xff" * 8 + bytes(20)}, "damaged at byte 0"))
        cases.append(("one that is too long", {"db": b"\1\0\0\0\xff\xff\xff\x7fa"}, "damaged at byte 0"))
        cases.append(("no message", {"db": b"\1\0\0\0\1\0\0\0w\xff"}, "Load: entry 'w'"))
        for dims, begin, end in (([1 << 40], 0, 1), ([-1], 0, 1), ([1 << 62, 4], 0, 1), ([8], -1, 2), ([8], 7, 9), ([8], 2, 1)):  # fmt: skip
            blob = caffe2_pb2.BlobProto(name="w", type="Tensor")
            blob.tensor.dims.extend(dims)
            blob.tensor.data_type = 1
            blob.tensor.float_data.append(1.0)
            blob.tensor.segment.begin, blob.tensor.segment.end = begin, end
            value = blob.SerializeToString()
            entry = (4).to_bytes(4, "little") + len(value).to_bytes(4, "little") + b"w#%0" + value
            cases.append((f"a part {begin}-{end} of {dims}", {"db": entry}, "w"))
    check([(n, kind, d, m) for n, d, m in cases], [(kind, files)])


def test_a_shard_without_records(tmp_path):
    from rushlight.caffe2.python import core, workspace

    (tmp_path / "db").write_bytes(b"\1\0\0\0\1\0\0\0kv")
    args = {"db": str(tmp_path / "db"), "db_type": "minidb", "num_shards": 2, "shard_id": 1, "absolute_path": 1}
    workspace.RunOperatorOnce(core.CreateOperator("CreateDB", [], ["reader"], **args))
    with pytest.raises(RuntimeError, match="no record for shard 1"):
        workspace.RunOperatorOnce(core.CreateOperator("ReadDB", ["reader"], ["k", "v"]))
