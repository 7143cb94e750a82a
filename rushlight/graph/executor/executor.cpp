#include "rushlight/graph/executor/executor.h"

#include "rushlight/core/limits.h"
#include "rushlight/core/notice.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/profiler.h"
#include "rushlight/graph/executor/entries.h"
#include "rushlight/graph/executor/group.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/executor/quick.h"
#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/future.h"

namespace rushlight::graph {

namespace {

// As to = from; numbers take no call.
inline void assign(IValue& to, const IValue& from) {
  if (from.is_int()) to = IValue(from.to_int());
  else if (from.is_bool()) to = IValue(from.to_bool());
  else if (from.is_double()) to = IValue(from.to_double());
  else to = from;
}

constexpr size_t kFewArgs = 24;

// Registers of a call, from a stack that each thread keeps.
class Frame {
 public:
  explicit Frame(size_t n) {
    auto& s = stack();
    base_ = s.top;
    s.top += n;
    if (s.top > s.values.size()) {
      large_ = std::vector<IValue>(n);
      s.top = base_;
    }
    count_ = n;
  }
  ~Frame() {
    if (!large_.empty()) return;
    auto& s = stack();
    for (size_t i = base_; i < base_ + count_; i++) s.values[i] = IValue();
    s.top = base_;
  }
  IValue* registers() { return large_.empty() ? stack().values.data() + base_ : large_.data(); }

 private:
  struct Stack {
    std::vector<IValue> values = std::vector<IValue>(4096);
    size_t top = 0;
  };
  static Stack& stack() {
    static thread_local Stack s;
    return s;
  }
  size_t base_ = 0, count_ = 0;
  std::vector<IValue> large_;
};

inline IValue lent(const IValue& v) { return v.is_tensor() ? IValue::borrow(v.tensor()) : IValue::borrow(v); }

// An archive may say of a value that it is of a class it is not of.
IValue& slot(const IValue& object, int64_t at) {
  auto& slots = object.to_object().slots;
  RL_CHECK(RuntimeError, size_t(at) < slots.size(), "an object of another class than the script says");
  return slots[size_t(at)];
}

bool is_instance(const IValue& v, const Type& t) { return v.type()->is_subtype_of(t); }

// The text of an error with the calls that led to it: those of the scripts as they run, and of what they were written from if they
// come from an archive. `text` may have those of what was called here already; else `prefix` comes before it.
std::string with_frames(std::string text, const Location& place, const char* prefix) {
  static constexpr std::string_view head =
      "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript";
  static constexpr std::string_view last = " (most recent call last):\n", mark = " <--- HERE\n",
                                    serialized = ", serialized code (most recent call last):\n",
                                    original = "\nTraceback of TorchScript, original code (most recent call last):\n";
  std::string frames, originals;  // of what was called
  if (text.starts_with(head)) {
    text.erase(0, head.size());
    size_t middle = text.starts_with(serialized) ? text.find(original) : std::string::npos;
    if (middle != std::string::npos) {
      frames = text.substr(serialized.size(), middle - serialized.size());
      text.erase(0, middle + original.size());
    } else {
      text.erase(0, last.size());
    }
    size_t end = text.rfind(mark);
    end = end == std::string::npos ? 0 : end + mark.size();
    (middle == std::string::npos ? frames : originals) = text.substr(0, end);
    text.erase(0, end);
  } else {
    text.insert(0, prefix);
  }
  std::string here = place.stack(), before = place.original_stack();
  if (before.empty() && originals.empty()) return str(head, last, here, frames, text);
  return str(head, serialized, here, frames, original, before.empty() ? here : before,
             originals.empty() ? frames : originals, text);
}

// REQUIRES: e is being handled.
[[noreturn]] void rethrow_with_place(const Node* n, const Error& e) {
  if (e.kind() == ErrorKind::Internal) throw;
  std::string text = e.text();
  if (n && !n->location.snippet.empty()) {
    const char* prefix = dynamic_cast<const ScriptError*>(&e) ? ""
                         : e.kind() == ErrorKind::Key         ? "KeyError: "
                                                              : "RuntimeError: ";
    text = with_frames(std::move(text), n->location, prefix);
  }
  if (dynamic_cast<const ScriptError*>(&e)) throw ScriptError(text);
  if (e.kind() == ErrorKind::Index) throw IndexError(text);
  if (e.kind() == ErrorKind::Value) throw ValueError(text);
  if (e.kind() == ErrorKind::Memory) throw OutOfMemory(text);
  throw RuntimeError(text);
}

// What `raise` throws where it stands for an operator's own error; `name`: "builtins.ValueError".
[[noreturn]] void raise(std::string_view name, std::string text) {
  static constexpr std::pair<std::string_view, ErrorKind> kinds[] = {
      {"ValueError", ErrorKind::Value}, {"TypeError", ErrorKind::Type},
      {"IndexError", ErrorKind::Index}, {"NotImplementedError", ErrorKind::NotImplemented},
      {"KeyError", ErrorKind::Key},     {"AttributeError", ErrorKind::Attribute}};
  if (name.ends_with("AssertionError")) throw AssertionError(std::move(text));
  for (auto [builtin, kind] : kinds)
    if (name.ends_with(builtin)) throw Error(kind, std::move(text));
  throw RuntimeError(std::move(text));
}

// Scripts that call themselves, as methods of an interface can: an error before the thread's stack ends.
struct Depth {
  static constexpr int kMost = 500;
  static inline thread_local int now = 0;
  Depth() {
    RL_CHECK(RuntimeError, now < kMost, "RecursionError: scripts call one another more than ", kMost, " times deep");
    now++;
  }
  ~Depth() { now--; }
};
// What a script makes outside of tensors: large values are seen when they come.
bool is_large(const IValue& v) {
  constexpr size_t kLarge = 1 << 16;
  return v.is_string() ? v.to_string().size() > kLarge : v.is_any_list() && list_size(v) > kLarge;
}
}  // namespace

void Executable::step(const Instruction& i, IValue* registers) const {
  const uint32_t* in = operands_.data() + i.inputs;
  const uint32_t* out = operands_.data() + i.outputs;
  auto gather = [&] {
    std::vector<IValue> items;
    items.reserve(i.input_count);
    for (uint32_t k = 0; k < i.input_count; k++) items.push_back(read(in[k], registers));
    return items;
  };
  switch (i.code) {
    case Code::Operator: {
      Limits::check();
      // Room for 32 values costs more to clear than a small operator does to run.
      auto run_with = [&](IValue* args, IValue* rets) {
        for (uint32_t k = 0; k < i.input_count; k++) new (&args[k]) IValue(lent(read(in[k], registers)));
        const bool lends = i.number;
        for (uint32_t k = 0; lends && k < i.output_count; k++)
          if (registers[out[k]].is_borrowed()) rets[k] = std::move(registers[out[k]]);
        call(*static_cast<const Op*>(i.what), args, rets);
        for (uint32_t k = 0; k < i.output_count; k++)
          registers[out[k]] = rets[k].is_borrowed() && !lends ? IValue(rets[k]) : std::move(rets[k]);
      };
      auto run = [&]<size_t kArgs, size_t kRets>(std::integral_constant<size_t, kArgs>,
                                                 std::integral_constant<size_t, kRets>) {
        IValue args[kArgs], rets[kRets];
        run_with(args, rets);
      };
      using std::integral_constant;
      if (i.input_count <= 4 && i.output_count == 1) {
        run(integral_constant<size_t, 4>(), integral_constant<size_t, 1>());
      } else if (i.input_count <= 8 && i.output_count == 1) {
        run(integral_constant<size_t, 8>(), integral_constant<size_t, 1>());
      } else if (i.input_count <= kFewArgs && i.output_count <= kMaxResults) {
        run(integral_constant<size_t, kFewArgs>(), integral_constant<size_t, kMaxResults>());
      } else {  // only operators that libraries define
        std::vector<IValue> args(i.input_count), rets(i.output_count);
        run_with(args.data(), rets.data());
      }
      return;
    }
    case Code::Primitive: {
      auto run = [&]<size_t kArgs>(std::integral_constant<size_t, kArgs>) {
        IValue args[kArgs], rets[2];
        for (uint32_t k = 0; k < i.input_count; k++) args[k] = read(in[k], registers);
        static_cast<const struct Primitive*>(i.what)->run(args, rets);
        for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = std::move(rets[k]);
        if (Limits::any()) {
          const Schema& schema = static_cast<const struct Primitive*>(i.what)->schema;
          bool fresh = i.output_count && !schema.returns[0].is_mutated && is_large(registers[out[0]]);
          bool joined = !i.output_count && i.input_count == 2 && is_large(args[1]);  // list.extend(other)
          if (fresh || joined) Limits::check_memory();
        }
      };
      if (i.input_count <= 3) run(std::integral_constant<size_t, 3>());
      else run(std::integral_constant<size_t, kFewArgs>());
      return;
    }
    case Code::Drop:
      for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = IValue();
      return;
    case Code::Move: {
      if (i.number == 1) {
        for (uint32_t k = 0; k < i.output_count; k++) assign(registers[out[k]], read(in[k], registers));
        return;
      }
      // All are read before any is written.
      constexpr uint32_t kFew = 4;
      IValue few[kFew];
      std::vector<IValue> many;
      if (i.input_count > kFew) many = gather();
      else
        for (uint32_t k = 0; k < i.input_count; k++) few[k] = read(in[k], registers);
      for (uint32_t k = 0; k < i.output_count; k++)
        registers[out[k]] = std::move(i.input_count > kFew ? many[k] : few[k]);
      return;
    }
    case Code::ListConstruct: registers[out[0]] = make_list(i.type, gather()); return;
    case Code::ListUnpack: {
      IValue list = read(in[0], registers);
      RL_CHECK(ValueError, list_size(list) == i.output_count, "Expected ", i.output_count,
               " elements in a list but found ", list_size(list));
      for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = list_get(list, k);
      return;
    }
    case Code::TupleConstruct:
      registers[out[0]] = IValue(make_ref<TupleValue>(gather(), i.type->name().empty() ? nullptr : i.type));
      return;
    case Code::TupleUnpack: {
      IValue tuple = read(in[0], registers);
      RL_CHECK(ValueError, tuple.to_tuple().items.size() == i.output_count, "Expected ", i.output_count,
               " elements in a tuple but found ", tuple.to_tuple().items.size());
      for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = tuple.to_tuple().items[k];
      return;
    }
    case Code::TupleIndex: {
      IValue tuple = read(in[0], registers);
      auto& items = tuple.to_tuple().items;
      int64_t n = int64_t(items.size()), at = read(in[1], registers).to_int();
      RL_CHECK(IndexError, at >= -n && at < n, "Tuple index out of range");
      registers[out[0]] = items[size_t(at < 0 ? at + n : at)];
      return;
    }
    case Code::DictConstruct: {
      auto dict = make_ref<DictValue>(i.type->contained()[0], i.type->contained()[1]);
      for (uint32_t k = 0; k + 1 < i.input_count; k += 2) dict->set(read(in[k], registers), read(in[k + 1], registers));
      registers[out[0]] = IValue(std::move(dict));
      return;
    }
    case Code::GetAttr: registers[out[0]] = read_slot(slot(read(in[0], registers), i.number)); return;
    case Code::BorrowAttr: registers[out[0]] = borrow_slot(slot(read(in[0], registers), i.number)); return;
    case Code::SetAttr: set_slot(slot(read(in[0], registers), i.number), read(in[1], registers)); return;
    case Code::CreateObject:
      registers[out[0]] = IValue(make_ref<ObjectValue>(i.type, as_class(i.type)->slots.size()));  // no module's class
      return;
    case Code::CallFunction:
    case Code::CallInterface: {
      auto* function = const_cast<Function*>(static_cast<const Function*>(i.what));
      if (i.code == Code::CallInterface) {
        const TypePtr& type = read(in[0], registers).to_object().type;
        Function* found = as_class(type)->find_method(function->name);
        RL_CHECK(RuntimeError, found && !found->is_abstract, type, " has no method '", function->name, "'");
        function = found;
      }
      IValue result = run_function(*function, gather());
      if (i.output_count) registers[out[0]] = std::move(result);
      return;
    }
    case Code::Fork: {
      if (i.number < 0) {
        registers[out[0]] = make_future(i.type, make_ref<Future>(IValue(read(in[0], registers))));
        return;
      }
      Future::Work work = [program = forks_[size_t(i.number)], args = gather()] {
        IValue result;
        program->run(std::vector<IValue>(args).data(), &result);
        return result;
      };
      registers[out[0]] =
          make_future(i.type, is_await(*i.type) ? make_ref<Future>(std::move(work)) : fork(std::move(work)));
      return;
    }
    case Code::Wait: registers[out[0]] = future_of(read(in[0], registers)).wait(); return;
    case Code::Enter:
    case Code::Exit: {
      IValue result = run_function(*const_cast<Function*>(static_cast<const Function*>(i.what)), gather());
      if (i.output_count) registers[out[0]] = std::move(result);
      return;
    }
    case Code::Raise: {
      std::string text(read(in[0], registers).to_string());
      if (places_)
        throw ScriptError(str(i.input_count > 1 ? read(in[1], registers).to_string() : "RuntimeError", ": ", text));
      raise(i.input_count > 1 ? read(in[1], registers).to_string() : "", std::move(text));
    }
    case Code::Print: {
      std::string line;
      for (uint32_t k = 0; k < i.input_count; k++) {
        const IValue& v = read(in[k], registers);
        line += (k ? " " : "") + shown(v);
      }
      print_line(line);
      return;
    }
    case Code::Warn: {
      const Location& at = i.node->location;
      if (!registers[out[0]].is_none()) return;
      registers[out[0]] = true;
      const std::string text = shown(read(in[0], registers));
      return at.file.empty() ? show_warning(text) : show_warning_at(text, at.file, at.line);
    }
    case Code::Format:
      registers[out[0]] =
          IValue((i.node->is("aten::format") ? format_values : percent_format)(gather().data(), i.input_count));
      return;
    case Code::Cast: {
      const IValue& v = read(in[0], registers);
      RL_CHECK(RuntimeError, !i.node->is("aten::_unwrap_optional") || !v.is_none(), "Unwrapping null optional");
      RL_CHECK(RuntimeError, v.is_tensor() || !i.node->output()->type()->is(Type::Kind::Tensor),
               "a value that is no tensor where the script says that it is one");
      registers[out[0]] = v;
      return;
    }
    case Code::Is: registers[out[0]] = IValue(is_instance(read(in[0], registers), *i.type)); return;
    case Code::Uninitialized: registers[out[0]] = IValue(); return;
    case Code::Jump:
    case Code::JumpIfFalse:
    case Code::TryGroup:
    case Code::LoopTest: return;  // run() does these
  }
}

bool Executable::run_quickly(const Instruction& i, IValue* registers) const {
  const uint32_t* in = operands_.data() + i.inputs;
  const IValue &a = read(in[0], registers), &b = read(in[1], registers);
  IValue& out = registers[operands_[i.outputs]];
  auto quick = Quick(i.number);
  auto compare = [&](auto x, auto y) {
    switch (quick) {
      case Quick::Lt: return out = IValue(x < y), true;
      case Quick::Le: return out = IValue(x <= y), true;
      case Quick::Gt: return out = IValue(x > y), true;
      case Quick::Ge: return out = IValue(x >= y), true;
      case Quick::Eq: return out = IValue(x == y), true;
      case Quick::Ne: return out = IValue(x != y), true;
      default: return false;
    }
  };
  if (a.is_int() && b.is_int()) {
    int64_t x = a.to_int(), y = b.to_int(), r;
    switch (quick) {
      case Quick::Add: return !__builtin_add_overflow(x, y, &r) && (out = IValue(r), true);
      case Quick::Sub: return !__builtin_sub_overflow(x, y, &r) && (out = IValue(r), true);
      case Quick::Mul: return !__builtin_mul_overflow(x, y, &r) && (out = IValue(r), true);
      case Quick::FloorDiv: return x >= 0 && y > 0 && (out = IValue(x / y), true);
      case Quick::Mod: return x >= 0 && y > 0 && (out = IValue(x % y), true);
      default: return compare(x, y);
    }
  }
  if (!a.is_double() || !b.is_double()) return false;
  double x = a.to_double(), y = b.to_double();
  switch (quick) {
    case Quick::Add: return out = IValue(x + y), true;
    case Quick::Sub: return out = IValue(x - y), true;
    case Quick::Mul: return out = IValue(x * y), true;
    default: return compare(x, y);
  }
}

bool Executable::run_group(const Instruction& i, IValue* registers) const {
  if (thread_state.interceptor) return false;  // it is to see each operator
  constexpr uint32_t kMost = 16;
  if (i.output_count > kMost) return false;
  const Tensor *few[kMost], **inputs = few;
  std::vector<const Tensor*> many;
  if (i.input_count > kMost) {
    many.resize(i.input_count);
    inputs = many.data();
  }
  const int plain = kIsView | (thread_state.grad_enabled ? 0 : kRequiresGrad);
  for (uint32_t k = 0; k < i.input_count; k++) {
    const IValue& v = read(operands_[i.inputs + k], registers);
    if (!v.is_tensor() || v.tensor().impl()->flags() & ~plain) return false;
    inputs[k] = &v.tensor();
  }
  IValue results[kMost];
  for (uint32_t k = 0; k < i.output_count; k++) results[k] = std::move(registers[operands_[i.outputs + k]]);
  auto* group = static_cast<Group*>(const_cast<void*>(i.what));
  if (!group->run(inputs, results)) return false;
  for (uint32_t k = 0; k < i.output_count; k++) registers[operands_[i.outputs + k]] = std::move(results[k]);
  return true;
}

std::vector<IValue> Executable::run(std::vector<IValue> args) const {
  RL_CHECK(RuntimeError, args.size() == inputs_, "expected ", inputs_, " arguments, got ", args.size());
  std::vector<IValue> results(graph_->outputs().size());
  run(args.data(), results.data());
  return results;
}

void Executable::run_single(IValue* args, IValue* results) const {
  const Instruction& i = program_[0];
  IValue given[kSingleArgs];
  for (uint32_t k = 0; k < i.input_count; k++)
    new (&given[k]) IValue(lent(read(operands_[i.inputs + k], args)));  // inputs are the first registers
  try {
    call(*static_cast<const Op*>(i.what), given, results);
  } catch (const Error& e) {
    if (!places_) throw;
    rethrow_with_place(i.node, e);
  }
  for (uint32_t k = 0; k < i.output_count; k++)
    if (results[k].is_borrowed() && !reuses_) results[k] = IValue(std::as_const(results[k]));
}

void Executable::run(IValue* args, IValue* results) const {
  if (single_) return run_single(args, results);
  if (!borrows_) return run_program(args, results);
  Reading borrowed;
  run_program(args, results);
}

void Executable::run_program(IValue* args, IValue* results) const {
  Depth depth;
  Limits::check();
  Frame frame(registers_);
  IValue* registers = frame.registers();
  for (size_t i = 0; i < inputs_; i++) registers[i] = std::move(args[i]);
  if (reuses_) {
    const Instruction& end = program_.back();
    for (uint32_t k = 0; k < end.input_count; k++)
      if (operands_[end.outputs + k] == kReused) registers[operands_[end.inputs + k]] = std::move(results[k]);
  }
  size_t at = 0;
  const Instruction* i = nullptr;
  struct
      Modes {  // a script's `with torch.no_grad()` ends with the script, by an exception too, and so do ranges of the profiler
    bool grad_enabled = thread_state.grad_enabled;
    bool keep = false;
    Profiler* profiler = Profiler::current();
    size_t open = profiler ? profiler->open() : 0;
    ~Modes() {
      if (keep) return;
      thread_state.grad_enabled = grad_enabled;
      if (profiler && profiler == Profiler::current()) profiler->end_beyond(open);
    }
  } modes;
  // Objects of `with` statements that control is in, and what ends them: at an exception that happens here.
  struct Contexts {
    std::vector<std::pair<IValue, const Function*>> entered;
    ~Contexts() {
      for (; !entered.empty(); entered.pop_back()) {
        try {
          run_function(*const_cast<Function*>(entered.back().second), {entered.back().first, {}, {}, {}});
        } catch (...) {  // the first exception is the one to tell
        }
      }
    }
  } contexts;
  try {
    for (;;) {
      i = &program_[at++];
      switch (i->code) {
        case Code::Jump: at = size_t(i->number); break;
        case Code::JumpIfFalse:
          if (!read(operands_[i->inputs], registers).to_bool()) at = size_t(i->number);
          break;
        case Code::LoopTest: {
          Limits::check();
          const uint32_t* in = operands_.data() + i->inputs;
          int64_t trip = registers[in[0]].to_int() + 1;
          registers[in[0]] = IValue(trip);
          if (trip >= read(in[1], registers).to_int() || !read(in[2], registers).to_bool()) at = size_t(i->number);
          break;
        }
        case Code::Primitive:
          if (i->number == 0 || !run_quickly(*i, registers)) step(*i, registers);
          break;
        case Code::TryGroup:
          if (run_group(*i, registers)) at = size_t(i->number);
          break;
        case Code::Enter: {
          const IValue& object = read(operands_[i->inputs], registers);
          const Function* exit = as_class(object.to_object().type)->find_method("__exit__");
          RL_CHECK(RuntimeError, exit, "prim::Enter: ", object.to_object().type, " has no __exit__()");
          step(*i, registers);
          contexts.entered.emplace_back(object, exit);
          break;
        }
        case Code::Exit:
          if (!contexts.entered.empty()) contexts.entered.pop_back();
          step(*i, registers);
          break;
        case Code::Move:
          if (i->number == -1) {
            for (uint32_t k = 0; k < i->input_count; k++) {
              uint32_t from = operands_[i->inputs + k], how = operands_[i->outputs + k];
              if (how == kCopied || (how == kMoved && registers[from].is_borrowed()))
                results[k] = read(from, registers);
              else results[k] = std::move(registers[from]);
            }
            modes.keep = true;  // torch.set_grad_enabled(False) without a `with` stays
            return;
          }
          [[fallthrough]];
        default: step(*i, registers);
      }
    }
  } catch (const Error& e) {
    if (!places_) throw;
    rethrow_with_place(i->node, e);
  }
}

}  // namespace rushlight::graph
