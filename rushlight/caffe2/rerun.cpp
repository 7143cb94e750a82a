#include "rushlight/caffe2/rerun.h"

#include <algorithm>
#include <new>
#include <unordered_map>

#include "rushlight/core/limits.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/run.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/graph/executor/group.h"

namespace rushlight::caffe2 {

using graph::Executable;

namespace {

constexpr size_t kMostArgs = 8;  // of an operator that is called from here
// Bytes of a value inside of the program that stays; making a larger one costs little beside filling it.
constexpr size_t kKept = 64 << 10;
constexpr int kMostTries = 4;
constexpr uint8_t kHarmless = kIsView | kRequiresGrad;  // flags of tensors whose gradient nobody wants

inline IValue lent(const IValue& v) { return v.is_tensor() ? IValue::borrow(v.tensor()) : IValue::borrow(v); }
// Where nothing stands that is owned.
inline void put(IValue& where, IValue v) { new (&where) IValue(std::move(v)); }

// Arguments of a call, all borrowed.
class Lent {
 public:
  Lent() = default;
  ~Lent() {
    for (size_t k = 0; k < made_; k++) all()[k].~IValue();
  }
  Lent(const Lent&) = delete;
  void add(const IValue& v) { new (room_ + sizeof(IValue) * made_++) IValue(lent(v)); }
  IValue* all() { return reinterpret_cast<IValue*>(room_); }

 private:
  size_t made_ = 0;
  alignas(IValue) unsigned char room_[kMostArgs * sizeof(IValue)];
};

bool is_plain(const rushlight::Op& op) {
  return op.form() == rushlight::Op::Form::Function && !op.registered() && op.draws().empty() &&
         size_t(op.num_args()) <= kMostArgs && op.num_returns() == 1;
}
bool is_view(const rushlight::Op& op) { return is_plain(op) && op.def().kernel.kind == Kernel::Kind::View; }
bool is_kernel(const rushlight::Op& op) { return is_plain(op) && op.def().kernel.kind == Kernel::Kind::Structured; }
bool rearranges(const rushlight::Op& op) {
  return is_plain(op) && op.def().kernel.kind == Kernel::Kind::Composite && !op.shares().empty();
}

}  // namespace

// The calls that a composite makes, each with what it took and gave.
class Rerun::Calls final : public Interceptor {
 public:
  struct Call {
    const rushlight::Op* op;
    std::vector<IValue> args, results;
  };
  bool takes_whole(const rushlight::Op& op) const override { return !is_composite(op); }
  void call(const rushlight::Op& op, IValue* args, IValue* rets) override {
    rushlight::call(op, args, rets);
    all.push_back(
        {&op, std::vector<IValue>(args, args + op.num_args()), std::vector<IValue>(rets, rets + op.num_returns())});
  }
  std::vector<Call> all;
};

bool Rerun::Form::fits(const TensorImpl& t) const {
  return offset == t.offset() && dtype == t.dtype() && flags == t.flags() && contiguous == t.contiguous() &&
         equal_sizes(sizes, t.sizes()) && (contiguous || equal_sizes(strides, t.strides()));
}

Rerun::Rerun(const Executable& program) : program_(program) {
  const auto& instructions = program.instructions();
  usable_ = program.steps_alone();
  values_.resize(program.num_registers());
  registers_.resize(program.num_registers());
  for (const auto& i : instructions) {
    auto in = program.inputs_of(i), out = program.outputs_of(i);
    Step s{.kind = kind_of(i), .instruction = &i, .in = {in.begin(), in.end()}};
    if (i.code == Executable::Code::Operator) s.op = static_cast<const rushlight::Op*>(i.what);
    if (&i != &instructions.back()) s.out.assign(out.begin(), out.end());
    steps_.push_back(std::move(s));
  }
  results_ = steps_.back().in;
  for (uint32_t r : results_) {
    bool inner = r < Executable::kConstants && r >= program.num_inputs();
    if (inner) registers_[r].result = true;
    alone_.push_back(inner && std::count(results_.begin(), results_.end(), r) == 1);
  }
  steps_.pop_back();  // the end
}

Rerun::Kind Rerun::kind_of(const Executable::Instruction& i) {
  using C = Executable::Code;
  switch (i.code) {
    case C::Operator: {
      const auto& op = *static_cast<const rushlight::Op*>(i.what);
      if (op.mutates()) usable_ = false;
      return is_view(op) ? Kind::View : is_kernel(op) ? Kind::Kernel : rearranges(op) ? Kind::Composite : Kind::Any;
    }
    case C::TryGroup: return Kind::Group;
    case C::Drop: return Kind::Drop;
    case C::Primitive:
    case C::Move:
    case C::ListConstruct:
    case C::ListUnpack:
    case C::TupleConstruct:
    case C::TupleUnpack:
    case C::TupleIndex:
    case C::DictConstruct:
    case C::Format:
    case C::Cast:
    case C::Is:
    case C::Uninitialized: return Kind::Any;
    default: usable_ = false; return Kind::Any;
  }
}

const IValue& Rerun::constant(uint32_t operand) const {
  size_t at = operand - Executable::kConstants, own = program_.constants().size();
  return at < own ? program_.constants()[at] : constants_[at - own];
}

bool Rerun::stay(const std::vector<uint32_t>& operands, Stays how) const {
  for (uint32_t o : operands)
    if (o < Executable::kConstants && (registers_[o].stays & how) != how) return false;
  return true;
}

// A register has another value, which may be one that only looks new.
void Rerun::made(uint32_t at, bool computed) {
  Register& r = registers_[at];
  Stays stays = kNot;
  r.computed = computed;
  if (values_[at].is_tensor()) {
    const TensorImpl& t = *values_[at].tensor().impl();
    Form& f = r.form;
    if (f.storage && f.fits(t)) {
      stays = f.storage == t.storage().get() ? kMemory : kForm;
    } else {
      f = {.sizes = t.sizes(), .strides = t.strides(), .offset = t.offset(), .dtype = t.dtype(), .flags = t.flags()};
      f.contiguous = t.contiguous();
      changed_ = true;
    }
    f.storage = t.storage().get();
    changed_ |= computed;
  }
  r.stays = r.run == run_ ? std::min(r.stays, stays) : stays;
  r.run = run_;
}

// What a kernel gave: what was lent to it, or something new.
void Rerun::set(uint32_t at, IValue& result) {
  if (result.is_borrowed()) {
    registers_[at].stays = kMemory;
    return;
  }
  values_[at] = std::move(result);
  made(at, true);
}

// What stood in registers of results and inputs was moved away by the run before, or is borrowed.
void Rerun::take(const std::vector<BlobRef>& in, const std::vector<bool>& written, const std::vector<BlobRef>& out,
                 bool apart) {
  for (uint32_t i = 0; i < program_.num_inputs(); i++) {
    const Value& v = in[i]->value;
    put(values_[i], written[i] || !v.is_tensor() ? IValue(v) : IValue::borrow(v.tensor()));
    made(i, false);
  }
  for (size_t k = 0; k < results_.size(); k++) {
    if (!alone_[k]) continue;
    const Value& old = out[k]->value;
    put(values_[results_[k]], apart && old.is_tensor() ? IValue::borrow(old.tensor()) : IValue());
  }
}

void Rerun::look_at_results() {
  for (uint32_t at : watched_) {
    Register& r = registers_[at];
    r.whole = r.writable = false;
    if (!values_[at].is_tensor()) continue;
    const TensorImpl& t = *values_[at].tensor().impl();
    r.whole = t.refs() == r.refs && t.storage().get() == r.form.storage && r.form.fits(t) && !t.autograd &&
              !t.py_object && !t.inference;
  }
  for (const Family& family : families_) {
    Register& root = registers_[family.root];
    if (!root.whole || root.form.flags) continue;
    const Storage& memory = *root.form.storage;
    bool alone = memory.refs() == family.refs && memory.allocator() && !memory.read_only();
    for (uint32_t m : family.members) alone = alone && registers_[m].whole && registers_[m].form.storage == &memory;
    root.writable = alone;
  }
}

void Rerun::run(const std::vector<BlobRef>& in, const std::vector<bool>& written, const std::vector<BlobRef>& out,
                bool apart) {
  if (!usable_ || running_ || thread_state.interceptor || thread_state.grad_enabled || thread_state.inference_mode ||
      Limits::any()) {
    std::vector<IValue> args, results(out.size());
    for (const BlobRef& b : in) args.push_back(b->value);
    program_.run(args.data(), results.data());
    for (size_t k = 0; k < results.size(); k++)
      if (!results[k].is_none()) out[k]->value = std::move(results[k]);
    return;
  }
  Scoped<bool> running(running_, true);
  run_++;
  try {
    take(in, written, out, apart);
    look_at_results();
    for (size_t at = 0; at < steps_.size();) at = run_step(at);
    if (changed_) find_families();
  } catch (...) {
    forget();
    throw;
  }
  leave(out);
}

size_t Rerun::run_step(size_t at) {
  Step& s = steps_[at];
  switch (s.kind) {
    case Kind::View:
      if (!run_view(s)) run_any(s);
      break;
    case Kind::Kernel: run_kernel(s); break;
    case Kind::Composite: run_composite(s); break;
    case Kind::Group:
      if (run_group(s)) return size_t(s.instruction->number);
      break;
    case Kind::Drop: drop(s); break;
    default: run_any(s);
  }
  return at + 1;
}

void Rerun::run_any(const Step& s) {
  if (s.instruction) {
    program_.step(*s.instruction, values_.data());
  } else {
    Lent args;
    for (uint32_t o : s.in) args.add(read(o));
    IValue result;
    call(*s.op, args.all(), &result);
    values_[s.out[0]] = std::move(result);
  }
  for (uint32_t r : s.out) made(r, false);
}

bool Rerun::run_view(const Step& s) {
  Register& r = registers_[s.out[0]];
  if (!r.whole || s.op->registered() || !stay(s.in, kMemory)) return false;
  r.stays = kMemory;
  return true;
}

void Rerun::run_kernel(const Step& s) {
  Lent args;
  for (uint32_t o : s.in) args.add(read(o));
  const uint32_t to = s.out[0];
  IValue result;
  if (registers_[to].writable) put(result, IValue::borrow(values_[to].tensor()));
  if (argument_flags(*s.op, args.all()) & uint8_t(~kHarmless) || s.op->registered()) call(*s.op, args.all(), &result);
  else run_over(*s.op, args.all(), &result);
  set(to, result);
}

bool Rerun::run_group(const Step& s) {
  constexpr size_t kMost = 16;
  const rushlight::Tensor* inputs[kMost];
  IValue results[kMost];
  if (s.in.size() > kMost || s.out.size() > kMost) return false;
  for (size_t k = 0; k < s.in.size(); k++) {
    const IValue& v = read(s.in[k]);
    if (!v.is_tensor() || v.tensor().impl()->flags() & ~kHarmless) return false;
    inputs[k] = &v.tensor();
  }
  uint32_t known = 0;
  for (size_t k = 0; k < s.out.size(); k++) {
    if (!registers_[s.out[k]].writable) continue;
    put(results[k], IValue::borrow(values_[s.out[k]].tensor()));
    known |= 1u << k;
  }
  auto* group = static_cast<graph::Group*>(const_cast<void*>(s.instruction->what));
  if (!group->run(inputs, results, known)) return false;
  for (size_t k = 0; k < s.out.size(); k++) set(s.out[k], results[k]);
  return true;
}

bool Rerun::run_same(const Step& s) {
  const IValue& from = read(s.in[0]);
  IValue& to = values_[s.out[0]];
  if (!from.is_tensor()) return false;
  if (!to.is_tensor() || !to.tensor().is_same(from.tensor())) to = IValue(from.tensor());
  made(s.out[0], false);
  return true;
}

// Note [What composites consist of]: one that rearranges (reshape, contiguous, flatten) is some views and copies, or nothing at all, as the
// geometry of its argument says. For a geometry that was there before its calls are noted, and made instead of its own.
void Rerun::run_composite(Step& s) {
  bool again = !s.op->registered() && stay(s.in, kForm);
  if (again && !s.parts.empty() && run_parts(s)) return;
  if (!s.parts.empty()) {
    forget_parts(s);
  } else if (again && s.tries < kMostTries) {
    s.tries++;
    return look_into(s);
  }
  run_any(s);
}

bool Rerun::run_parts(const Step& s) {
  for (const Step& p : s.parts) {
    if (p.kind == Kind::Same) {
      if (!run_same(p)) return false;
      continue;
    }
    if (p.op->registered()) return false;
    if (p.kind == Kind::Kernel) run_kernel(p);
    else if (!run_view(p)) run_any(p);
    if (!(registers_[p.out[0]].stays & kForm)) return false;  // another geometry than what follows is for
  }
  return true;
}

void Rerun::look_into(Step& s) {
  Calls calls;
  std::vector<IValue> args;
  for (uint32_t o : s.in) args.push_back(lent(read(o)));
  IValue result;
  {
    InterceptorGuard guard(calls);
    s.op->run(args.data(), &result);
  }
  values_[s.out[0]] = IValue(std::as_const(result));
  if (!find_parts(s, args, calls, result)) made(s.out[0], false);
}

bool Rerun::find_parts(Step& s, const std::vector<IValue>& args, const Calls& calls, const IValue& result) {
  if (!result.is_tensor()) return false;
  // Where each tensor is: an operand, or what a call before gave.
  std::unordered_map<const TensorImpl*, uint32_t> places;
  for (size_t k = 0; k < s.in.size(); k++)
    if (args[k].is_tensor()) places.emplace(args[k].tensor().impl(), s.in[k]);
  std::vector<Step> parts;
  std::vector<IValue> constants, inner;
  const size_t first = Executable::kConstants + program_.constants().size() + constants_.size();
  for (const Calls::Call& c : calls.all) {
    Step p{.kind = is_view(*c.op) ? Kind::View : Kind::Kernel, .op = c.op};
    if (!(is_view(*c.op) || is_kernel(*c.op)) || !c.results[0].is_tensor()) return false;
    const rushlight::Tensor& given = c.results[0].tensor();
    if (given.impl()->storage()->bytes() > kKept) return false;
    if (places.contains(given.impl())) continue;  // gave what it took
    for (const IValue& a : c.args) {
      if (a.is_tensor_list() || a.is_generic_list() || a.is_object() || a.is_generator()) return false;
      auto found = a.is_tensor() ? places.find(a.tensor().impl()) : places.end();
      if (a.is_tensor() && found == places.end()) return false;
      p.in.push_back(a.is_tensor() ? found->second : uint32_t(first + constants.size()));
      if (!a.is_tensor()) constants.push_back(a);
    }
    bool last = given.is_same(result.tensor());
    p.out = {last ? s.out[0] : uint32_t(registers_.size() + inner.size())};
    places.emplace(given.impl(), p.out[0]);
    if (!last) inner.push_back(c.results[0]);
    parts.push_back(std::move(p));
    if (last) break;
  }
  auto from = places.find(result.tensor().impl());
  if (from == places.end()) return false;
  if (from->second != s.out[0]) parts.push_back({.kind = Kind::Same, .in = {from->second}, .out = s.out});
  registers_.resize(registers_.size() + inner.size());
  values_.insert(values_.end(), inner.begin(), inner.end());
  constants_.insert(constants_.end(), constants.begin(), constants.end());
  for (const Step& p : parts) made(p.out[0], p.kind == Kind::Kernel);
  s.parts = std::move(parts);
  changed_ = true;
  return true;
}

void Rerun::forget_parts(Step& s) {
  for (const Step& p : s.parts)
    if (p.out != s.out) values_[p.out[0]] = IValue();
  s.parts.clear();
  changed_ = true;
}

void Rerun::drop(const Step& s) {
  for (uint32_t at : s.out) {
    IValue& v = values_[at];
    if (v.is_tensor() && v.tensor().impl()->storage()->bytes() <= kKept) continue;
    v = IValue();
  }
}

// Who holds the tensors after this run, where nobody takes one meanwhile.
void Rerun::find_families() {
  std::unordered_map<const TensorImpl*, uint32_t> held;
  std::unordered_map<const Storage*, std::vector<uint32_t>> over;
  for (uint32_t at = program_.num_inputs(); at < registers_.size(); at++) {
    Register& r = registers_[at];
    r.refs = 0;
    r.whole = r.writable = false;
    if (!values_[at].is_tensor()) continue;
    const TensorImpl* t = values_[at].tensor().impl();
    uint32_t& count = held[t];
    if (count == 0 && t->base()) held[t->base().get()]++;
    count += r.result ? uint32_t(std::count(results_.begin(), results_.end(), at)) : 1;
    over[t->storage().get()].push_back(at);
  }
  families_.clear();
  watched_.clear();
  for (uint32_t at = program_.num_inputs(); at < registers_.size(); at++) {
    if (!values_[at].is_tensor()) continue;
    const TensorImpl* t = values_[at].tensor().impl();
    registers_[at].refs = held[t];
    watched_.push_back(at);
    if (!registers_[at].computed) continue;
    const auto& members = over[t->storage().get()];
    std::vector<const TensorImpl*> tensors;
    for (uint32_t m : members) tensors.push_back(values_[m].tensor().impl());
    std::sort(tensors.begin(), tensors.end());
    auto apart = std::unique(tensors.begin(), tensors.end()) - tensors.begin();
    families_.push_back({at, members, uint32_t(apart)});
  }
  changed_ = false;
}

void Rerun::leave(const std::vector<BlobRef>& out) {
  bool again = false;
  for (size_t k = 0; k < results_.size(); k++) {
    if (alone_[k]) {
      IValue& v = values_[results_[k]];
      if (!v.is_borrowed() && !v.is_none()) out[k]->value = std::move(v);  // else the blob has it
    } else if (const IValue& v = read(results_[k]); !v.is_none()) {
      again = true;
      out[k]->value = IValue(v);
    }
  }
  for (size_t k = 0; again && k < results_.size(); k++)
    if (!alone_[k] && results_[k] < Executable::kConstants) values_[results_[k]] = IValue();
  for (uint32_t i = 0; i < program_.num_inputs(); i++)
    if (!values_[i].is_borrowed()) values_[i] = IValue();
}

void Rerun::forget() {
  for (Step& s : steps_) s.parts.clear();
  for (IValue& v : values_) v = IValue();
  values_.resize(program_.num_registers());
  registers_.resize(program_.num_registers());
  for (Register& r : registers_) r = {.result = r.result};
  families_.clear();
  watched_.clear();
  constants_.clear();
  changed_ = true;
}

}  // namespace rushlight::caffe2
