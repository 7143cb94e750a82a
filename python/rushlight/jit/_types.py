"""The types of scripts as objects: torch.ListType(torch.IntType.get()). For tools that look at schemas and annotations."""

from __future__ import annotations

import itertools
from typing import Any


class Type:
    """A type of TorchScript; two are equal if they are written in the same way."""

    annotation_str = ""

    def kind(self) -> str:
        return type(self).__name__

    def str(self) -> Any:
        return self.annotation_str

    def __str__(self) -> Any:
        return self.annotation_str

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Type) and self.annotation_str == other.annotation_str

    def __hash__(self) -> int:
        return hash(self.annotation_str)

    def containedTypes(self) -> list[Type]:  # noqa: N802
        return []

    def isSubtypeOf(self, other: Type) -> bool:  # noqa: N802
        """Whether each value of this type is one of the other."""
        if isinstance(other, AnyType) or self == other:
            return True
        if isinstance(other, OptionalType):
            return isinstance(self, NoneType) or self.isSubtypeOf(other.getElementType())
        if isinstance(other, UnionType):
            return any(self.isSubtypeOf(part) for part in other.containedTypes())
        if isinstance(self, TupleType) and isinstance(other, TupleType):
            mine, theirs = self.elements(), other.elements()
            return len(mine) == len(theirs) and all(a.isSubtypeOf(b) for a, b in zip(mine, theirs, strict=True))
        return isinstance(other, NumberType) and isinstance(self, (IntType, FloatType, ComplexType))


class _Plain(Type):
    """A type without arguments: there is one object of it."""

    _one: Any = None

    @classmethod
    def get(cls) -> Any:
        if cls.__dict__.get("_one") is None:
            cls._one = cls()
        return cls._one


def _plain(name: str, written: str) -> Any:
    return type(name, (_Plain,), {"annotation_str": written, "__module__": "torch", "__doc__": f"The type {written}."})


AnyType = _plain("AnyType", "Any")
BoolType = _plain("BoolType", "bool")
ComplexType = _plain("ComplexType", "complex")
DeviceObjType = _plain("DeviceObjType", "Device")
FloatType = _plain("FloatType", "float")
IntType = _plain("IntType", "int")
NoneType = _plain("NoneType", "NoneType")
NumberType = _plain("NumberType", "number")
PyObjectType = _plain("PyObjectType", "PyObject")
StreamObjType = _plain("StreamObjType", "Stream")
StringType = _plain("StringType", "str")
SymBoolType = _plain("SymBoolType", "bool")
SymIntType = _plain("SymIntType", "int")
GeneratorType = _plain("GeneratorType", "Generator")


class TensorType(_Plain):
    """Tensor; of a value in a graph with what is known of it. A size that isn't known is a symbol: a negative number, of its own."""

    annotation_str = "Tensor"
    _known: Any = None  # dtype, sizes, strides, device, requires_grad; each may be None

    def _of(self, i: int) -> Any:
        return None if self._known is None else self._known[i]

    def _with(self, i: int, value: Any) -> TensorType:
        known = list(self._known or (None,) * 5)
        known[i] = value
        return self._such(*known)

    @classmethod
    def _such(cls, *known: Any) -> TensorType:
        made = cls()
        made._known = None if all(k is None for k in known) else known
        return made

    @classmethod
    def create_from_tensor(cls, t: Any) -> TensorType:
        """What a tensor is."""
        return cls._such(t.dtype, list(t.shape), list(t.stride()), t.device, t.requires_grad)

    @classmethod
    def getInferred(cls) -> TensorType:  # noqa: N802
        return cls.get()

    def with_sizes(self, sizes: Any) -> TensorType:
        """The type of such tensors of these sizes; None is a new symbol."""
        return self._with(1, None if sizes is None else [new_symbol() if s is None else s for s in sizes])

    def with_dtype(self, dtype: Any) -> TensorType:
        return self._with(0, dtype)

    def with_device(self, device: Any) -> TensorType:
        return self._with(3, device)

    def scalarType(self) -> Any:  # noqa: N802
        """The name of the dtype, "Float"; None if it isn't known."""
        return _scalar_names().get(self._of(0))

    def dtype(self) -> Any:
        return self._of(0)

    def sizes(self) -> Any:
        """All sizes, if they are numbers."""
        sizes = self._of(1)
        return None if sizes is None or any(s < 0 for s in sizes) else sizes

    def varyingSizes(self) -> Any:  # noqa: N802
        sizes = self._of(1)
        return None if sizes is None else [None if s < 0 else s for s in sizes]

    def symbolic_sizes(self) -> Any:
        return self._of(1)

    def strides(self) -> Any:
        return self._of(2)

    def device(self) -> Any:
        return self._of(3)

    def dim(self) -> Any:
        return None if self._of(1) is None else len(self._of(1))

    def requires_grad(self) -> bool:
        """Whether it may; requiresGrad() is None where that isn't known."""
        return self._of(4) is not False

    def requiresGrad(self) -> Any:  # noqa: N802
        return self._of(4)

    def undefined(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and self._known == other._known

    __hash__ = Type.__hash__

    def isSubtypeOf(self, other: Type) -> bool:  # noqa: N802
        """Whether what is known of the other is known of this one."""
        if not isinstance(other, TensorType):
            return super().isSubtypeOf(other)
        mine, theirs = self._of(1), other._of(1)
        if theirs is not None and (
            mine is None
            or len(mine) != len(theirs)
            or any(b >= 0 and a != b for a, b in zip(mine, theirs, strict=True))
        ):
            return False
        return all(other._of(i) is None or self._of(i) == other._of(i) for i in (0, 2, 3, 4))


_symbols = itertools.count(2)


def new_symbol() -> int:
    """torch._C._new_symbolic_shape_symbol: a number that stands for a size which no other symbol is."""
    return -next(_symbols)


def _scalar_names() -> dict[Any, str]:
    import rushlight as rl

    names = {"Byte": rl.uint8, "Char": rl.int8, "Short": rl.int16, "Int": rl.int32, "Long": rl.int64, "Half": rl.float16,
             "Float": rl.float32, "Double": rl.float64, "ComplexFloat": rl.complex64, "ComplexDouble": rl.complex128,
             "Bool": rl.bool, "BFloat16": rl.bfloat16}  # fmt: skip
    return {dtype: name for name, dtype in names.items()}


class _Of(Type):
    """A type with one argument."""

    _name = ""

    def __init__(self, element: Type):
        self._element = element
        if element is None:
            raise RuntimeError(f"Can not create {type(self).__name__} with None type")
        self.annotation_str = f"{self._name}[{element.annotation_str}]"

    def getElementType(self) -> Type:  # noqa: N802
        return self._element

    def containedTypes(self) -> list[Type]:  # noqa: N802
        return [self._element]


class ListType(_Of):
    """List[T]."""

    _name = "List"
    ofInts = classmethod(lambda cls: cls(IntType.get()))  # noqa: N815
    ofFloats = classmethod(lambda cls: cls(FloatType.get()))  # noqa: N815
    ofBools = classmethod(lambda cls: cls(BoolType.get()))  # noqa: N815
    ofStrings = classmethod(lambda cls: cls(StringType.get()))  # noqa: N815
    ofTensors = classmethod(lambda cls: cls(TensorType.get()))  # noqa: N815
    ofComplexDoubles = classmethod(lambda cls: cls(ComplexType.get()))  # noqa: N815


class OptionalType(_Of):
    """Optional[T]."""

    _name = "Optional"
    ofTensor = classmethod(lambda cls: cls(TensorType.get()))  # noqa: N815


class FutureType(_Of):
    """Future[T]."""

    _name = "Future"


class AwaitType(_Of):
    """Await[T]."""

    _name = "Await"


class RRefType(_Of):
    """RRef[T]."""

    _name = "RRef"


class DictType(Type):
    """Dict[K, V]."""

    def __init__(self, key: Type, value: Type):
        self._parts = [key, value]
        self.annotation_str = f"Dict[{key}, {value}]"

    def getKeyType(self) -> Type:  # noqa: N802
        return self._parts[0]

    def getValueType(self) -> Type:  # noqa: N802
        return self._parts[1]

    def containedTypes(self) -> list[Type]:  # noqa: N802
        return list(self._parts)


class TupleType(Type):
    """Tuple[...]."""

    def __init__(self, elements: list[Type]):
        self._parts = list(elements)
        self.annotation_str = f"Tuple[{', '.join(map(repr, self._parts)) or '()'}]"

    def elements(self) -> list[Type]:
        return list(self._parts)

    containedTypes = elements  # noqa: N815


class UnionType(Type):
    """Union[...]; of two of which one is None, an OptionalType."""

    def __new__(cls, members: list[Type]) -> Any:
        rest = [m for m in members if not isinstance(m, NoneType)]
        if len(rest) == 1 and len(members) == 2:
            return OptionalType(rest[0])
        return super().__new__(cls)

    def __init__(self, members: list[Type]):
        self._parts = list(members)
        self.annotation_str = f"Union[{', '.join(sorted(map(repr, self._parts)))}]"

    def containedTypes(self) -> list[Type]:  # noqa: N802
        return list(self._parts)


class ClassType(Type):
    """A class of a script, by its qualified name."""

    def __init__(self, name: str):
        self.annotation_str = name

    def name(self) -> str:
        return self.annotation_str.rpartition(".")[2]

    def qualified_name(self) -> str:
        return self.annotation_str


def made(kind: int, text: str, name: str, parts: list[Type], fields: list[str], known: Any) -> Type:
    """The object for a type of a graph: what _C knows of it."""
    simple = (TensorType, IntType, FloatType, BoolType, ComplexType, NumberType, StringType, NoneType, DeviceObjType,
              GeneratorType, AnyType)  # fmt: skip
    if kind < len(simple):
        if known is None:
            return simple[kind].get()
        return TensorType._such(*known)
    if text.startswith("Future"):
        return FutureType(parts[0])
    of = {"List": ListType, "Optional": OptionalType, "Dict": DictType}.get(text.partition("[")[0])
    if of is not None and parts:
        return of(*parts)
    if parts and text.startswith("Union"):
        return UnionType(parts)
    if name and not fields:
        return ClassType(name)
    tuple_type = TupleType(parts)
    if name:
        tuple_type.annotation_str = name
    return tuple_type


_TYPES_OF_SCHEMAS = {
    "Tensor": TensorType, "int": IntType, "float": FloatType, "bool": BoolType, "complex": ComplexType, "str": StringType,
    "Scalar": NumberType, "number": NumberType, "ScalarType": IntType, "Layout": IntType, "MemoryFormat": IntType,
    "SymInt": IntType, "NoneType": NoneType, "Device": DeviceObjType, "Stream": StreamObjType, "Generator": GeneratorType,
    "Any": AnyType,
}  # fmt: skip


def parsed(text: str) -> Type:
    """The object for a type as schemas write it: "int[2]?", "Dict(str, Tensor)", "(int, float)"."""
    text = text.strip()
    if text in _TYPES_OF_SCHEMAS:
        return _TYPES_OF_SCHEMAS[text].get()
    if text.endswith("?"):
        return OptionalType(parsed(text[:-1]))
    if text.endswith("]") and text[: text.rindex("[")] not in ("Future", "Await", "RRef"):
        return ListType(parsed(text[: text.rindex("[")]))
    name, _, inside = text[:-1].replace("[", "(", text.startswith(("Future[", "Await[", "RRef["))).partition("(")
    of = {
        "": TupleType,
        "Union": UnionType,
        "Dict": DictType,
        "Future": FutureType,
        "Await": AwaitType,
        "RRef": RRefType,
    }
    if text.endswith((")", "]")) and name in of:
        parts, depth, start = [], 0, 0
        for i, c in enumerate(inside):
            depth += (c in "([") - (c in ")]")
            if c == "," and depth == 0:
                parts.append(parsed(inside[start:i]))
                start = i + 1
        if inside.strip():
            parts.append(parsed(inside[start:]))
        return of[name](parts) if name in ("", "Union") else of[name](*parts)
    return ClassType(text)


NAMES = sorted(
    name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Type) and name[0] != "_"
)
