"""caffe2.python.schema: kinds of fields that records are made of."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from rushlight.caffe2.python.core import BlobReference

FIELD_SEPARATOR = ":"

FeatureSpec = namedtuple(
    "FeatureSpec",
    "feature_type feature_names feature_ids feature_is_request_only desired_hash_size feature_to_index",
    defaults=(None,) * 6,
)


class Metadata(namedtuple("Metadata", "categorical_limit expected_value feature_specs", defaults=(None, None, None))):
    """What is known of a scalar besides its dtype.

    categorical_limit: whole numbers from 0 on are below it. expected_value: their mean, as of lengths. feature_specs: of the features in it.
    """

    __slots__ = ()


def _joined(prefix, name):
    return FIELD_SEPARATOR.join(part for part in (prefix, name) if part)


def _as_field(thing, keep_blobs=True):
    """A field of its own for a container: a copy of a field, a scalar of a dtype, or a scalar with a blob."""
    if isinstance(thing, Field):
        return thing.clone(keep_blobs=keep_blobs)
    if isinstance(thing, (type, np.dtype)):
        return Scalar(dtype=thing)
    return Scalar(blob=thing)


class Field:
    """A part of a record. What it consists of is `_parts`: pairs of a name, under which a part's names lie, and the part."""

    __slots__ = ("_field_offsets", "_parent")

    def __init__(self, children=()):
        self._parent = (None, 0)
        self._field_offsets = [0]
        for place, child in enumerate(children):
            child._parent = (self, place)
            self._field_offsets.append(self._field_offsets[-1] + len(child.field_names()))

    def _parts(self):
        raise NotImplementedError("Field is an abstract class.")

    def _of_parts(self, method):
        return [item for _, part in self._parts() for item in getattr(part, method)()]

    def field_names(self):
        """Names of the scalars, with those of the fields that they lie in: "a:lengths"."""
        return [_joined(name, inner) for name, part in self._parts() for inner in part.field_names()]

    def field_types(self):
        return self._of_parts("field_types")

    def field_metadata(self):
        return self._of_parts("field_metadata")

    def field_blobs(self):
        """Blobs or arrays of the scalars, in the order of their names; each has to have one."""
        return self._of_parts("field_blobs")

    def all_scalars(self):
        return self._of_parts("all_scalars")

    def has_blobs(self):
        return all(part.has_blobs() for _, part in self._parts())

    def clone(self, keep_blobs=True):
        raise NotImplementedError("Field is an abstract class.")

    def clone_schema(self):
        return self.clone(keep_blobs=False)

    def slice(self):
        """Where this field's scalars are among those of the outermost field."""
        first = self._first()
        return slice(first, first + len(self.field_names()))

    def _first(self):
        parent, place = self._parent
        return 0 if parent is None else parent._first() + parent._field_offsets[place]

    _child_base_id = _first

    def __eq__(self, other):
        if not isinstance(other, Field):
            return NotImplemented
        return all(
            getattr(self, what)() == getattr(other, what)() for what in ("field_names", "field_types", "field_metadata")
        )

    __hash__ = None

    def __setstate__(self, state):
        for name, value in state[1].items():  # past a struct's own __setattr__
            object.__setattr__(self, name, value)

    def _lines(self, depth):
        pad = "  " * depth
        yield f"{pad}{type(self).__name__}("
        for name, part in self._shown_parts():
            yield f"{pad}  {name}="
            yield from part._lines(depth + 2)
        yield f"{pad})"

    def _shown_parts(self):
        return self._parts()

    def __repr__(self):
        return "\n".join(self._lines(0)) + "\n"


class Scalar(Field):
    """A leaf: one tensor, whose rows are the values.

    Args:
        dtype: a numpy dtype, with the shape of a row where that has one: ``(np.int32, 5)``. None: of any kind.
        blob: a BlobReference, or an array of the values.
        metadata: a Metadata.
    """

    __slots__ = ("_blob", "_metadata", "_original_dtype", "dtype")

    def __init__(self, dtype=None, blob=None, metadata=None):
        self._metadata = None
        self.set(dtype, blob, metadata, unsafe=True)
        super().__init__()

    def _parts(self):
        return ()

    def field_names(self):
        return [""]

    def field_type(self):
        return self.dtype

    def field_types(self):
        return [self.dtype]

    def field_metadata(self):
        return [self._metadata]

    def field_blobs(self):
        return [self.get()]

    def all_scalars(self):
        return [self]

    def has_blobs(self):
        return self._blob is not None

    def clone(self, keep_blobs=True):
        return Scalar(self._original_dtype, self._blob if keep_blobs else None, self._metadata)

    def get(self):
        """The blob or array."""
        assert self._blob is not None, "Value is not set for this field."
        return self._blob

    __call__ = get

    def id(self):
        """The place of this scalar in its record."""
        return self._first()

    @property
    def metadata(self):
        return self._metadata

    def set_metadata(self, value):
        assert isinstance(value, Metadata), f"metadata must be Metadata, got {type(value)}"
        self._metadata = value
        self._check_metadata()

    def _check_metadata(self):
        if self._metadata is None or self._metadata.categorical_limit is None or self.dtype is None:
            return
        assert np.issubdtype(self.dtype, np.integer), (
            f"`categorical_limit` can be specified only in integral fields but got {self.dtype}"
        )

    def set_value(self, blob, throw_on_type_mismatch=False, unsafe=False):
        """Another blob or array of the same dtype."""
        if throw_on_type_mismatch and self.dtype.base != np.void:
            assert isinstance(blob, np.ndarray), f"Got {blob!r}"
            assert blob.dtype.base == self.dtype.base, f"Expected {self.dtype.base}, got {blob.dtype.base}"
        self.set(dtype=self._original_dtype, blob=blob, unsafe=unsafe)

    def set(self, dtype=None, blob=None, metadata=None, unsafe=False):
        """Another dtype and blob; see Scalar. Records that hold this scalar see it: `unsafe` says that this is wanted."""
        if isinstance(blob, (str, bytes)):
            raise ValueError(
                "Passing str blob to Scalar.set() is ambiguous. Do either set(blob=np.array(blob)) or "
                "set(blob=BlobReference(blob))"
            )
        self._original_dtype = dtype
        known = _dtype_of(dtype, blob)
        if blob is not None and not isinstance(blob, BlobReference):
            known, blob = _array_of(known, blob)
        known = np.dtype(np.void) if known is None else known
        assert not known.fields, "Cannot create Scalar with a structured dtype. Use from_dtype instead."
        self.dtype, self._blob = known, blob
        if metadata is not None:
            self.set_metadata(metadata)
        self._check_metadata()

    def set_type(self, dtype):
        self._original_dtype = dtype
        self.dtype = np.dtype(np.void if dtype is None else dtype)
        self._check_metadata()

    def _lines(self, depth):
        yield "  " * depth + f"Scalar({self.dtype!r}, {self._blob!r}, {self._metadata!r})"


def _dtype_of(dtype, blob):
    if dtype is None:
        return None
    if isinstance(dtype, tuple):
        if dtype[0] == np.void:
            raise TypeError(
                f"Cannot set the Scalar with type {dtype} for blob {blob}. If this blob is the output of some operation, "
                "please verify the input of that operation has proper type."
            )
        if dtype[1] == 1:  # numpy takes 1 for no shape at all
            dtype = (dtype[0], (1,))
    return np.dtype(dtype)


def _array_of(dtype, values):
    """Values as an array with a dimension of rows, and the dtype with the shape of a row."""
    given = isinstance(values, np.ndarray)
    if dtype is None or dtype == np.void:
        assert given, f"Invalid blob type: {type(values)}"
        return dtype, values
    values = np.array(values, dtype=dtype.base)
    if not given:
        if values.size == 0:
            values = values.reshape((0, *dtype.shape))
        if values.ndim == 0:
            values = values.reshape(1)
    if values.ndim > 1:
        dtype = np.dtype((dtype.base, values.shape[1:]))
    return dtype, values


class List(Field):
    """Rows of several values: `lengths` says how many each has. A list of structs has the structs' fields as its own."""

    __slots__ = ("_items", "lengths")

    def __init__(self, values, lengths_blob=None):
        self.lengths = self._scalar_of(lengths_blob, np.int32)
        self._items = _as_field(values)
        super().__init__(part for _, part in self._parts())

    @staticmethod
    def _scalar_of(blob, dtype):
        if isinstance(blob, Field):
            assert isinstance(blob, Scalar), f"expected a Scalar, got {type(blob).__name__}"
            return blob.clone()
        return Scalar(dtype, blob)

    def _parts(self):
        return (("lengths", self.lengths), ("values", self._items))

    def _shown_parts(self):
        return (("_items" if name == "values" else name, part) for name, part in self._parts())

    def clone(self, keep_blobs=True):
        copies = {name: part.clone(keep_blobs) for name, part in self._parts()}
        return type(self)(copies.pop("values"), *copies.values())

    def __getattr__(self, item):
        if not item.startswith("__"):
            items = object.__getattribute__(self, "_items")
            if isinstance(items, Struct):
                return getattr(items, item)
            if item in ("value", "items"):
                return items
        raise AttributeError(f"Field not found in list: {item}.")

    def __getitem__(self, item):
        first, _, rest = item.partition(FIELD_SEPARATOR)
        for name, part in self._parts():
            if name == first:
                if not rest:
                    return part
                if name == "values":
                    return part[rest]
        raise KeyError(f"Field not found in list: {item}.")


class ListWithEvicted(List):
    """A list with the values that a cache has put out."""

    __slots__ = ("_evicted_values",)

    def __init__(self, values, lengths_blob=None, evicted_values=None):
        self._evicted_values = self._scalar_of(evicted_values, np.int64)
        super().__init__(values, lengths_blob=lengths_blob)

    def _parts(self):
        return (*super()._parts(), ("_evicted_values", self._evicted_values))


class Struct(Field):
    """Fields with names, whose rows belong together.

    Args:
        fields: pairs (name, field). A name "a:b" makes a struct "a" with a field "b"; structs of the same name become one.
    """

    __slots__ = ("_frozen", "fields")

    def __init__(self, *fields):
        self.fields = {}
        for pair in fields:
            assert len(pair) == 2, f"expected pairs (name, field), got {pair}"
            name, field = pair
            assert name, "Field names cannot be empty"
            assert name != "lengths", "Struct cannot contain a field named `lengths`."
            first, _, rest = name.partition(FIELD_SEPARATOR)
            field = Struct((rest, field)) if rest else _as_field(field)
            there = self.fields.get(first)
            if there is not None:
                if not (isinstance(there, Struct) and isinstance(field, Struct)):
                    raise ValueError(f"Duplicate field name: {first}")
                field = there + field
            self.fields[first] = field
        super().__init__(self.fields.values())
        self._frozen = True

    def _parts(self):
        return self.fields.items()

    def get_children(self):
        return list(self.fields.items())

    def clone(self, keep_blobs=True):
        return type(self)(*((name, field.clone(keep_blobs)) for name, field in self.fields.items()))

    def _nested(self, name):
        first, _, rest = name.partition(FIELD_SEPARATOR)
        field = self.fields.get(first)
        if field is None or not rest:
            return field
        try:
            return field[rest]
        except (KeyError, TypeError):
            return None

    def __contains__(self, item):
        return self._nested(item) is not None

    def __len__(self):
        return len(self.fields)

    def __getitem__(self, item):
        """A field by its name ("a", "a:b") or place; a struct of several."""
        if isinstance(item, (list, tuple)):
            names = list(self.fields)
            return Struct(*((names[k] if isinstance(k, int) else k, self[k]) for k in item))
        if isinstance(item, int):
            return list(self.fields.values())[item]
        field = self._nested(item)
        if field is None:
            raise KeyError(f'field "{item}" not found')
        return field

    def get(self, item, default_value):
        """The field of that name, or the default."""
        return getattr(self, item, default_value)

    def __getattr__(self, item):
        if not item.startswith("__"):
            fields = object.__getattribute__(self, "fields")
            if item in fields:
                return fields[item]
        raise AttributeError(item)

    def __setattr__(self, key, value):
        try:
            object.__getattribute__(self, "_frozen")
        except AttributeError:
            pass
        else:
            if not key.startswith("_"):
                raise TypeError("Struct.__setattr__() is disabled after __init__()")
        super().__setattr__(key, value)

    def __add__(self, other):
        """The fields of both; structs that both have are joined in the same way."""
        if not isinstance(other, Struct):
            return NotImplemented
        fields = dict(self.fields)
        for name, right in other.fields.items():
            left = fields.get(name)
            if left is not None:
                if not (isinstance(left, Struct) and isinstance(right, Struct)):
                    raise TypeError(
                        f"Type of left_field, {type(left)}, and type of right_field, {type(right)}, must both the Struct "
                        f"to allow merging of the field, {name}"
                    )
                right = left + right
            fields[name] = right
        return Struct(*fields.items())

    def __sub__(self, other):
        """The fields that the other one doesn't have; structs that both have lose fields in the same way, and go where none is left."""
        if not isinstance(other, Struct):
            return NotImplemented
        fields = dict(self.fields)
        for name, right in other.fields.items():
            if name not in fields:
                continue
            left = fields.pop(name)
            if type(left) is not type(right):
                raise TypeError(
                    f"Type of left_field, {type(left)}, is not the same as that of right_field, {type(right)}, yet they "
                    f"have the same field name, {name}"
                )
            if isinstance(left, Struct) and len(left - right):
                fields[name] = left - right
        # In the order that the fields had.
        return Struct(*((name, fields[name]) for name in self.fields if name in fields))
