// A program that runs again and again over blobs, which stay from run to run.
//
// Note [What stays]: where a blob still has what the last run put there, its memory is written over; where that is a view which an operator would
// make again, of memory that is where it was, it is left as it is, and the operator isn't called. Nobody may see either, so each run first looks
// who holds the tensors: a blob is as it was left if its tensor is held by the blob and by views that the program itself made of it, and by nobody
// else, and if its geometry and its memory are those of before. Memory is written over where this is so of all tensors on it, and they are
// all who hold it. What somebody fetched, fed, resized or shared meanwhile is made anew, and so are the views of it. Values inside of the
// program stay in the same way while they are small.
#pragma once
#include "rushlight/caffe2/workspace.h"
#include "rushlight/graph/executor/executor.h"

namespace rushlight::caffe2 {

// Thread safety: one thread at a time.
class Rerun {
 public:
  // `program` has to outlive this.
  explicit Rerun(const graph::Executable& program);
  // Takes its arguments from `in`, one for each input, and puts its results into `out`, one for each output: all of them, or none where it throws.
  // `written`: whether those of `in` are in `out` too. `apart`: no two of `out` are one blob.
  void run(const std::vector<BlobRef>& in, const std::vector<bool>& written, const std::vector<BlobRef>& out,
           bool apart);

 private:
  // What a tensor is, but for the numbers in it.
  struct Form {
    const Storage* storage = nullptr;
    Dims sizes, strides;
    int64_t offset = 0;
    DType dtype = DType::Float32;
    uint8_t flags = 0;
    bool contiguous = false;
    bool fits(const TensorImpl& t) const;
  };
  enum Stays : uint8_t { kNot = 0, kForm = 1, kMemory = 3 };  // the same sizes and so on; the same memory too
  struct Register {
    Form form;
    uint64_t run = 0;       // in which it was made
    uint32_t refs = 0;      // of its tensor, while nobody else holds it; 0: unknown
    Stays stays = kNot;     // since the run before
    bool computed = false;  // a kernel filled memory that was made for it
    bool whole = false;     // as it was left, and held by nobody else
    bool writable = false;  // so are all tensors over its memory
    bool result = false;    // of the program's
  };
  struct Family {  // what lies over the memory of a computed register
    uint32_t root;
    std::vector<uint32_t> members;  // the root too
    uint32_t refs;                  // of the storage, while nobody else holds it
  };
  enum class Kind : uint8_t { Any, View, Kernel, Composite, Same, Group, Drop };
  struct Step {
    Kind kind = Kind::Any;
    const graph::Executable::Instruction* instruction = nullptr;  // none: a part
    const rushlight::Op* op = nullptr;
    std::vector<uint32_t> in, out;  // as the program's operands
    std::vector<Step> parts;        // what a composite consists of, for arguments of the forms of before
    int tries = 0;                  // how often a composite was looked into
  };
  class Calls;

  Kind kind_of(const graph::Executable::Instruction& i);
  const IValue& read(uint32_t operand) const {
    return operand < graph::Executable::kConstants ? values_[operand] : constant(operand);
  }
  const IValue& constant(uint32_t operand) const;
  bool stay(const std::vector<uint32_t>& operands, Stays how) const;
  void take(const std::vector<BlobRef>& in, const std::vector<bool>& written, const std::vector<BlobRef>& out,
            bool apart);
  void look_at_results();
  size_t run_step(size_t at);
  void run_any(const Step& s);
  void run_kernel(const Step& s);
  bool run_view(const Step& s);
  bool run_same(const Step& s);
  bool run_group(const Step& s);
  void run_composite(Step& s);
  bool run_parts(const Step& s);
  void look_into(Step& s);
  bool find_parts(Step& s, const std::vector<IValue>& args, const Calls& calls, const IValue& result);
  void forget_parts(Step& s);
  void drop(const Step& s);
  void set(uint32_t at, IValue& result);
  void made(uint32_t at, bool computed);
  void leave(const std::vector<BlobRef>& out);
  void find_families();
  void forget();

  const graph::Executable& program_;
  std::vector<Step> steps_;
  std::vector<IValue> values_;  // of registers, by number
  std::vector<Register> registers_;
  std::vector<IValue> constants_;  // those of parts
  std::vector<uint32_t> results_;  // where the results are
  std::vector<bool> alone_;        // of each: it is a register of which there is no other result
  std::vector<uint32_t> watched_;  // registers whose refs are known
  std::vector<Family> families_;
  uint64_t run_ = 0;
  bool usable_ = true, running_ = false, changed_ = true;
};

}  // namespace rushlight::caffe2
