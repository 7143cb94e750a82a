// Schema: an operator's signature in PyTorch's schema language, e.g.
//   "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/core/ivalue.h"

namespace rushlight {

struct Argument {
  std::string name;
  TypePtr type;           // of the graph: a ScalarType, Layout or MemoryFormat is an int there
  std::string type_name;  // as written, without alias marks: "ScalarType?", "int[2]"; "SymInt" is read as "int"
  bool has_default = false;
  IValue default_value;
  bool kwarg_only = false;
  bool is_out = false;      // (a!) after the star
  bool is_mutated = false;  // (a!)
  bool is_alias = false;    // (a): the result may share its memory
  std::string alias_set;    // "a"
  int list_size = 0;        // int[2]: one int stands for two
  bool is_optional() const { return type->is(Type::Kind::Optional); }
  const Type& base_type() const { return is_optional() ? *type->element() : *type; }  // without its optional
  std::string text() const;
};

struct Schema {
  std::string name;      // "add"; of another namespace than aten, "mine::add"
  std::string overload;  // "Tensor"; may be empty
  std::vector<Argument> args;
  std::vector<Argument> returns;

  // Throws RuntimeError with the position where the text is not a schema.
  static Schema parse(std::string_view text);
  std::string qualified_name() const { return overload.empty() ? name : name + "." + overload; }
  std::string symbol() const { return name.find("::") == std::string::npos ? "aten::" + name : name; }
  std::string ns() const { return symbol().substr(0, symbol().find("::")); }
  std::string text() const;                   // what parse() reads
  std::string full_text() const;              // with the namespace also where that is aten
  int find_arg(std::string_view name) const;  // -1 if there is none
};

// Parses a type of the schema language ("int[]", "Tensor?[]"), as it also stands in printed graphs.
TypePtr parse_schema_type(std::string_view text);

}  // namespace rushlight
