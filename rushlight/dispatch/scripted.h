// Records written in TorchScript: composites whose body is text, for what branches on sizes and options, which a script that calls it
// keeps. Python, C++ and everything else that calls operators runs the compiled text; scripts, traces and archives hold what it consists
// of (script/records.cpp). The body sees the schema's arguments by their names, torch, and other scripted records as functional.name.
//
//   OP(functional_lp_pool1d, {.schema = "functional::lp_pool1d(Tensor input, ...) -> Tensor", .doc = "...",
//                             .kernel = RL_SCRIPT(R"py(
//   if stride is None: ...
//   )py")});
#pragma once
#include <atomic>

#include "rushlight/dispatch/op.h"

namespace rushlight {

// The text of a record, and the programs made of it, one for each overload that was called.
struct Scripted {
  const char* body;
  struct Program {
    virtual ~Program() = default;
    const Op* op;
    const Program* next;
  };
  mutable std::atomic<const Program*> programs{nullptr};
};

// Null for operators of another kind.
const Scripted* scripted_record(const Op& op);
// Defined by script/, which compiles at the first call.
void call_scripted(const Scripted& record, const Op& op, IValue* args, IValue* rets);

constexpr int kAnyArity = -1;
void note_scripted(const Kernel& kernel, const Scripted& record);

// `text`: a function object that returns the body; each has a type of its own.
template <class Text>
Kernel scripted(Text text) {
  static const Scripted record{text()};
  Kernel k{.kind = Kernel::Kind::Composite,
           .call = [](const Op& op, IValue* args, IValue* rets) { call_scripted(record, op, args, rets); },
           .arity = kAnyArity};
  note_scripted(k, record);
  return k;
}

// The kernel of a record whose body is that text.
#define RL_SCRIPT(text) ::rushlight::scripted([] { return text; })

}  // namespace rushlight
