"""caffe2.python.schema: fields of records, and records of nets."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from rushlight.caffe2.python import core, schema, workspace
from rushlight.caffe2.python.schema import List, ListWithEvicted, Map, Metadata, Scalar, Struct


@pytest.fixture(autouse=True)
def empty_workspace():
    workspace.ResetWorkspace()


def nested():
    return Struct(
        ("label", np.float32),
        ("tags", Map(np.int64, List(np.float32))),
        ("who:name", str),
        ("who", Struct(("age", np.int8))),
    )


def test_names_types_and_places_of_fields():
    record = nested()
    names = "label tags:lengths tags:values:keys tags:values:values:lengths tags:values:values:values who:name who:age"
    assert record.field_names() == names.split()
    assert [t.kind for t in record.field_types()] == list("fiiifUi")
    assert record.tags.slice() == slice(1, 5) and record.tags.keys.id() == 2 and record.who.age.id() == 6
    assert (
        record["tags:values:keys"] == record.tags["values"]["keys"]
        and "who:name" in record
        and "who:size" not in record
    )
    assert record[0].dtype == np.float32 and record[("who", 0)].field_names() == ["who:name", "who:age", "label"]
    assert len(record) == 3 and record.get("nobody", 7) == 7
    assert schema.from_column_list(record.field_names(), record.field_types()).field_names() == record.field_names()
    again = schema.from_column_list(names.split())
    assert type(again.tags) is List and type(again.tags["values"]) is Struct
    assert pickle.loads(pickle.dumps(record)) == record
    assert repr(Struct(("a", List(np.int32)))).splitlines()[2:4] == ["    List(", "      lengths="]


def test_structs_are_added_and_subtracted():
    a = Struct(("x", np.int32), ("in", Struct(("one", np.int32), ("two", np.int32))))
    b = Struct(("in", Struct(("two", np.int32))), ("y", np.int32))
    assert (a - b).field_names() == ["x", "in:one"] and (a + Struct(("in:three", np.int32))).field_names()[
        -1
    ] == "in:three"
    assert (b - a).field_names() == ["y"] and schema.is_schema_subset(a - b, a) and not schema.equal_schemas(a, b)
    with pytest.raises(TypeError, match="to allow merging of the field, x"):
        a + Struct(("x", np.int32))
    with pytest.raises(TypeError, match="same field name, in"):
        a - Struct(("in", np.int32))
    with pytest.raises(ValueError, match="Duplicate field name: x"):
        Struct(("x", np.int32), ("x", np.int32))
    with pytest.raises(AssertionError, match="named `lengths`"):
        Struct(("lengths", np.int32))
    with pytest.raises(TypeError, match="disabled"):
        a.x = 3
    with pytest.raises(KeyError, match="gone"):
        a["gone"]


def test_scalars_take_arrays_blobs_and_metadata():
    assert Scalar((np.int32, 5)).dtype.shape == (5,) and Scalar((np.int32, 1)).dtype.shape == (1,)
    assert Scalar(np.float32, [[1, 2], [3, 4]]).dtype == np.dtype((np.float32, 2))
    assert Scalar(np.float32, 3).get().tolist() == [3] and Scalar(np.float32, []).get().shape == (0,)
    assert Scalar(blob=np.array(2)).get().shape == () and Scalar(blob=core.BlobReference("b"))() == "b"
    number = Scalar(np.int64, metadata=Metadata(categorical_limit=9))
    assert number.clone().metadata.categorical_limit == 9 and number.metadata.expected_value is None
    with pytest.raises(AssertionError, match="only in integral"):
        Scalar(np.float32, metadata=Metadata(categorical_limit=9))
    with pytest.raises(ValueError, match="ambiguous"):
        Scalar(blob="name")
    with pytest.raises(AssertionError, match="Value is not set"):
        number()
    with pytest.raises(AssertionError, match="Expected float32, got float64"):
        Scalar(np.float32).set_value(np.zeros(2), throw_on_type_mismatch=True, unsafe=True)
    cached = ListWithEvicted(np.int64, evicted_values=core.BlobReference("out"))
    assert cached.field_names() == ["lengths", "values", "_evicted_values"] and cached["_evicted_values"]() == "out"
    assert schema.data_type_for_dtype(np.dtype(np.int8)) == core.DataType.INT8
    assert schema.dtype_for_core_type(core.DataType.DOUBLE) is np.float64
    assert schema.from_dtype(np.dtype([("a", np.int32), ("b", np.float32, (2,))])).field_names() == ["a", "b"]
    assert schema.as_record({"a": np.int32, "b": (np.int32, np.int8)}).field_names() == ["a", "b:field_0", "b:field_1"]
    assert schema.RawTuple(2).field_names() == ["field_0", "field_1"]


def test_nets_have_records_of_inputs_and_outputs():
    net = core.Net("with_records")
    inputs = net.set_input_record(Struct(("x", np.float32), ("rest", Struct(("y", np.float32)))))
    assert [str(b) for b in inputs.field_blobs()] == ["with_records/x", "with_records/rest:y"]
    total = net.Add([inputs.x(), inputs.rest.y()], "total")
    net.set_output_record(Struct(("total", total)))
    net.AppendOutputRecordField("twice", Scalar(blob=net.Add([total, total], "twice")))
    assert list(net.Proto().external_output) == ["total", "twice"]
    schema.FeedRecord(inputs, [np.float32([1, 2]), np.float32([3, 4])])
    workspace.RunNetOnce(net)
    assert schema.FetchRecord(net.output_record()).twice().tolist() == [8, 12]
    given = schema.ConstRecord(
        net, Struct(("rest:y", np.float32([1])), ("x", np.float32([2])), ("more", np.float32([3])))
    )
    copy, names = core.clone_and_bind_net(net, "bound", "bound/", inputs=given)
    assert names["with_records/x"] == str(given.x()) and names["total"] == "bound/total"
    assert str(copy.output_record().twice()) == "bound/twice" and str(copy.input_record().x()) == str(given.x())
    found = core.Net(net.Proto())
    found.recover_input_record_by_prefix("with_records/")
    assert found.input_record().field_names() == ["x", "rest:y"]
    with pytest.raises(AssertionError, match="schema cannot be reset"):
        net.set_input_record(Struct(("z", np.float32)))
    with pytest.raises(AssertionError, match="is not defined"):
        core.Net("other").set_output_record(Struct(("gone", core.BlobReference("gone"))))
    empty = schema.InitEmptyRecord(core.Net("empty"), Struct(("x", Scalar((np.float32, 3))), ("any", np.void)))
    assert empty.has_blobs()
    with pytest.raises(TypeError, match="Unknown dtype"):
        schema.InitEmptyRecord(core.Net("empty"), Struct(("any", np.void)), enforce_types=True)
