// The operator ATen: any operator of ATen's by its name, tensors being inputs and all else arguments of theirs.
#include <set>

#include "rushlight/caffe2/operator.h"
#include "rushlight/core/dtype.h"
#include "rushlight/dispatch/op.h"

namespace rushlight::caffe2 {
namespace {

using TK = Type::Kind;

// The argument as a value of the type; false where it is another thing.
bool value_of(const Message& a, const Argument& to, rushlight::IValue& v) {
  const Type& t = to.base_type();
  auto listed = [&](TK item) { return t.is(TK::List) && t.element()->is(item); };
  if (listed(TK::Int) && (!a.wholes("ints").empty() || !a.has("i"))) v = a.wholes("ints");
  else if (listed(TK::Int)) v = std::vector<int64_t>{a.whole("i")};
  else if (listed(TK::Float)) v = std::vector<double>(a.floats("floats").begin(), a.floats("floats").end());
  else if (t.is(TK::Bool) && a.has("i")) v = a.whole("i") != 0;
  else if ((t.is(TK::Int) || t.is(TK::Number)) && a.has("i")) v = a.whole("i");
  else if ((t.is(TK::Float) || t.is(TK::Number)) && a.has("f")) v = a.real("f");
  else if (t.is(TK::Float) && a.has("i")) v = double(a.whole("i"));
  else if (t.is(TK::String) && a.has("s")) v = a.text("s");
  else return false;
  return true;
}

// Arguments for one overload; false where it takes others.
bool fits(const rushlight::Op& op, const Call& c, std::vector<rushlight::IValue>& args) {
  const auto& wanted = op.schema().args;
  auto is_tensor = [](const Argument& a) { return a.base_type().is(TK::Tensor); };
  auto is_list = [](const Argument& a) {
    return a.base_type().is(TK::List) && a.base_type().element()->is(TK::Tensor);
  };
  size_t next = 0, behind = 0;  // required tensors that come after a list of them
  for (const Argument& a : wanted) behind += is_tensor(a) && !a.has_default;
  for (const Argument& a : wanted) {
    if (is_list(a)) {
      std::vector<rushlight::Tensor> all;
      for (; next + behind < c.inputs(); next++) all.emplace_back(c.X(next));
      args.emplace_back(std::move(all));
    } else if (is_tensor(a) && next < c.inputs()) {
      args.emplace_back(rushlight::Tensor(c.X(next++)));
      behind -= !a.has_default;
    } else if (const Message* given = c.op.args.find(a.name)) {
      args.emplace_back();
      if (!value_of(*given, a, args.back())) return false;
    } else if (a.has_default) {
      args.push_back(a.default_value);
    } else if (a.is_optional()) {
      args.emplace_back();
    } else {
      return false;
    }
  }
  for (const MessageRef& a : c.op.def->messages("arg")) {
    const std::string& name = a->text("name");
    bool known = name == "operator" || name == "overload_name" ||
                 std::any_of(wanted.begin(), wanted.end(), [&](const Argument& w) { return w.name == name; });
    if (!known) return false;
  }
  return next == c.inputs();
}

void aten(Call& c) {
  std::string name = c.s("operator"), overload = c.s("overload_name");
  C2_ENFORCE(!name.empty(), "ATen: the argument `operator` should name an operator");
  std::vector<const rushlight::Op*> all = OpTable::get().overloads(name);
  std::string schemas;
  for (const rushlight::Op* op : all) {
    if (op->mutates() || (!overload.empty() && op->schema().overload != overload)) continue;
    std::vector<rushlight::IValue> args;
    schemas += "\n  " + op->schema().text();
    if (!fits(*op, c, args)) continue;
    std::vector<rushlight::IValue> rets(kMaxResults);
    op->run(args.data(), rets.data());
    size_t n = op->schema().returns.size();
    if (n == 1 && rets[0].is_tensor_list()) {
      std::vector<rushlight::Tensor> items(rets[0].tensor_list().begin(), rets[0].tensor_list().end());
      rets.assign(items.begin(), items.end());
      n = rets.size();
    }
    C2_ENFORCE(c.outputs() <= n, "ATen: ", name, " gives ", n, " results for ", c.outputs(), " outputs");
    for (size_t k = 0; k < c.outputs(); k++) {
      const rushlight::IValue& v = rets[k];
      if (v.is_tensor()) c.set_value(k, v);
      else if (v.is_bool()) c.set(k, torch::full({}, v.to_bool(), torch::TensorOptions().dtype(torch::kBool)));
      else if (v.is_int()) c.set(k, torch::full({}, v.to_int(), torch::TensorOptions().dtype(torch::kLong)));
      else if (v.is_double()) c.set(k, torch::full({}, v.to_double(), torch::TensorOptions().dtype(torch::kDouble)));
      else C2_FAIL("ATen: ", name, " gives a ", v.kind_name(), ", and blobs are tensors here");
    }
    return;
  }
  C2_ENFORCE(!all.empty(), "ATen: there is no operator ", name);
  C2_FAIL("ATen: ", name, " takes other inputs and arguments:", schemas);
}

}  // namespace

void add_aten(Registry& r) { r.op("ATen", "0+ -> 1+", aten).quiet(); }

}  // namespace rushlight::caffe2
