// Messages of ONNX's file format (onnx.proto of ONNX 1.23), as far as rushlight reads or writes them. Texts and data lie in the file's bytes.
#pragma once
#include "rushlight/io/protobuf.h"

namespace rushlight::onnx {

using io::wire::field;
using Text = std::string_view;

// TensorProto.DataType.
enum Elem : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8e4m3fn = 17,
  kFloat8e4m3fnuz = 18,
  kFloat8e5m2 = 19,
  kFloat8e5m2fnuz = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4e2m1 = 23,
  kFloat8e8m0 = 24,
  kUint2 = 25,
  kInt2 = 26,
};

struct Pair {
  Text key, value;
  static constexpr auto fields() { return std::tuple(field(1, &Pair::key), field(2, &Pair::value)); }
};

struct TensorProto {
  std::vector<int64_t> dims;
  int32_t type = 0;
  std::vector<float> floats;
  std::vector<int32_t> int32s;
  std::vector<Text> strings;
  std::vector<int64_t> int64s;
  Text name;
  std::optional<Text> raw;
  std::vector<double> doubles;
  std::vector<uint64_t> uint64s;
  std::vector<Pair> external;
  int32_t location = 0;  // 1: `external` says where its bytes are
  static constexpr auto fields() {
    using T = TensorProto;
    return std::tuple(field(1, &T::dims), field(2, &T::type), field(4, &T::floats, true), field(5, &T::int32s, true),
                      field(6, &T::strings), field(7, &T::int64s, true), field(8, &T::name), field(9, &T::raw),
                      field(10, &T::doubles, true), field(11, &T::uint64s, true), field(13, &T::external),
                      field(14, &T::location));
  }
};
struct SparseTensorProto {
  TensorProto values, indices;
  std::vector<int64_t> dims;
  static constexpr auto fields() {
    using T = SparseTensorProto;
    return std::tuple(field(1, &T::values), field(2, &T::indices), field(3, &T::dims));
  }
};

struct Dimension {
  std::optional<int64_t> value;
  std::optional<Text> name;
  static constexpr auto fields() { return std::tuple(field(1, &Dimension::value), field(2, &Dimension::name)); }
};
struct Shape {
  std::vector<Dimension> dims;
  static constexpr auto fields() { return std::tuple(field(1, &Shape::dims)); }
};
struct TensorType {
  int32_t elem = 0;
  std::optional<Shape> shape;
  static constexpr auto fields() { return std::tuple(field(1, &TensorType::elem), field(2, &TensorType::shape)); }
};
struct TypeProto;
// Of sequences and optionals.
struct ElementType {
  std::unique_ptr<TypeProto> elem;
  static constexpr auto fields() { return std::tuple(field(1, &ElementType::elem)); }
};
struct MapType {
  int32_t key = 0;
  std::unique_ptr<TypeProto> value;
  static constexpr auto fields() { return std::tuple(field(1, &MapType::key), field(2, &MapType::value)); }
};
struct TypeProto {
  std::optional<TensorType> tensor, sparse_tensor;
  std::optional<ElementType> sequence, optional;
  std::optional<MapType> map;
  static constexpr auto fields() {
    using T = TypeProto;
    return std::tuple(field(1, &T::tensor), field(4, &T::sequence), field(5, &T::map), field(8, &T::sparse_tensor),
                      field(9, &T::optional));
  }
};
struct ValueInfo {
  Text name;
  std::optional<TypeProto> type;
  static constexpr auto fields() { return std::tuple(field(1, &ValueInfo::name), field(2, &ValueInfo::type)); }
};

struct GraphProto;
struct Attribute {
  enum Type : int32_t {
    Undefined = 0,
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Graph = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
    Tensors = 9,
    Graphs = 10,
    SparseTensor = 11,
    TypeOf = 13,
  };
  Text name, reference;  // reference: the attribute of the function's call that is meant
  int32_t type = Undefined;
  float f = 0;
  int64_t i = 0;
  Text s;
  std::unique_ptr<TensorProto> t;
  std::unique_ptr<GraphProto> g;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<Text> strings;
  std::vector<TensorProto> tensors;
  std::unique_ptr<TypeProto> tp;
  std::unique_ptr<SparseTensorProto> sparse;
  static constexpr auto fields() {
    using T = Attribute;
    return std::tuple(field(1, &T::name), field(2, &T::f), field(3, &T::i), field(4, &T::s), field(5, &T::t),
                      field(6, &T::g), field(7, &T::floats), field(8, &T::ints), field(9, &T::strings),
                      field(10, &T::tensors), field(14, &T::tp), field(20, &T::type), field(21, &T::reference),
                      field(22, &T::sparse));
  }
};
struct NodeProto {
  std::vector<Text> inputs, outputs;
  Text name, op, domain, overload;
  std::vector<Attribute> attributes;
  static constexpr auto fields() {
    using T = NodeProto;
    return std::tuple(field(1, &T::inputs), field(2, &T::outputs), field(3, &T::name), field(4, &T::op),
                      field(5, &T::attributes), field(7, &T::domain), field(8, &T::overload));
  }
};
struct GraphProto {
  std::vector<NodeProto> nodes;
  Text name;
  std::vector<TensorProto> initialisers;
  std::vector<SparseTensorProto> sparse_initialisers;
  std::vector<ValueInfo> inputs, outputs, values;
  static constexpr auto fields() {
    using T = GraphProto;
    return std::tuple(field(1, &T::nodes), field(2, &T::name), field(5, &T::initialisers), field(11, &T::inputs),
                      field(12, &T::outputs), field(13, &T::values), field(15, &T::sparse_initialisers));
  }
};
struct Opset {
  Text domain;
  int64_t version = 0;
  static constexpr auto fields() { return std::tuple(field(1, &Opset::domain), field(2, &Opset::version)); }
};
struct FunctionProto {
  Text name, domain, overload;
  std::vector<Text> inputs, outputs, attributes;
  std::vector<Attribute> defaults;
  std::vector<NodeProto> nodes;
  std::vector<Opset> opsets;
  static constexpr auto fields() {
    using T = FunctionProto;
    return std::tuple(field(1, &T::name), field(4, &T::inputs), field(5, &T::outputs), field(6, &T::attributes),
                      field(7, &T::nodes), field(9, &T::opsets), field(10, &T::domain), field(11, &T::defaults),
                      field(13, &T::overload));
  }
};
struct ModelProto {
  int64_t ir_version = 0;
  Text producer, producer_version, domain;
  GraphProto graph;
  std::vector<Opset> opsets;
  std::vector<Pair> metadata;
  std::vector<FunctionProto> functions;
  static constexpr auto fields() {
    using T = ModelProto;
    return std::tuple(field(1, &T::ir_version), field(2, &T::producer), field(3, &T::producer_version),
                      field(4, &T::domain), field(7, &T::graph), field(8, &T::opsets), field(14, &T::metadata),
                      field(25, &T::functions));
  }
};

}  // namespace rushlight::onnx
