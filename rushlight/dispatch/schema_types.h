// The types of the schema language: the one table of them. Made from it: the types of graphs (schema.cpp), what Python's parser wants and
// says (python/src/py_parse), and what the generated C++ API and stubs declare (tools/gen_api.py and gen_stubs.py read these lines).
#pragma once
#include "rushlight/core/type.h"

// X(Want, schema's name, type of graphs (none: a list of another row's), Python's text in messages, C++ parameter, C++ result, how a
//   result is taken out of an IValue, Python's stub as an argument, as a result); "": does not occur.
#define RL_SCHEMA_TYPES(X)                                                                                             \
  X(Tensor, "Tensor", Type::tensor(), "Tensor", "const Tensor&", "Tensor", "{}.take_tensor()", "Tensor", "Tensor")     \
  X(TensorList, "Tensor[]", {}, "tuple of Tensors", "TensorList", "Tensors", "{}.tensor_list().vec()",                 \
    "Sequence[Tensor]", "tuple[Tensor, ...]")                                                                          \
  X(OptionalTensorList, "Tensor?[]", {}, "tuple of Tensors", "TensorList", "", "", "Sequence[Tensor | None]", "")      \
  X(Number, "Scalar", Type::simple(Type::Kind::Number), "Number", "const Scalar&", "Scalar", "{}.to_scalar()",         \
    "Number", "Any")                                                                                                   \
  X(NumberList, "Scalar[]", {}, "tuple of Scalars", "", "", "", "Sequence[Number]", "")                                \
  X(Int, "int", Type::integer(), "int", "int64_t", "int64_t", "{}.to_int()", "_int", "_int")                           \
  X(Float, "float", Type::floating(), "float", "double", "double", "{}.to_double()", "_float", "_float")               \
  X(Complex, "complex", Type::simple(Type::Kind::Complex), "complex", "complex128", "", "", "complex", "")             \
  X(Bool, "bool", Type::boolean(), "bool", "bool", "bool", "{}.to_bool()", "_bool", "_bool")                           \
  X(Str, "str", Type::string(), "str", "std::string_view", "std::string", "std::string({}.to_string())", "str", "str") \
  X(IntList, "int[]", {}, "tuple of ints", "IntArrayRef", "std::vector<int64_t>", "{}.int_list().vec()",               \
    "Sequence[_int]", "tuple[_int, ...]")                                                                              \
  X(FloatList, "float[]", {}, "tuple of floats", "ArrayRef<double>", "", "", "Sequence[_float]", "")                   \
  X(BoolList, "bool[]", {}, "tuple of bools", "IntArrayRef", "", "", "Sequence[_bool]", "")                            \
  X(DType, "ScalarType", Type::integer(), "torch.dtype", "DType", "DType", "DType({}.to_int())", "DType", "_dtype")    \
  X(Layout, "Layout", Type::integer(), "torch.layout", "Layout", "", "", "_layout", "")                                \
  X(Device, "Device", Type::simple(Type::Kind::Device), "torch.device", "Device", "Device", "{}.to_device()",          \
    "DeviceLike", "_device")                                                                                           \
  X(MemoryFormat, "MemoryFormat", Type::integer(), "torch.memory_format", "MemoryFormat", "", "", "_memory_format",    \
    "")                                                                                                                \
  X(Generator, "Generator", Type::simple(Type::Kind::Generator), "torch.Generator", "Generator*", "", "", "Generator", \
    "")

namespace rushlight {

// What an argument of a call may be.
enum class Want : uint8_t {
#define RL_ENTRY(Name, ...) Name,
  RL_SCHEMA_TYPES(RL_ENTRY)
#undef RL_ENTRY
      Any,
};

struct SchemaType {
  Want want;
  const char* name;
  TypePtr graph;       // null for lists
  const char* python;  // in messages
};
// All rows, by Want.
const std::vector<SchemaType>& schema_types();

}  // namespace rushlight
