// Operators, kernels and gradients that plug-ins bring through the C interface.
#include <algorithm>
#include <set>

#include "rushlight/autograd/function.h"
#include "rushlight/capi/handles.h"
#include "rushlight/graph/executor/lists.h"

struct rl_library { rushlight::OpLibrary library; };

namespace rushlight::capi {
namespace {

// What a plug-in gave along with a function.
class Context {
 public:
  Context(void* context, void (*drop)(void*)) : context_(context), drop_(drop) {}
  Context(const Context&) = delete;
  ~Context() {
    if (drop_) drop_(context_);
  }
  void* get() const { return context_; }

 private:
  void* context_;
  void (*drop_)(void*);
};

// Runs code of a plug-in, which may be C++ and throw.
template <class F>
void run_foreign(const std::string& who, const F& f) {
  rl_error* e = nullptr;
  try {
    e = f();
  } catch (const Error&) { throw; } catch (const std::exception& thrown) {
    throw RuntimeError(str(who, ": a C++ exception came out of it: ", thrown.what()));
  } catch (...) { throw RuntimeError(str(who, ": a C++ exception of an unknown type came out of it")); }
  throw_returned(e, who);
}

// The handles that a plug-in's function filled: freed here, except those that it was given and hands back, and none twice.
class Filled {
 public:
  Filled(size_t n, std::vector<rl_value>& given) : handles(n), given_(given) {}
  ~Filled() {
    std::set<rl_value*> freed;
    for (rl_value* v : handles) {
      bool ours = v >= given_.data() && v < given_.data() + given_.size();
      if (v && !ours && freed.insert(v).second) delete v;
    }
  }
  std::vector<rl_value*> handles;

 private:
  std::vector<rl_value>& given_;
};
std::vector<const rl_value*> pointers(const std::vector<rl_value>& values) {
  std::vector<const rl_value*> out;
  for (const rl_value& v : values) out.push_back(&v);
  return out;
}

IValue bools_of(IntArrayRef items) {
  auto out = make_ref<BoolList>();
  for (int64_t i : items) out->items.push_back(i != 0);
  return IValue(std::move(out));
}

class FunctionKernel final : public BoxedKernel {
 public:
  FunctionKernel(rl_kernel f, std::shared_ptr<Context> context) : f_(f), context_(std::move(context)) {}
  void call(const Op& op, IValue* args, IValue* rets) override {
    std::vector<rl_value> given;
    for (int i = 0; i < op.num_args(); i++) {
      // The front ends pass lists of bools as lists of ints.
      bool bools = args[i].is_int_list() && op.schema().args[size_t(i)].type_name.rfind("bool", 0) == 0;
      given.push_back({bools ? bools_of(args[i].int_list()) : IValue::borrow(args[i])});
    }
    std::vector<const rl_value*> shown = pointers(given);
    size_t n = size_t(op.num_returns());
    Filled results(n, given);
    std::string who = op.symbol();
    run_foreign(
        who, [&] { return f_(context_->get(), handle_of(op), shown.data(), shown.size(), results.handles.data(), n); });
    for (size_t i = 0; i < n; i++) {
      const Argument& wanted = op.schema().returns[i];
      const rl_value* v = results.handles[i];
      IValue out;
      if (!v && wanted.base_type().is(Type::Kind::Tensor)) continue;
      RL_CHECK(TypeError, fit(v ? v->v : IValue(), wanted, out), who, ": its kernel gave a ",
               v ? v->v.kind_name() : "NULL", " as result ", i, ", expected ", wanted.type_name, ": ",
               op.schema().full_text());
      rets[i] = IValue(std::as_const(out));  // one that is borrowed becomes owned
    }
  }

 private:
  rl_kernel f_;
  std::shared_ptr<Context> context_;
};

// What a gradient needs to know of the operator that it belongs to.
struct GradientRule {
  rl_gradient f;
  std::shared_ptr<Context> context;
  uint64_t saved_args, saved_results;
};

template <class F>
void each_tensor_in(const IValue& v, const F& f) {
  if (v.is_tensor()) f(v.tensor());
  else if (v.is_tensor_list())
    for (const Tensor& t : v.tensor_list()) f(t);
}

class GradientNode final : public FunctionNode {
 public:
  GradientNode(const Op& op, GradientRule rule, std::vector<IValue> args)
      : op_(op), rule_(std::move(rule)), args_(std::move(args)) {}
  std::string name() const override { return op_.symbol() + "Backward"; }

  // With the results known: what stays, tensors apart from all else.
  void keep(std::vector<IValue> results) {
    Tensors tensors;
    results_ = std::move(results);
    auto take = [&](std::vector<IValue>& values, uint64_t mask) {
      for (size_t i = 0; i < values.size(); i++) {
        bool saved = i < 64 && mask >> i & 1;
        sizes_.push_back(0);
        if (!values[i].is_tensor() && !values[i].is_tensor_list()) continue;
        is_list_.resize(sizes_.size());
        is_list_.back() = values[i].is_tensor_list();
        if (saved)
          each_tensor_in(values[i], [&](const Tensor& t) {
            tensors.push_back(t);
            sizes_.back()++;
          });
        size_t count = 0;
        each_tensor_in(values[i], [&](const Tensor&) { count++; });
        counts_.resize(sizes_.size());
        counts_.back() = count;
        values[i] = IValue();
      }
    };
    take(args_, rule_.saved_args);
    take(results_, rule_.saved_results);
    is_list_.resize(sizes_.size());
    counts_.resize(sizes_.size());
    save_for_backward(std::move(tensors));
  }

  Tensors backward(const Tensors& grads) override {
    Tensors kept = saved_tensors();
    std::vector<rl_value> given;
    size_t at = 0;
    for (size_t i = 0; i < sizes_.size(); i++) {
      const IValue& plain = i < args_.size() ? args_[i] : results_[i - args_.size()];
      Tensors mine(kept.begin() + ptrdiff_t(at), kept.begin() + ptrdiff_t(at + sizes_[i]));
      at += sizes_[i];
      if (is_list_[i]) given.push_back({IValue(std::move(mine))});
      else given.push_back({mine.empty() ? plain : IValue(mine[0])});
    }
    std::vector<rl_value> incoming;
    for (const Tensor& g : grads) incoming.push_back({IValue(g)});
    std::vector<const rl_value*> shown = pointers(given), shown_grads;
    for (const rl_value& g : incoming) shown_grads.push_back(g.v.is_none() ? nullptr : &g);
    std::vector<uint8_t> needed(args_.size());
    for (size_t i = 0, t = 0; i < args_.size(); i++)
      for (size_t k = 0; k < counts_[i]; k++) needed[i] |= needs_input_grad(t++);
    std::string who = str("the gradient of ", op_.symbol());
    Filled out(args_.size(), given);
    run_foreign(who, [&] {
      return rule_.f(rule_.context->get(), handle_of(op_), shown.data(), shown.size(), shown_grads.data(),
                     shown_grads.size(), needed.data(), out.handles.data(), out.handles.size());
    });
    Tensors result;
    for (size_t i = 0; i < args_.size(); i++) {
      IValue v = out.handles[i] ? out.handles[i]->v : IValue();
      bool right = v.is_none() || (is_list_[i] ? v.is_tensor_list() && v.tensor_list().size() == counts_[i]
                                               : v.is_tensor() && counts_[i] == 1);
      RL_CHECK(TypeError, right, who, " gave a ", v.kind_name(), " for argument ", op_.schema().args[i].name,
               ", which is of type ", op_.schema().args[i].type_name);
      for (size_t k = 0; k < counts_[i]; k++)
        result.push_back(v.is_none() ? Tensor() : is_list_[i] ? v.tensor_list()[k] : v.tensor());
    }
    return result;
  }

 private:
  const Op& op_;
  GradientRule rule_;
  std::vector<IValue> args_, results_;  // what is no tensor
  // Of each argument and each result: how many of its tensors are saved, how many there are, and whether they are a list.
  std::vector<size_t> sizes_, counts_;
  std::vector<char> is_list_;
};

// Stands above autograd: runs the operator below it, and wires the results.
class GradientKernel final : public BoxedKernel {
 public:
  explicit GradientKernel(GradientRule rule) : rule_(std::move(rule)) {}
  void call(const Op& op, IValue* args, IValue* rets) override {
    if (!thread_state.grad_enabled || !any_requires_grad(op, args)) {
      api::AutoDispatchBelowAutograd below;
      return rushlight::call(op, args, rets);
    }
    keep_loaded(reinterpret_cast<const void*>(rule_.f));  // the graph calls it later
    size_t n = size_t(op.num_args());
    std::vector<IValue> kept(args, args + n);
    Tensors inputs, dirty;
    for (size_t i = 0; i < n; i++)
      each_tensor_in(kept[i], [&](const Tensor& t) {
        inputs.push_back(t);
        if (op.schema().args[i].is_mutated) dirty.push_back(t);
      });
    auto node = make_ref<GradientNode>(op, rule_, kept);
    node->start(inputs);
    {
      api::AutoDispatchBelowAutograd below;
      rushlight::call(op, args, rets);
    }
    std::vector<IValue> results(rets, rets + op.num_returns());
    Tensors outputs;
    for (const IValue& r : results) each_tensor_in(r, [&](const Tensor& t) { outputs.push_back(t); });
    node->keep(results);
    node->mark_dirty(std::move(dirty));
    outputs = node->finish(inputs, std::move(outputs));
    size_t at = 0;
    for (size_t i = 0; i < results.size(); i++) {
      if (results[i].is_tensor()) rets[i] = outputs[at++];
      if (!results[i].is_tensor_list()) continue;
      size_t count = results[i].tensor_list().size();
      rets[i] = Tensors(outputs.begin() + ptrdiff_t(at), outputs.begin() + ptrdiff_t(at + count));
      at += count;
    }
  }

 private:
  GradientRule rule_;
};

// ---- plug-ins --------------------------------------------------------------------------------------------------------------------

// The libraries that the plug-in which this thread is starting has made.
thread_local std::vector<rl_library*>* being_started = nullptr;

std::mutex starting;
std::set<const rl_plugin_info*>& started() {
  static auto* all = new std::set<const rl_plugin_info*>;
  return *all;
}

void check_abi(uint32_t abi, const std::string& who) {
  RL_CHECK(RuntimeError, abi >= 1 && abi <= RL_ABI_VERSION, who, ": built for version ", abi,
           " of rushlight's C interface, and this library has version ", RL_ABI_VERSION,
           abi > RL_ABI_VERSION ? "; install a newer rushlight" : "");
}

void start(const void* symbol, const std::string& path) {
  const auto* info = static_cast<const rl_plugin_info*>(symbol);
  std::lock_guard guard(starting);
  if (started().count(info)) return;
  check_abi(info->abi, path);
  RL_CHECK(RuntimeError, info->start, path, ": its rl_plugin has no function to start");
  std::vector<rl_library*> made;
  try {
    Scoped<std::vector<rl_library*>*> here(being_started, &made);
    run_foreign(path, info->start);
  } catch (...) {
    while (!made.empty()) rl_library_free(made.back()), made.pop_back();
    throw;
  }
  started().insert(info);
}
[[maybe_unused]] const bool installed = (start_plugin = start, true);

}  // namespace
}  // namespace rushlight::capi

using namespace rushlight;
using namespace rushlight::capi;

rl_error* rl_library_new(uint32_t abi, const char* ns, int32_t kind, const char* where, rl_library** out) {
  return guarded([&] {
    std::string place = where ? where : "a plug-in";
    check_abi(abi, place);
    RL_CHECK(ValueError, kind >= RL_DEFINE && kind <= RL_IMPLEMENT, "rl_library_new: no library is of kind ", kind);
    rl_library*& to = need(out, "rl_library_new", "out");
    to = new rl_library{{OpLibrary::Kind(kind), &need(ns, "rl_library_new", "the namespace"), place}};
    if (being_started) being_started->push_back(to);
  });
}
void rl_library_free(rl_library* library) {
  if (!library) return;
  if (being_started)
    being_started->erase(std::remove(being_started->begin(), being_started->end(), library), being_started->end());
  rl_error_free(guarded([&] { library->library.drop(true); }));
  delete library;
}
rl_error* rl_library_define(rl_library* library, const char* schema) {
  return guarded([&] {
    need(library, "rl_library_define", "the library").library.define(&need(schema, "rl_library_define", "the schema"));
  });
}
rl_error* rl_library_kernel(rl_library* library, const char* name, const char* key, rl_kernel kernel, void* context,
                            void (*drop)(void* context)) {
  return guarded([&] {
    const char* me = "rl_library_kernel";
    auto kept = std::make_shared<Context>(context, drop);
    need(kernel, me, "the kernel");
    DispatchKey at = parse_dispatch_key(&need(key, me, "the key"));
    need(library, me, "the library")
        .library.impl(&need(name, me, "the name"), at, make_ref<FunctionKernel>(kernel, kept));
  });
}
rl_error* rl_library_gradient(rl_library* library, const char* name, uint64_t saved_args, uint64_t saved_results,
                              rl_gradient gradient, void* context, void (*drop)(void* context)) {
  return guarded([&] {
    const char* me = "rl_library_gradient";
    auto kept = std::make_shared<Context>(context, drop);
    need(gradient, me, "the gradient");
    need(library, me, "the library")
        .library.impl(&need(name, me, "the name"), DispatchKey::Autograd,
                      make_ref<GradientKernel>(GradientRule{gradient, kept, saved_args, saved_results}));
  });
}
rl_error* rl_load_library(const char* path) {
  return guarded([&] { load_library(&need(path, "rl_load_library", "the path")); });
}
