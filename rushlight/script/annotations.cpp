// Annotations: the types that they name.
#include <algorithm>
#include <map>

#include "rushlight/core/future_type.h"
#include "rushlight/core/notice.h"
#include "rushlight/script/lowering.h"
#include "rushlight/script/parser.h"

namespace rushlight::script {

using EK = Expr::Kind;
using TK = Type::Kind;

int Lowering::broadcast_size(const Expr& e) {
  if (e.kind == EK::Binary && e.text == "|") return std::max(broadcast_size(*e.items[0]), broadcast_size(*e.items[1]));
  // torch.nn.common_types' _size_2_t is BroadcastingList2[int].
  if (e.kind == EK::Name || e.kind == EK::Attribute) {
    const std::string& t = e.text;
    bool sizes = t.size() == 9 && t.starts_with("_size_") && t.ends_with("_t") && t[6] >= '1' && t[6] <= '6';
    return sizes ? t[6] - '0' : 0;
  }
  if (e.kind != EK::Subscript) return 0;
  const std::string& name = e.items[0]->text;
  if (name == "Optional") return broadcast_size(*e.items[1]);
  constexpr std::string_view prefix = "BroadcastingList";
  bool fits = name.size() == prefix.size() + 1 && name.starts_with(prefix) && name.back() >= '1' && name.back() <= '6';
  return fits ? name.back() - '0' : 0;
}

TypePtr Lowering::type_of(const Expr& e) {
  if (e.kind == EK::None) return Type::none();
  if (e.kind == EK::String)
    return type_of(*parse_expression(std::make_shared<Source>(Source{e.text, e.range.source->file, e.range.line()})));
  if (e.kind != EK::Subscript && e.kind != EK::Binary && broadcast_size(e)) return Type::list(Type::integer());
  auto part = [&](size_t i) { return type_of(*e.items[i]); };
  if (e.kind == EK::Subscript) {
    const Expr& base = *e.items[0];
    std::string name = base.text;
    auto inner = [&](size_t i) {
      return e.items[1]->kind == EK::Tuple && e.items.size() == 2 ? type_of(*e.items[1]->items.at(i)) : part(i + 1);
    };
    size_t count = e.items[1]->kind == EK::Tuple && e.items.size() == 2 ? e.items[1]->items.size() : e.items.size() - 1;
    if (name == "List" || name == "list") return Type::list(part(1));
    if (name == "Optional") return Type::optional(part(1));
    if (broadcast_size(e)) return Type::list(part(1));
    if (name == "Final" || name == "Annotated") return part(1);
    if (name == "Future") return future_type(part(1));
    if (name == "Await" || name == "_Await") return await_type(part(1));
    if ((name == "Dict" || name == "dict") && count == 2) return Type::dict(inner(0), inner(1));
    if (name == "Union") {
      std::vector<TypePtr> all;
      for (size_t i = 0; i < count; i++) all.push_back(inner(i));
      return Type::union_of(std::move(all));
    }
    if (name == "Tuple" || name == "tuple") {
      std::vector<TypePtr> items;
      if (!(count == 0 || (e.items[1]->kind == EK::Tuple && e.items[1]->items.empty())))
        for (size_t i = 0; i < count; i++) items.push_back(inner(i));
      return Type::tuple(std::move(items));
    }
    if (name.empty()) fail(e.range, "Subscripted type must be a type identifier");
    if (name.starts_with("BroadcastingList"))
      fail(e.range, str("what follows BroadcastingList, the length of the list, must be a positive integer: ", name));
    fail(e.range, str("Unknown type constructor ", name));
  }
  if (e.kind == EK::Binary && e.text == "|") { return Type::union_of({part(0), part(1)}); }
  if (e.kind == EK::Name) {
    static const std::map<std::string, TypePtr> named = {{"int", Type::integer()},
                                                         {"float", Type::floating()},
                                                         {"bool", Type::boolean()},
                                                         {"str", Type::string()},
                                                         {"complex", Type::simple(TK::Complex)},
                                                         {"Tensor", Type::tensor()},
                                                         {"NoneType", Type::none()},
                                                         {"number", Type::simple(TK::Number)},
                                                         {"Device", Type::simple(TK::Device)},
                                                         {"Any", Type::any()},
                                                         {"Generator", Type::simple(TK::Generator)}};
    SugaredPtr v = resolver_.resolve(e.text, e.range);
    if (v && v->as_type()) return v->as_type();
    if (auto found = named.find(e.text); found != named.end()) return found->second;
    static const std::map<std::string, const char*> unfilled = {{"List", "List[int]"},
                                                                {"Dict", "Dict[int, int]"},
                                                                {"Tuple", "Tuple[int]"},
                                                                {"Optional", "Optional[int]"},
                                                                {"Future", "Future[int]"}};
    if (auto generic = unfilled.find(e.text); generic != unfilled.end())
      fail(e.range,
           str("Attempted to use ", e.text, " without ", e.text == "Dict" ? "contained types" : "a contained type",
               ". Please add ", e.text == "Dict" ? "contained type" : "a contained type", ", e.g. ", generic->second));
    fail(e.range, str("Unknown type name '", e.text, "'"));
  }
  if (e.kind == EK::Attribute) {
    if (e.text.ends_with("Tensor") && e.items[0]->text == "torch") {
      if (e.text != "Tensor")
        show_warning(
            str("TorchScript will treat type annotations of Tensor dtype-specific subtypes as if they are normal "
                "Tensors. dtype constraints are not enforced in compilation either: torch.",
                e.text));
      return Type::tensor();
    }
    if (e.text == "Tensor") return Type::tensor();
    if (e.text == "device") return Type::simple(TK::Device);
    if (e.text == "dtype") return Type::integer();
    std::string full = e.text;
    const Expr* at = e.items[0].get();
    for (; at->kind == EK::Attribute; at = at->items[0].get()) full = at->text + "." + full;
    full = at->text + "." + full;
    if (SugaredPtr v = resolver_.resolve(full, e.range); v && v->as_type()) return v->as_type();
    SugaredPtr v = expr(std::make_shared<Expr>(e));
    if (v->as_type()) return v->as_type();
  }
  if (e.kind == EK::Attribute && e.text == "Future")
    fail(e.range, "Attempted to use Future without a contained type. Please add a contained type, e.g. Future[int]");
  if (e.kind == EK::Call) fail(e.range, "Type annotation should not contain calls");
  if (e.kind == EK::Binary) fail(e.range, str("Expression of type ", e.text, " cannot be used in a type expression"));
  if (e.kind == EK::Attribute && e.text == "_Await") return await_type(Type::any());
  fail(e.range, str("Unknown type annotation: '", e.range.text(), "' is no type that TorchScript knows"));
}

}  // namespace rushlight::script
