// What each record does to memory and random numbers is what it declares (Op::writes, shares, draws): every call of
// tests/fuzz/calls.txt, in all forms, also with its switches turned and its optional arguments left out.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "fuzz/calls.h"
#include "rushlight/core/generator.h"

namespace rushlight {
namespace {

using fuzz::Call;
using fuzz::Value;

// A sparse tensor counts as its values: those are what is written to and shared.
void each_tensor(const IValue& v, auto f) {
  auto give = [&](const Tensor& t) {
    if (t.defined()) f(t.impl()->parts() && t.impl()->parts()->values ? Tensor(t.impl()->parts()->values) : t);
  };
  if (v.is_tensor()) give(v.tensor());
  else if (v.is_tensor_list())
    for (const Tensor& t : v.tensor_list()) give(t);
}

std::string bytes_of(const IValue& v) {
  std::string all;
  each_tensor(v, [&](const Tensor& t) {
    if (t.storage().data()) all.append(static_cast<const char*>(t.storage().data()), t.storage().bytes());
  });
  return all;
}
std::string shape_of(const IValue& v) {
  std::string all;
  each_tensor(v, [&](const Tensor& t) { all += str(t.sizes(), t.strides(), t.storage_offset()); });
  return all;
}

bool share_memory(const IValue& a, const IValue& b) {
  bool shared = false;
  each_tensor(a, [&](const Tensor& x) {
    each_tensor(b, [&](const Tensor& y) { shared |= x.impl()->storage() == y.impl()->storage(); });
  });
  return shared;
}

std::string generator_state() {
  std::string state(Generator::kStateBytes, 0);
  default_generator().get_state(reinterpret_cast<uint8_t*>(state.data()));
  return state;
}

bool declares(const std::vector<Op::Effect>& effects, int arg, const std::vector<IValue>& args) {
  for (const Op::Effect& e : effects) {
    if (e.arg != arg) continue;
    if (e.when < 0) return true;
    const IValue& v = args[size_t(e.when)];
    bool off = v.is_none() || (v.is_bool() && !v.to_bool()) || (v.is_int() && v.to_int() == 0) ||
               (v.is_double() && v.to_double() == 0);
    if (!off) return true;
  }
  return false;
}

struct Seen {
  std::set<std::string> undeclared;
  std::set<const Op*> called;
  std::set<const OpDef*> drew, reshaped;
  std::map<const OpDef*, std::set<std::string>> wrote, shared;  // names of arguments
};

void watch(const Op& op, std::vector<IValue> args, const std::string& text, Seen& seen) {
  std::vector<std::string> bytes, shapes;
  for (const IValue& a : args) bytes.push_back(bytes_of(a)), shapes.push_back(shape_of(a));
  default_generator().manual_seed(1);
  std::string state = generator_state();
  std::vector<IValue> borrowed, rets(size_t(std::max(1, op.num_returns())));
  for (const IValue& a : args) borrowed.push_back(IValue::borrow(a));
  try {
    call(op, borrowed.data(), rets.data());
  } catch (const Error&) { return; }
  seen.called.insert(&op);
  const OpDef* def = &op.def();
  auto note = [&](const char* what, int arg) {
    std::string name = arg < 0 ? "" : " " + op.schema().args[size_t(arg)].name;
    seen.undeclared.insert(str(op.qualified_name(), " ", what, name, ", as in: ", text));
  };
  if (generator_state() != state) {
    seen.drew.insert(def);
    if (!declares(op.draws(), -1, args)) note("draws random numbers", -1);
  }
  for (int i = 0; i < op.num_args(); i++) {
    const std::string& name = op.schema().args[size_t(i)].name;
    bool reshaped = shape_of(args[size_t(i)]) != shapes[size_t(i)];
    if (reshaped) {
      seen.reshaped.insert(def);
      if (!def->reshapes && op.form() != Op::Form::Out) note("reshapes", i);
    }
    if (reshaped || bytes_of(args[size_t(i)]) != bytes[size_t(i)]) {
      seen.wrote[def].insert(name);
      if (!declares(op.writes(), i, args)) note("writes", i);
    }
    for (int r = 0; r < op.num_returns(); r++)
      if (share_memory(args[size_t(i)], rets[size_t(r)])) {
        seen.shared[def].insert(name);
        if (!declares(op.shares(), i, args)) note("returns memory of", i);
      }
  }
}

// Another value for a switch, a fraction or an optional argument; false for any other.
bool turn(Value& v, const Argument& a) {
  if (v.kind == Value::Kind::Bool) v.i = !v.i;
  else if (v.kind == Value::Kind::Double) v.d = v.d == 0 ? 0.5 : 0;
  else if (a.is_optional() && v.kind != Value::Kind::None) v = Value{};
  else return false;
  return true;
}
// The recorded call, and variants of it: one or two arguments turned.
std::vector<Call> variants(const Call& call) {
  std::vector<Call> all{call};
  const std::vector<Argument>& args = call.op->schema().args;
  for (size_t i = 0; i < call.args.size(); i++) {
    Call once = call;
    if (!turn(once.args[i], args[i])) continue;
    all.push_back(once);
    for (size_t k = i + 1; k < call.args.size(); k++) {
      Call twice = once;
      if (turn(twice.args[k], args[k])) all.push_back(std::move(twice));
    }
  }
  return all;
}

// Calls made at random ask for any size: what takes over 1 GiB more than the process has is refused here, as on a small machine.
class MemoryLimit {
 public:
  MemoryLimit() {
    getrlimit(RLIMIT_AS, &before_);
#ifndef RL_SANITIZED
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit lower = before_;
    lower.rlim_cur = std::min(before_.rlim_cur, rlim_t(pages) * rlim_t(sysconf(_SC_PAGESIZE)) + (rlim_t(1) << 30));
    setrlimit(RLIMIT_AS, &lower);
#endif
  }
  ~MemoryLimit() { setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(Effects, AreWhatRecordsDeclare) {
  MemoryLimit limit;
  std::ifstream file("tests/fuzz/calls.txt");
  ASSERT_TRUE(file);
  Seen seen;
  // The forms of each record, but out=, under all of its names; not those of libraries that other tests add.
  std::map<const OpDef*, std::vector<const Op*>> forms;
  std::vector<const Op*> ops;
  for (const Op* op : OpTable::get().all())
    if (op->form() != Op::Form::Out && op->name().find("::") == std::string::npos)
      forms[&op->def()].push_back(op), ops.push_back(op);
  for (std::string line; std::getline(file, line);) {
    Call recorded;
    if (line.empty() || line[0] == '#' || !fuzz::parse_call(line, recorded)) continue;
    for (const Call& c : variants(recorded))
      for (const Op* op : forms[&c.op->def()])
        if (op->num_args() == c.op->num_args()) watch(*op, c.make(), line, seen);
  }
  // Where no call was recorded, what arguments made at random are taken.
  for (const Op* op : ops) {
    fuzz::Random random(
        std::hash<std::string>()(op->qualified_name()));  // an operator's calls, whatever others there are
    for (int i = 0; i < 300 && !seen.called.contains(op) && op->form() == Op::Form::Function; i++) {
      Call call = fuzz::random_call(*op, random);
      for (Value& v : call.args)
        for (fuzz::TensorValue& t : v.tensors) t.meta = t.requires_grad = false;
      watch(*op, call.make(), call.text(), seen);
    }
  }
  for (const std::string& what : seen.undeclared) ADD_FAILURE() << what << "; say so in the record";

  // What is declared and never happens is too much, unless no call shows it.
  size_t uncalled = 0;
  for (const Op* op : ops) {
    const OpDef* def = &op->def();
    if (op->form() != Op::Form::Function) continue;
    if (!seen.called.contains(op)) {
      uncalled++;
      continue;
    }
    for (const char* text : def->writes)
      EXPECT_TRUE(seen.wrote[def].contains(std::string(text, strcspn(text, ":"))))
          << op->name() << " never writes " << text;
    for (const char* text : def->shares)
      EXPECT_TRUE(seen.shared[def].contains(std::string(text, strcspn(text, ":"))))
          << op->name() << " never shares " << text;
    if (def->draws) EXPECT_TRUE(seen.drew.contains(def)) << op->name() << " never draws";
    if (def->reshapes) EXPECT_TRUE(seen.reshaped.contains(def)) << op->name() << " never reshapes";
  }
  EXPECT_LT(uncalled, 40u) << "add lines to tests/fuzz/calls.txt";
}

}  // namespace
}  // namespace rushlight
