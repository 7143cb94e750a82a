"""Caffe2's messages: both forms, what protobuf's classes offer, and damage."""

import copy
import pickle
import random

import pytest
from conftest import ROOT
from rushlight.caffe2.proto import caffe2_pb2, metanet_pb2, predictor_consts_pb2
from rushlight.caffe2.proto._messages import DecodeError, EncodeError, Parse, ParseError

FIXTURES = ROOT.parent / "shared" / "fixtures" / "caffe2"


def small_net():
    net = caffe2_pb2.NetDef(name="n")
    op = net.op.add()
    op.type = "Conv"
    op.input.extend(["x", "w"])
    op.output.append("y")
    op.arg.add(name="kernel", i=3)
    op.arg.add(name="text", s=b"a\xff\n")
    op.arg.add(name="scales", floats=[0.1, 1e-5, float("inf")])
    op.device_option.device_id = 0
    return net


def test_both_forms_come_back():
    net = small_net()
    assert caffe2_pb2.NetDef.FromString(net.SerializeToString()) == net
    assert Parse(str(net), caffe2_pb2.NetDef()) == net
    assert pickle.loads(pickle.dumps(net)) == net == copy.deepcopy(net)
    assert 's: "a\\377\\n"' in str(net) and "floats: 0.1\n" in str(net) and "floats: 1e-05\n" in str(net)


def test_binary_form_is_protobufs():
    arg = caffe2_pb2.Argument(name="k", i=-1, floats=[1.0])
    assert arg.SerializeToString() == b"\x0a\x01k\x18" + b"\xff" * 9 + b"\x01" + b"\x2d\x00\x00\x80\x3f"
    packed = caffe2_pb2.TensorProto(dims=[2, 300], float_data=[1.0])
    assert packed.SerializeToString() == b"\x08\x02\x08\xac\x02\x1a\x04\x00\x00\x80\x3f"


def test_fields_that_are_not_set_read_as_their_defaults_and_are_not_written():
    op = caffe2_pb2.OperatorDef()
    assert not op.HasField("device_option") and op.device_option.device_type == 0
    assert not op.HasField("device_option") and op.SerializeToString() == b""
    op.device_option.random_seed = 3
    assert op.HasField("device_option")
    op.ClearField("device_option")
    assert not op.HasField("device_option")
    assert caffe2_pb2.TensorProto().data_type == caffe2_pb2.TensorProto.FLOAT
    assert predictor_consts_pb2.PredictorConsts().META_NET_DEF == "!!META_NET_DEF"


def test_repeated_fields_are_lists_of_the_message():
    op = caffe2_pb2.OperatorDef(input=["a", "b", "c"])
    assert op.input == ["a", "b", "c"] and list(op.input[1:]) == ["b", "c"] and op.input[-1] == "c" and "b" in op.input
    op.input[0] = "z"
    del op.input[1]
    op.input.extend(op.input)
    assert list(op.input) == ["z", "c", "z", "c"]
    del op.input[:]
    assert len(op.input) == 0 and not op.input
    net = small_net()
    net.op.extend([net.op[0]])
    net.op[1].type = "Relu"
    assert [o.type for o in net.op] == ["Conv", "Relu"]
    with pytest.raises(IndexError):
        net.op[2]


def test_wrong_values_are_refused_as_protobuf_does():
    op = caffe2_pb2.OperatorDef()
    with pytest.raises(TypeError, match="expected one of: bytes, str"):
        op.type = 3
    with pytest.raises(TypeError, match="int"):
        op.op_version = "x"
    with pytest.raises(ValueError, match="out of range"):
        caffe2_pb2.NetDef(num_workers=2**40)
    with pytest.raises(AttributeError, match="Assignment not allowed"):
        op.arg = []
    with pytest.raises(AttributeError):
        op.nothing = 1
    with pytest.raises(ValueError, match="no 'nothing' field"):
        caffe2_pb2.NetDef(nothing=1)
    with pytest.raises(TypeError, match="same class"):
        op.CopyFrom(caffe2_pb2.NetDef())
    with pytest.raises(EncodeError, match="key"):
        metanet_pb2.MetaNetDef(nets=[metanet_pb2.NetsMap()]).SerializeToString()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: 3", "1:7"),
        ('op {\n  type: "a"\n', "3:1"),
        ("op {\n  nothing: 1 }", "2:3"),
        ('name: "a', "1:7"),
        ("num_workers: 1x", "1:14"),
        ("num_workers: 99999999999", "1:14"),
        ("op < type: 'a' }", "1:16"),
        ("arg { n {" * 200, "1:"),
    ],
)
def test_errors_of_the_text_form_name_line_and_column(text, place):
    with pytest.raises(ParseError, match=place):
        Parse(text, caffe2_pb2.NetDef())


def test_damaged_bytes_are_an_error_that_names_the_place():
    data = small_net().SerializeToString()
    deep = b""
    for _ in range(300):
        deep = b"\x42" + _length(deep) + deep  # Argument.n of NetDef.arg, by turns
        deep = b"\x32" + _length(deep) + deep
    for bad in (data[:-3], b"\x0a\xff\xff\xff\xff\x0f", b"\x07", b"\x00", b"\x0b" * 100_000, deep, b"\x08"):
        with pytest.raises(DecodeError, match="byte|required|deep"):
            caffe2_pb2.NetDef.FromString(bad)
    rng = random.Random(0)
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            net = caffe2_pb2.NetDef.FromString(bytes(broken))
        except DecodeError:
            continue
        again = caffe2_pb2.NetDef.FromString(net.SerializeToString())
        assert again.SerializeToString() == net.SerializeToString()  # NaN is not equal to itself


def _length(data):
    n, out = len(data), b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def test_fields_that_nobody_knows_are_kept():
    data = b"\x0a\x01n" + b"\xd2\x0f\x02ab"
    net = caffe2_pb2.NetDef.FromString(data)
    assert net.name == "n" and net.SerializeToString() == data


@pytest.mark.skipif(not FIXTURES.exists(), reason="needs ../shared")
def test_nets_that_caffe2_wrote_are_written_again_byte_for_byte():
    for path in sorted(FIXTURES.rglob("*_net.pb")):
        net = caffe2_pb2.NetDef.FromString(path.read_bytes())
        assert net.SerializeToString() == path.read_bytes(), path
        text = path.with_suffix(".pbtxt")
        if text.exists():
            assert str(net) == text.read_text(), path
            assert Parse(text.read_text(), caffe2_pb2.NetDef()) == net, path
