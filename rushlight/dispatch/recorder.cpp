#include "rushlight/dispatch/recorder.h"

#include "rushlight/dispatch/cost.h"
#include "rushlight/dispatch/values.h"

namespace rushlight {

bool Places::takes_whole(const Op& op) const { return !is_composite(op); }

void Places::proceed(const Op& op, IValue* args, IValue* rets) {
  if (outer) return rushlight::call(op, args, rets);
  Scoped<Interceptor*> again(thread_state.interceptor, this);
  call_flagged(op, args, rets, argument_flags(op, args));
}

int Recorder::made(const Tensor& t) {
  int n = int(values_.size());
  Value& v = values_.emplace_back(Value{.tensor = t});
  if (const Storage* s = t.impl()->storage().get(); s && storages_.insert(s).second) v.bytes = int64_t(s->bytes());
  known_[t.impl()] = n;
  return n;
}

int Recorder::number_of(const Tensor& t) {
  auto found = known_.find(t.impl());
  return found == known_.end() ? made(t) : found->second;
}

void Recorder::call(const Op& op, IValue* args, IValue* rets) {
  Call c{.op = &op, .scope = scope_, .inputs = {}, .outputs = {}, .plain = {}, .multiply_adds = 0};
  each_tensor(op, args, [&](const Tensor& t) { c.inputs.push_back(number_of(t)); });
  for (int i = 0; i < op.num_args(); i++)
    if (!args[i].is_tensor() && !args[i].is_tensor_list() && !args[i].is_none()) c.plain.emplace_back(i, args[i]);
  size_t before = calls_.size();
  proceed(op, args, rets);
  // A kernel that is written with other operators is still one call.
  calls_.erase(calls_.begin() + int64_t(before), calls_.end());
  auto result = [&](const Tensor& t) {
    if (!t.defined()) return;
    int n = made(t);
    values_[size_t(n)].produced = true;
    c.outputs.push_back(n);
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) result(rets[i].tensor());
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) result(t);
  }
  c.multiply_adds = multiply_adds(op, args, rets);
  calls_.push_back(std::move(c));
}

bool Recorder::enters(const void* object, const Tensors& arguments) {
  Scope s{.object = object, .parent = scope_, .inputs = {}, .outputs = {}};
  for (const Tensor& t : arguments)
    if (t.defined()) s.inputs.push_back(number_of(t));
  scope_ = int(scopes_.size());
  scopes_.push_back(std::move(s));
  return Places::enters(object, arguments);
}

void Recorder::leaves(const Tensors& results) {
  Scope& s = scopes_[size_t(scope_)];
  for (const Tensor& t : results)
    if (t.defined()) s.outputs.push_back(number_of(t));
  scope_ = s.parent;
  Places::leaves(results);
}

}  // namespace rushlight
