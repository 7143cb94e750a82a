"""caffe2.python.schema: records, whose fields are blobs of the rows of a dataset.

>>> import numpy as np
>>> from rushlight.caffe2.python import core, schema
>>> record = schema.Struct(("label", np.float32), ("words", schema.List(np.int64)))
>>> record.field_names()
['label', 'words:lengths', 'words:values']
>>> net = core.Net("records")
>>> blobs = schema.NewRecord(net, record)
>>> schema.FeedRecord(blobs, [np.array([0.5], np.float32), np.array([2], np.int32), np.array([7, 8])])
>>> schema.FetchRecord(blobs).words.items()
array([7, 8])
"""

from __future__ import annotations

import logging

import numpy as np

from rushlight.caffe2.python import core, workspace
from rushlight.caffe2.python._fields import (
    FIELD_SEPARATOR,
    FeatureSpec,
    Field,
    List,
    ListWithEvicted,
    Metadata,
    Scalar,
    Struct,
    _as_field,
)
from rushlight.caffe2.python.core import BlobReference

__all__ = [
    "FIELD_SEPARATOR",
    "BlobReference",
    "ConstRecord",
    "FeatureSpec",
    "FeedRecord",
    "FetchRecord",
    "Field",
    "InitEmptyRecord",
    "List",
    "ListWithEvicted",
    "Map",
    "MapWithEvicted",
    "Metadata",
    "NamedTuple",
    "NewRecord",
    "RawTuple",
    "Scalar",
    "Struct",
    "Tuple",
    "as_record",
    "attach_metadata_to_scalars",
    "core",
    "data_type_for_dtype",
    "dtype_for_core_type",
    "equal_schemas",
    "from_blob_list",
    "from_column_list",
    "from_dtype",
    "is_schema_subset",
    "schema_check",
    "workspace",
]

logger = logging.getLogger(__name__)


# ---- kinds of records


def Map(keys, values, keys_name="keys", values_name="values", lengths_blob=None):
    """A list of structs of a key and a value."""
    return List(Struct((keys_name, keys), (values_name, values)), lengths_blob=lengths_blob)


def MapWithEvicted(keys, values, keys_name="keys", values_name="values", lengths_blob=None, evicted_values=None):
    """A map with the values that a cache has put out."""
    return ListWithEvicted(Struct((keys_name, keys), (values_name, values)), lengths_blob, evicted_values)


def NamedTuple(name_prefix, *fields):
    """A struct of fields that are called by their places: "name_0", "name_1"."""
    return Struct(*((f"{name_prefix}_{k}", field) for k, field in enumerate(fields)))


def Tuple(*fields):
    return NamedTuple("field", *fields)


def RawTuple(num_fields, name_prefix="field"):
    """A tuple of scalars of any kind."""
    assert isinstance(num_fields, int)
    assert num_fields >= 0
    return NamedTuple(name_prefix, *[np.void] * num_fields)


def from_dtype(dtype, _outer_shape=()):
    """A scalar of a numpy dtype, or a struct of the fields of a structured one."""
    dtype = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype)
    shape = tuple(_outer_shape) + dtype.shape
    base = dtype.base
    if not base.fields:
        return Scalar(np.dtype((base, shape)) if shape else base)
    return Struct(*((name, from_dtype(base.fields[name][0], shape)) for name in base.names))


def from_column_list(col_names, col_types=None, col_blobs=None, col_metadata=None):
    """A record of names as field_names() gives them, with types, blobs and metadata where given."""
    columns = {"col_types": col_types, "col_metadata": col_metadata, "col_blobs": col_blobs}
    for what, column in columns.items():
        columns[what] = column = [None] * len(col_names) if column is None else column
        assert len(column) == len(col_names), f"col_names and {what} must have the same length."
    root = {}
    for name, kind, metadata, blob in zip(col_names, *columns.values()):
        *outer, last = name.split(FIELD_SEPARATOR)
        at = root
        for part in outer:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise ValueError(f"{name}: the column {part} lies in one that has values itself")
        at[last] = Scalar(dtype=kind, blob=blob, metadata=metadata)
    return _of_tree(root)


def _of_tree(node):
    if not isinstance(node, dict):
        return node
    fields = {name: _of_tree(inner) for name, inner in node.items()}
    if set(fields) == {"lengths", "values"}:
        return List(fields["values"], lengths_blob=fields["lengths"])
    if set(fields) == {"lengths", "keys", "values"}:
        return Map(fields["keys"], fields["values"], lengths_blob=fields["lengths"])
    return Struct(*fields.items())


def from_blob_list(schema, values, throw_on_type_mismatch=False):
    """A record of the same fields that has these blobs or arrays."""
    assert isinstance(schema, Field), "Argument `schema` must be a Field."
    values = [values] if isinstance(values, BlobReference) else values
    record = schema.clone_schema()
    scalars = record.all_scalars()
    assert len(scalars) == len(values), f"Values must have {len(scalars)} elements, got {len(values)}."
    for scalar, value in zip(scalars, values):
        scalar.set_value(value, throw_on_type_mismatch, unsafe=True)
    return record


def as_record(value):
    """A record of a field, a dict, a list of fields (a tuple), a dtype or a blob."""
    if isinstance(value, Field):
        return value
    if isinstance(value, dict):
        return Struct(*((name, as_record(v)) for name, v in value.items()))
    if isinstance(value, (list, tuple)):
        return Tuple(*map(as_record, value))
    return _as_field(value)


# ---- records of blobs


def FetchRecord(blob_record, ws=None, throw_on_type_mismatch=False):
    """The record of the arrays that the blobs of a record hold."""
    fetch = workspace.FetchBlob if ws is None else (lambda name: ws.blobs[name].fetch())
    return from_blob_list(blob_record, [fetch(str(b)) for b in _blobs_of(blob_record)], throw_on_type_mismatch)


def FeedRecord(blob_record, arrays, ws=None):
    """Copies arrays, or those of another record, into the blobs of a record."""
    blobs = _blobs_of(blob_record)
    arrays = arrays.field_blobs() if isinstance(arrays, Field) else arrays
    assert len(arrays) == len(blobs), f"Values must contain exactly {len(blobs)} ndarrays."
    for blob, array in zip(blobs, arrays):
        if ws is None:
            workspace.FeedBlob(str(blob), array)
        else:
            ws.create_blob(str(blob)).feed(array)


def _blobs_of(record):
    assert isinstance(record, Field), f"expected a record, got {type(record).__name__}"
    blobs = record.field_blobs()
    for blob in blobs:
        assert isinstance(blob, BlobReference), f"the record should hold blobs, got {type(blob).__name__}"
    return blobs


def NewRecord(net, schema):
    """A record of the same fields with new blobs, called after the fields inside of the name scope."""
    if isinstance(schema, Scalar):
        result = schema.clone()
        result.set_value(blob=net.NextScopedBlob("unnamed_scalar"), unsafe=True)
        return result
    assert isinstance(schema, Field), "Record must be a schema.Field instance."
    return from_blob_list(schema, [net.NextScopedBlob(prefix=name) for name in schema.field_names()])


def ConstRecord(net, array_record):
    """A record of new blobs that the net fills with the arrays of a record."""
    record = NewRecord(net, array_record)
    for blob, array in zip(record.field_blobs(), array_record.field_blobs()):
        net.Const(array, blob)
    return record


def InitEmptyRecord(net, schema_or_record, enforce_types=False):
    """A record of blobs that the net makes with no rows. `enforce_types`: a scalar of any kind is an error, not float."""
    record = schema_or_record if schema_or_record.has_blobs() else NewRecord(net, schema_or_record)
    for dtype, blob in zip(record.field_types(), record.field_blobs()):
        try:
            number = data_type_for_dtype(dtype)
        except TypeError:
            if enforce_types:
                raise
            logger.warning("Blob %s has type error", blob)
            net.ConstantFill([], blob, shape=[0])
        else:
            net.ConstantFill([], blob, shape=[0, *dtype.shape], dtype=number)
    return record


# ---- comparing


def is_schema_subset(schema, original_schema):
    return set(schema.field_names()) <= set(original_schema.field_names())


def equal_schemas(schema, original_schema, check_field_names=True, check_field_types=True, check_field_metas=False):
    assert isinstance(schema, Field)
    assert isinstance(original_schema, Field)
    asked = {
        "field_names": check_field_names,
        "field_types": check_field_types,
        "field_metadata": check_field_metas,
    }
    return all(getattr(schema, what)() == getattr(original_schema, what)() for what, wanted in asked.items() if wanted)


def schema_check(schema, previous=None):
    """The record, which has to be as the previous one."""
    record = as_record(schema)
    assert previous is None or equal_schemas(record, previous), "the record has other fields than the one before"
    return record


_NUMBERS = {
    "float16": core.DataType.FLOAT16,
    "float32": core.DataType.FLOAT,
    "float64": core.DataType.DOUBLE,
    "bool": core.DataType.BOOL,
    "int8": core.DataType.INT8,
    "int16": core.DataType.INT16,
    "int32": core.DataType.INT32,
    "int64": core.DataType.INT64,
    "uint8": core.DataType.UINT8,
    "uint16": core.DataType.UINT16,
}


def data_type_for_dtype(dtype):
    """The number of TensorProto.DataType of a numpy dtype."""
    base = np.dtype(dtype).base
    if base.kind in "US":
        return core.DataType.STRING
    if base.name not in _NUMBERS:
        raise TypeError(f"Unknown dtype: {base}")
    return _NUMBERS[base.name]


def dtype_for_core_type(core_type):
    if core_type == core.DataType.STRING:
        return str
    for name, number in _NUMBERS.items():
        if number == core_type:
            return np.dtype(name).type
    raise TypeError(f"Unknown core type: {core_type}")


def attach_metadata_to_scalars(field, metadata):
    for scalar in field.all_scalars():
        scalar.set_metadata(metadata)
