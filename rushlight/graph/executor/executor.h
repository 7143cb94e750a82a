// Executor: a graph as a flat program over registers. No Python, no lock; values are dropped after their last use.
// Thread safety: run() may be called from many threads at once.
#pragma once
#include <span>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {

class Group;

class Executable {
 public:
  // Throws RuntimeError for a node that nothing can run.
  // `places`: errors tell where in the source they happened, as those of a user's script do; else they are what an operator would throw.
  explicit Executable(std::shared_ptr<Graph> graph, bool places = true);
  const Graph& graph() const { return *graph_; }
  // Arguments in, results out.
  std::vector<IValue> run(std::vector<IValue> args) const;
  // The same without a list: takes what stands in `args`, one for each input, and fills `results`, one for each output. Where it reuses(), a
  // tensor that is borrowed there may be written over: Note [Lent results] in dispatch/run.h.
  void run(IValue* args, IValue* results) const;
  bool reuses() const { return reuses_; }

  // The program itself, for who runs it by other means.
  enum class Code : uint8_t {
    Operator,
    Primitive,
    Move,
    Drop,
    Jump,
    JumpIfFalse,
    LoopTest,
    TryGroup,
    ListConstruct,
    ListUnpack,
    TupleConstruct,
    TupleUnpack,
    TupleIndex,
    DictConstruct,
    GetAttr,
    BorrowAttr,
    SetAttr,
    CreateObject,
    CallFunction,
    CallInterface,
    Fork,
    Wait,
    Enter,
    Exit,
    Raise,
    Print,
    Warn,
    Format,
    Cast,
    Is,
    Uninitialized,
  };
  struct Instruction {
    Code code;
    uint32_t inputs = 0, input_count = 0;  // positions in operands_
    uint32_t outputs = 0, output_count = 0;
    // A jump's target, a slot, an index, a Primitive's Quick, whether a Move may go in order, whether an Operator's results may be lent, a
    // place in forks_.
    int64_t number = 0;
    const void* what = nullptr;  // Op, Primitive, Function, Group
    TypePtr type;
    const Node* node = nullptr;
  };
  const std::vector<Instruction>& instructions() const { return program_; }
  // An instruction's values: registers, or past kConstants constants.
  std::span<const uint32_t> inputs_of(const Instruction& i) const {
    return {operands_.data() + i.inputs, i.input_count};
  }
  std::span<const uint32_t> outputs_of(const Instruction& i) const {
    return {operands_.data() + i.outputs, i.output_count};
  }
  static constexpr uint32_t kConstants = 1u << 30;
  const std::vector<IValue>& constants() const { return constants_; }
  uint32_t num_inputs() const { return inputs_; }  // the first registers
  uint32_t num_registers() const { return registers_; }
  // Whether instructions stand for themselves: none needs the places of a source for its errors, or reads what another lends it.
  bool steps_alone() const { return !places_ && !borrows_; }
  void step(const Instruction& i, IValue* registers) const;

 private:
  friend class Compiler;
  // The body of a fork, as a program over the values that it takes from around it.
  Executable(const Executable& around, const Block& body, const std::vector<Value*>& captured);
  bool run_group(const Instruction& i, IValue* registers) const;
  bool run_quickly(const Instruction& i, IValue* registers) const;
  void run_program(IValue* args, IValue* results) const;
  void run_single(IValue* args, IValue* results) const;
  // A value: a register, or past kConstants a constant.
  const IValue& read(uint32_t operand, const IValue* registers) const {
    return operand >= kConstants ? constants_[operand - kConstants] : registers[operand];
  }
  static constexpr size_t kSingleArgs = 12;  // of an operator that needs no registers
  // How a result leaves its register, which nothing reads afterwards: it is moved, unless another result is the same.
  enum Leaving : uint32_t { kCopied, kMoved, kReused };

  std::shared_ptr<Graph> graph_;
  std::vector<Instruction> program_;
  std::vector<uint32_t> operands_;
  std::vector<IValue> constants_;
  std::vector<std::shared_ptr<Group>> groups_;
  std::vector<std::shared_ptr<const Executable>> forks_;
  uint32_t inputs_ = 0, registers_ = 0;
  bool places_;
  bool single_ = false;   // one operator: no registers are needed
  bool borrows_ = false;  // see Note [Slots that are read]
  bool reuses_ = false;   // some result may be written over what is lent for it
};

// Compiles a function, so that its first call takes no longer than others; what is wrong with it is for that call to say.
void make_ready(Function& function);
// Runs a function, compiling it at first. `args` may leave out arguments that have defaults.
IValue run_function(Function& function, std::vector<IValue> args);

}  // namespace rushlight::graph
