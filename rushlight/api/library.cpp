#include "rushlight/api/library.h"

#include "rushlight/dispatch/op.h"

namespace rushlight::api {

namespace library_detail {

std::string Signature::schema(const std::string& name) const {
  std::string out = name + "(";
  for (size_t i = 0; i < params.size(); i++) out += str(i ? ", " : "", params[i], " _", i);
  out += ") -> ";
  // One result that is a tuple itself stands in parentheses of its own.
  if (returns.size() == 1 && !returns[0].starts_with('(')) return out + returns[0];
  out += "(";
  for (size_t i = 0; i < returns.size(); i++) out += (i ? ", " : "") + returns[i];
  return out + ")";
}

namespace {

// Lists without their sizes; what the graph knows as an int is one.
std::string comparable(std::string_view type) {
  std::string out;
  for (size_t i = 0; i < type.size(); i++) {
    out += type[i];
    if (type[i] == '[')
      while (i + 1 < type.size() && type[i + 1] != ']') i++;
  }
  for (std::string_view name : {"ScalarType", "MemoryFormat", "SymInt", "Layout"})
    if (out.starts_with(name)) out = "int" + out.substr(name.size());
  if (out.starts_with("number")) out = "Scalar" + out.substr(6);
  return out;
}

}  // namespace

void check_signature(const Op& op, const Signature& s) {
  const Schema& schema = op.schema();
  auto fail = [&](const std::string& why) {
    throw RuntimeError(
        str("Inferred operator schema for a C++ kernel function doesn't match the expected function schema.\n"
            "  operator: ",
            op.symbol(), "\n  expected schema: ", schema.full_text(), "\n  inferred schema: ", s.schema(""),
            "\n  reason: ", why));
  };
  if (s.params.size() != schema.args.size())
    fail(str("The number of arguments is different. ", schema.args.size(), " vs ", s.params.size(), "."));
  for (size_t i = 0; i < s.params.size(); i++)
    if (s.params[i] != "Any" && comparable(schema.args[i].type_name) != comparable(s.params[i]))
      fail(str("Type mismatch in argument ", i + 1, ": ", schema.args[i].type_name, " vs ", s.params[i]));
  if (s.returns.size() != schema.returns.size())
    fail(str("The number of returns is different. ", schema.returns.size(), " vs ", s.returns.size(), "."));
  for (size_t i = 0; i < s.returns.size(); i++)
    if (s.returns[i] != "Any" && comparable(schema.returns[i].type_name) != comparable(s.returns[i]))
      fail(str("Type mismatch in return ", i + 1, ": ", schema.returns[i].type_name, " vs ", s.returns[i]));
}

namespace {

class StackKernel final : public BoxedKernel {
 public:
  explicit StackKernel(BoxedFunction f) : f_(f) {}
  void call(const Op& op, rushlight::IValue* args, rushlight::IValue* rets) override {
    torch_jit_stack::Stack stack;
    for (int i = 0; i < op.num_args(); i++) stack.emplace_back(rushlight::IValue(args[i]));
    f_(OperatorHandle(&op), &stack);
    size_t n = size_t(op.num_returns());
    RL_CHECK(RuntimeError, stack.size() == n, op.symbol(), ": the boxed kernel left ", stack.size(),
             " values on the stack, expected ", n, ": ", op.schema().full_text());
    for (size_t i = 0; i < n; i++) {
      const Type& wanted = *op.schema().returns[i].type;
      bool undefined = wanted.is(Type::Kind::Tensor) && stack[i].isNone();
      rushlight::TypePtr got = stack[i].type();
      RL_CHECK(RuntimeError, undefined || got->is_subtype_of(wanted), op.symbol(),
               ": the boxed kernel returned a value of type ", got, " as result ", i, ", expected ",
               op.schema().returns[i].type_name);
      rets[i] = std::move(stack[i]);
    }
  }

 private:
  BoxedFunction f_;
};
class FallThrough final : public BoxedKernel {
 public:
  void call(const Op&, rushlight::IValue*, rushlight::IValue*) override {}
  bool falls_through() const override { return true; }
};
class WithoutGradient final : public BoxedKernel {
 public:
  void call(const Op& op, rushlight::IValue* args, rushlight::IValue* rets) override {
    record_missing_gradient(op, args, rets);
  }
};

}  // namespace

Ref<BoxedKernel> make_boxed(BoxedFunction f) { return make_ref<StackKernel>(f); }
Ref<BoxedKernel> make_fallthrough() { return make_ref<FallThrough>(); }
Ref<BoxedKernel> make_without_gradient() { return make_ref<WithoutGradient>(); }

}  // namespace library_detail

// ---- calls by name -------------------------------------------------------------------------------------------------------------------

std::string OperatorHandle::name() const {
  return op_->symbol() + (op_->schema().overload.empty() ? "" : "." + op_->schema().overload);
}
FunctionSchema OperatorHandle::schema() const { return FunctionSchema(op_->schema()); }
bool OperatorHandle::hasKernelForDispatchKey(DispatchKey key) const { return bool(find_kernel(*op_, key)); }

void OperatorHandle::invoke(rushlight::IValue* args, rushlight::IValue* rets) const {
  rushlight::call(*op_, args, rets);
}

void OperatorHandle::callBoxed(torch_jit_stack::Stack* stack) const {
  size_t n = size_t(op_->num_args());
  RL_CHECK(RuntimeError, stack->size() >= n, name(), ": expected ", n, " arguments on the stack, got ", stack->size());
  std::vector<rushlight::IValue> args(stack->end() - ptrdiff_t(n), stack->end());
  std::vector<rushlight::IValue> rets(std::max<size_t>(size_t(op_->num_returns()), kMaxResults));
  rushlight::call(*op_, args.data(), rets.data());
  stack->resize(stack->size() - n);
  for (int i = 0; i < op_->num_returns(); i++) stack->emplace_back(std::move(rets[size_t(i)]));
}

Dispatcher& Dispatcher::singleton() {
  static Dispatcher one;
  return one;
}
std::optional<OperatorHandle> Dispatcher::findSchema(const OperatorName& name) const {
  const Op* op = OpTable::get().find(name.overload_name.empty() ? name.name : name.name + "." + name.overload_name);
  return op ? std::optional<OperatorHandle>(op) : std::nullopt;
}
OperatorHandle Dispatcher::findSchemaOrThrow(const char* name, const char* overload_name) const {
  std::optional<OperatorHandle> found = findSchema({name, overload_name});
  RL_CHECK(RuntimeError, found, "Could not find schema for ", name, *overload_name ? "." : "", overload_name,
           missing_operator(name));
  return *found;
}

// ---- libraries --------------------------------------------------------------------------------------------------------------------------

Library::Library(Kind kind, std::string ns, std::optional<DispatchKey> key, const char* file, uint32_t line)
    : library_(std::make_unique<OpLibrary>(kind == DEF    ? OpLibrary::Kind::Def
                                           : kind == IMPL ? OpLibrary::Kind::Impl
                                                          : OpLibrary::Kind::Fragment,
                                           std::move(ns), str("registered at ", file, ":", line))),
      key_(key) {}

Library& Library::def(const SchemaText& schema) {
  library_->define(schema.text, schema.alias_analysis == AliasAnalysisKind::CONSERVATIVE);
  return *this;
}

Library& Library::def(const SchemaText& name_or_schema, CppFunction f) {
  bool named = name_or_schema.text.find('(') == std::string::npos;
  RL_CHECK(RuntimeError, !named || f.typed_, "def(\"", name_or_schema.text,
           "\"): a boxed kernel doesn't say the schema; write it out");
  std::string name =
      named ? library_->define(f.signature_.schema(name_or_schema.text), true)
            : library_->define(name_or_schema.text, name_or_schema.alias_analysis == AliasAnalysisKind::CONSERVATIVE);
  return add(name, std::move(f));
}

Library& Library::add(const std::string& name, CppFunction f) {
  RL_CHECK(RuntimeError, !key_ || !f.key_ || *key_ == *f.key_, "impl(\"", name,
           "\", ...): Explicitly provided dispatch key (", name_of(*f.key_),
           ") is inconsistent with the dispatch key of the enclosing TORCH_LIBRARY_IMPL block (", name_of(*key_),
           "). Please declare a separate TORCH_LIBRARY_IMPL block for this dispatch key and move your impl() "
           "there.");
  DispatchKey key = f.key_ ? *f.key_ : key_.value_or(DispatchKey::CompositeImplicitAutograd);
  library_->impl(name, key, std::move(f.kernel_));
  return *this;
}

Library& Library::fallback(CppFunction) {
  throw NotImplementedError(
      str("fallback(): a kernel for every operator is not possible; register one for each with impl() (",
          library_->where(), ")"));
}

void Library::reset() { library_->drop(true); }

namespace detail {

TorchLibraryInit::TorchLibraryInit(Library::Kind kind, void (*block)(Library&), const char* ns,
                                   std::optional<DispatchKey> key, const char* file, uint32_t line, int version) {
  try {
    RL_CHECK(RuntimeError, version == kPluginVersion, file, ":", line, ": compiled against version ", version,
             " of rushlight's headers for plug-ins, and this is version ", kPluginVersion, "; compile it again");
    library_ = std::make_unique<Library>(kind, ns, key, file, line);
    block(*library_);
  } catch (const std::exception& e) {
    library_ = nullptr;
    registration_failed(e.what());
  }
}
TorchLibraryInit::~TorchLibraryInit() {
  if (library_) library_->reset();
}

}  // namespace detail

void RegisterOperators::add(const std::string& name_or_schema, CppFunction f) {
  try {
    size_t colon = name_or_schema.find("::");
    RL_CHECK(RuntimeError, colon != std::string::npos && colon < name_or_schema.find('('),
             "RegisterOperators: expected ", "\"namespace::name\" or such a schema, got \"", name_or_schema, "\"");
    auto library = std::make_unique<Library>(Library::FRAGMENT, name_or_schema.substr(0, colon), std::nullopt,
                                             "RegisterOperators", 0);
    library->def(SchemaText{name_or_schema}, std::move(f));
    libraries_.push_back(std::move(library));
  } catch (const std::exception& e) { registration_failed(e.what()); }
}

}  // namespace rushlight::api
