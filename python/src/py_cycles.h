// Cycles of Python objects that lead through C++ ones: a tensor whose grad_fn's ctx keeps the tensor, a hook over the module it is on.
//
// Note [Cycles]: Python's collector frees a set of objects if all references to them come from the set, which tp_traverse tells it. What
// a C++ object owns is told for it by a Python object that stands for it: for a tensor, a grad_fn or the ctx of a custom function its
// Python object, for others whoever owns them alone (a walk counts the references it meets: the two of `y * y` are all of y's).
//   A Python object and the C++ one it stands for live together, but references among C++ objects are no Python references. So for the time of a
// full collection each such object gets as many more as its C++ object has, and each owner that is walked shows it once for each that it
// holds (CountedRefs notes how many were given). The collector does its sums as always: what some C++ code holds beside is never all
// accounted for, and stays. In the quick collections of young objects only C++ objects with one owner are walked.
//   Nothing is walked while another thread may change the graph, which it can only without the interpreter lock (GilRelease::any_active).
#pragma once
#include "py_tensor.h"
#include "rushlight/autograd/meta.h"

namespace rushlight::py {

// A Python object that a C++ one owns. May be let go of without the interpreter lock.
class Held {
 public:
  explicit Held(Object o) : object_(std::move(o)) { count++; }
  ~Held();
  Held(const Held&) = delete;
  PyObject* get() const { return object_.get(); }
  // How many there are: without any no cycle leads through C++. Tensors that own their object count too.
  static inline std::atomic<int64_t> count{0};

 private:
  Object object_;
};

// A hook or the like: C++ objects that hold Python ones and nothing else.
class HoldsPython {
 public:
  virtual ~HoldsPython() = default;
  virtual void show_held(void (*show)(PyObject*, void*), void* to) const = 0;
};

// For tp_traverse of the object that stands for a tensor or a node: shows what that owns.
// `owner`: the object is owned by what it stands for, and not the other way round.
int traverse_owned(TensorImpl& t, const CountedRefs& counted, visitproc visit, void* arg);
int traverse_owned(Node& n, bool owner, const CountedRefs& counted, visitproc visit, void* arg);
// For tp_traverse: false if C++ code may hold the tensor beside its object, whose attributes then stay although nothing in Python
// leads to them.
bool shows_attributes(const TensorImpl& t, const CountedRefs& counted);
// For tp_clear: true if C++ code that is not part of the garbage may hold the tensor.
bool held_elsewhere(const TensorImpl& t, const CountedRefs& counted);

void bind_cycles(PyObject* module);

}  // namespace rushlight::py
