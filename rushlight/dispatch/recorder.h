// Recorder: takes down which operators a thread calls, in which module, and how results become arguments. Summaries and drawings of
// models are made of it. Composites come as the calls they are made of.
//
// A tensor is known by a number; one that is written to gets a new one. All are kept, so that no address is used twice: recording a
// forward pass takes the memory that its gradient would.
#pragma once
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "rushlight/dispatch/op.h"

namespace rushlight {

// Knows the objects (modules) in whose call the thread is.
class Places : public Interceptor {
 public:
  bool enters(const void* object, const Tensors&) override { return inside_.push_back(object), true; }
  void leaves(const Tensors&) override { inside_.pop_back(); }
  // On this thread; stop() may be called while other interceptors are pushed further in.
  virtual void start() { push_interceptor(*this); }
  virtual void stop() { pop_interceptor(*this); }
  // The innermost; null outside of all.
  const void* place() const { return inside_.empty() ? nullptr : inside_.back(); }
  bool takes_whole(const Op& op) const override;

 protected:
  // Calls what is outside of this interceptor, and sees what that calls.
  void proceed(const Op& op, IValue* args, IValue* rets);

 private:
  std::vector<const void*> inside_;
};

class Recorder final : public Places {
 public:
  struct Value {
    Tensor tensor;
    int64_t bytes = 0;      // of memory that no earlier tensor had
    bool produced = false;  // by a call
  };
  struct Call {
    const Op* op;
    int scope;                                  // where it was called: an index of scopes(), -1 outside of all
    std::vector<int> inputs, outputs;           // indices of values()
    std::vector<std::pair<int, IValue>> plain;  // the arguments that are no tensors, by position
    int64_t multiply_adds;
  };
  struct Scope {  // one call of a module
    const void* object;
    int parent;                        // -1: none
    std::vector<int> inputs, outputs;  // tensors among the arguments and results
  };

  const std::vector<Value>& values() const { return values_; }
  const std::vector<Call>& calls() const { return calls_; }
  const std::vector<Scope>& scopes() const { return scopes_; }

  void call(const Op& op, IValue* args, IValue* rets) override;
  bool enters(const void* object, const Tensors& arguments) override;
  void leaves(const Tensors& results) override;

 private:
  int number_of(const Tensor& t);
  int made(const Tensor& t);

  std::vector<Value> values_;
  std::vector<Call> calls_;
  std::vector<Scope> scopes_;
  int scope_ = -1;
  std::unordered_map<const TensorImpl*, int> known_;
  std::unordered_set<const Storage*> storages_;
};

}  // namespace rushlight
