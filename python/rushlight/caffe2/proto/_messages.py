"""Classes over the messages of the library, which knows their fields: what protobuf's generated classes offer."""

from rushlight import _caffe2


class Message:
    """A message; fields are attributes.

    >>> from rushlight.caffe2.proto import caffe2_pb2
    >>> net = caffe2_pb2.NetDef(name="tiny")
    >>> net.op.add(type="Relu", input=["x"], output=["y"]).type
    'Relu'
    >>> caffe2_pb2.NetDef.FromString(net.SerializeToString()) == net
    True
    """

    __slots__ = ("_message",)
    _type = ""
    __hash__ = None  # type: ignore[assignment]

    def __new__(cls, *args, **fields):
        self = object.__new__(cls)
        object.__setattr__(self, "_message", _caffe2.Message())
        return self

    def __init__(self, **fields):
        object.__setattr__(self, "_message", _caffe2.Message(self._type))
        self._fill(fields)

    def _fill(self, fields):
        for name, value in fields.items():
            if value is None:
                continue
            try:
                at = getattr(self, name)
            except AttributeError:
                raise ValueError(f"Protocol message {type(self).__name__} has no {name!r} field.") from None
            if isinstance(at, _caffe2.RepeatedField):
                for item in value:
                    if isinstance(item, dict):
                        at.add(**item)
                    else:
                        at.append(item)
            elif isinstance(at, Message):
                at._fill(value) if isinstance(value, dict) else at.CopyFrom(value)
                at._message.touch()
            else:
                setattr(self, name, value)

    def __getattr__(self, name):
        return self._message.get(name)

    def __setattr__(self, name, value):
        self._message.set(name, value)

    def __eq__(self, other):
        if not isinstance(other, Message) or other._type != self._type:
            return NotImplemented
        return self._message.equals(other._message)

    def __str__(self):
        return self._message.text()

    __repr__ = __str__

    def __dir__(self):
        return sorted({*object.__dir__(self), *self._fields})

    def __reduce__(self):
        return _restored, (self._type, self.SerializePartialToString())

    def __copy__(self):
        copy = type(self)()
        copy.CopyFrom(self)
        return copy

    def __deepcopy__(self, memo):
        return self.__copy__()

    def HasField(self, name):
        return self._message.has(name)

    def ClearField(self, name):
        self._message.clear_field(name)

    def Clear(self):
        self._message.clear()

    def SetInParent(self):
        self._message.touch()

    def _same(self, other, what):
        if not isinstance(other, type(self)):
            raise TypeError(
                f"Parameter to {what}() must be instance of same class: expected {type(self).__name__} got {type(other).__name__}."
            )

    def CopyFrom(self, other):
        self._same(other, "CopyFrom")
        self._message.copy_from(other._message)

    def MergeFrom(self, other):
        self._same(other, "MergeFrom")
        self._message.merge_from(other._message)

    def IsInitialized(self, errors=None):
        missing = self.FindInitializationErrors()
        if errors is not None:
            errors.extend(missing)
        return not missing

    def FindInitializationErrors(self):
        missing = self._message.missing()
        return missing.split(", ") if missing else []

    def SerializeToString(self, **kwargs):
        missing = self._message.missing()
        if missing:
            raise EncodeError(f"Message caffe2.{self._type} is missing required fields: {missing.replace(', ', ',')}")
        return self._message.serialize()

    def SerializePartialToString(self, **kwargs):
        return self._message.serialize()

    def ParseFromString(self, data):
        try:
            return self._message.parse(bytes(data))
        except RuntimeError as e:
            raise DecodeError(str(e)) from None

    def MergeFromString(self, data):
        try:
            return self._message.merge_binary(bytes(data))
        except RuntimeError as e:
            raise DecodeError(str(e)) from None

    @classmethod
    def FromString(cls, data):
        message = cls()
        message.ParseFromString(data)
        return message

    def ByteSize(self):
        return len(self._message.serialize())

    def ListFields(self):
        return [(_Field(name), getattr(self, name)) for name in self._message.set_fields()]

    def WhichOneof(self, name):
        raise ValueError(f"Protocol message {self._type} has no oneof {name!r}")


class _Field:
    """What ListFields says of a field."""

    def __init__(self, name):
        self.name = name


def _errors():
    # A user's program may catch protobuf's own where it has that package.
    try:
        from google.protobuf.message import DecodeError, EncodeError
    except ImportError:

        class Error(Exception):
            pass

        class DecodeError(Error):
            pass

        class EncodeError(Error):
            pass

    return DecodeError, EncodeError


DecodeError, EncodeError = _errors()


class Enum:
    """An enumeration's names and numbers."""

    def __init__(self, name, values):
        self.name = name
        self._values = dict(values)

    def Name(self, number):
        for name, value in self._values.items():
            if value == number:
                return name
        raise ValueError(f"Enum {self.name} has no name defined for value {number!r}")

    def Value(self, name):
        try:
            return self._values[name]
        except KeyError:
            raise ValueError(f"Enum {self.name} has no value defined for name {name!r}") from None

    def keys(self):
        return list(self._values)

    def values(self):
        return list(self._values.values())

    def items(self):
        return list(self._values.items())

    def __getattr__(self, name):
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(name) from None


classes = {}


def _make():
    for name, fields in _caffe2.message_types():
        cls = type(
            name.rpartition(".")[2],
            (Message,),
            {"__slots__": (), "_type": name, "_fields": fields, "__module__": __name__},
        )
        classes[name] = cls
        _caffe2._register_message(name, cls)
    for name, cls in classes.items():
        outer, _, inner = name.rpartition(".")
        if outer:
            setattr(classes[outer], inner, cls)
    enums = {}
    for name, values in _caffe2.enum_types():
        outer, _, inner = name.rpartition(".")
        enums[name] = enum = Enum(inner, values)
        if outer:
            setattr(classes[outer], inner, enum)
            for label, number in values:
                setattr(classes[outer], label, number)
    return enums


enums = _make()


def _restored(name, data):
    return classes[name].FromString(data)


def Parse(text, message, **kwargs):
    """google.protobuf.text_format.Parse: fields of the text form go into `message`, which is returned. Errors name line and column."""
    if isinstance(text, bytes):
        text = text.decode()
    try:
        message._message.parse_text(text, "text")
    except RuntimeError as e:
        raise ParseError(str(e).removeprefix("text:")) from None
    return message


def _parse_error():
    try:
        from google.protobuf.text_format import ParseError
    except ImportError:

        class ParseError(Exception):
            pass

    return ParseError


ParseError = _parse_error()


def MessageToString(message, **kwargs):
    """google.protobuf.text_format.MessageToString."""
    return str(message)
