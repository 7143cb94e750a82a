#include "py_cycles.h"

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bind.h"
#include "py_autograd.h"

namespace rushlight::py {

namespace {

// The running full collection; see Note [Cycles].
struct Collection {
  uint32_t number = 1;
  bool running = false;
  std::vector<std::pair<PyObject*, Py_ssize_t>> given;  // the references that stand for C++ ones
} collection;

// True if every reference to a C++ object can be accounted for: it has one, or its Python object was given as many.
bool accounted(const CountedRefs& counted, uint32_t refs) {
  return refs == 1 || (collection.running && counted.collection == collection.number && counted.refs == refs);
}

bool may_walk() {
  return (collection.running || Held::count.load(std::memory_order_relaxed) > 0) && !GilRelease::any_active();
}

template <class T>
T* pop(std::vector<T*>& items) {
  T* last = items.back();
  items.pop_back();
  return last;
}

class Walk final : public OwnedVisitor {
 public:
  Walk(visitproc visit, void* arg) : visit_(visit), arg_(arg) {}

  void tensor(TensorImpl& t) override {
    if (t.py_object) {
      auto* o = static_cast<PyTensor*>(t.py_object);
      if (accounted(o->counted, t.refs())) show(reinterpret_cast<PyObject*>(o));
    } else if (is_last(t)) {
      tensors_.push_back(&t);
    }
  }
  void node(Node& n) override {
    if (n.py_object) {
      auto* o = static_cast<PyNode*>(n.py_object);
      if (accounted(o->counted, n.refs())) show(reinterpret_cast<PyObject*>(o));
    } else if (is_last(n)) {
      nodes_.push_back(&n);
    }
  }
  void other(RefCounted& held) override {
    auto* holder = dynamic_cast<const HoldsPython*>(&held);
    if (holder && is_last(held))
      holder->show_held([](PyObject* o, void* to) { static_cast<Walk*>(to)->show(o); }, this);
  }

  // A list of what is left to do, not recursion: graphs are deep.
  int finish() {
    while (!status_ && (!tensors_.empty() || !nodes_.empty())) {
      if (!nodes_.empty()) pop(nodes_)->visit_owned(*this);
      else visit_owned(*pop(tensors_), *this);
    }
    return status_;
  }

 private:
  void show(PyObject* o) {
    if (!status_) status_ = visit_(o, arg_);
  }
  // True once all references to an object were met.
  bool is_last(const RefCounted& o) {
    uint32_t refs = o.refs();
    return refs == 1 || ++met_[&o] == refs;
  }

  visitproc visit_;
  void* arg_;
  int status_ = 0;
  std::vector<TensorImpl*> tensors_;
  std::vector<Node*> nodes_;
  std::unordered_map<const RefCounted*, uint32_t> met_;
};

// Walks all that some objects own, and gives what has several owners, and no object to stand for it, one for the time being.
class Find final : public OwnedVisitor {
 public:
  std::vector<Object> made;

  void tensor(TensorImpl& t) override {
    bool shared = t.refs() > 1;
    if ((shared || t.py_object) && !seen_.insert(&t).second) return;
    if (!t.autograd && !t.base()) return;  // leads nowhere
    if (shared && !t.py_object) made.push_back(check(wrap(Tensor(Ref<TensorImpl>(&t)))));
    if (t.py_object) track(static_cast<PyObject*>(t.py_object));
    tensors_.push_back(&t);
  }
  void node(Node& n) override {
    bool shared = n.refs() > 1;
    if ((shared || n.py_object) && !seen_.insert(&n).second) return;
    if (shared && !n.py_object) made.push_back(check(wrap(Ref<Node>(&n))));
    nodes_.push_back(&n);
  }
  void other(RefCounted&) override {}
  void finish() {
    while (!tensors_.empty() || !nodes_.empty()) {
      if (!nodes_.empty()) pop(nodes_)->visit_owned(*this);
      else visit_owned(*pop(tensors_), *this);
    }
  }

 private:
  std::unordered_set<const RefCounted*> seen_;
  std::vector<TensorImpl*> tensors_;
  std::vector<Node*> nodes_;
};

void give_references() {
  Object objects = check(PyObject_CallNoArgs(imported("gc", "get_objects")));
  std::vector<PyObject*> found;
  Find find;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects.get()); i++) {
    PyObject* o = PyList_GET_ITEM(objects.get(), i);
    if (is_tensor(o)) {
      TensorImpl* t = reinterpret_cast<PyTensor*>(o)->impl;
      if (!t) continue;
      find.tensor(*t);
    } else if (PyObject_TypeCheck(o, node_type)) {
      Node* n = reinterpret_cast<PyNode*>(o)->node;
      if (!n) continue;
      find.node(*n);
    } else {
      continue;
    }
    found.push_back(o);
  }
  find.finish();
  for (const Object& o : find.made) found.push_back(o.get());
  collection.number++;
  for (PyObject* o : found) {
    bool tensor = is_tensor(o);
    uint32_t refs = tensor ? unwrap(o).impl()->refs() : reinterpret_cast<PyNode*>(o)->node->refs();
    if (refs < 2) continue;  // nobody but the object itself, or the owner that its one reference stands for
    (tensor ? reinterpret_cast<PyTensor*>(o)->counted : reinterpret_cast<PyNode*>(o)->counted) = {collection.number,
                                                                                                  refs};
    collection.given.emplace_back(o, Py_ssize_t(refs) - 1);
  }
  for (auto& [o, more] : collection.given) Py_SET_REFCNT(o, Py_REFCNT(o) + more);
  collection.running = true;
}

void take_references_back() {
  collection.running = false;
  auto given = std::move(collection.given);
  collection.given.clear();
  for (auto& [o, more] : given) {
    Py_SET_REFCNT(o, Py_REFCNT(o) - (more - 1));
    Py_DECREF(o);
  }
}

// In gc.callbacks.
PyObject* on_collection(PyObject*, PyObject* args) {
  const char* phase;
  PyObject* info;
  if (!PyArg_ParseTuple(args, "sO", &phase, &info)) return nullptr;
  return guarded([&]() -> PyObject* {
    take_references_back();
    PyObject* generation = PyDict_Check(info) ? PyDict_GetItemString(info, "generation") : nullptr;
    if (std::string_view(phase) == "start" && generation && PyLong_AsLong(generation) == 2 && !GilRelease::any_active())
      give_references();
    Py_RETURN_NONE;
  });
}

}  // namespace

Held::~Held() {
  count--;
  if (!object_) return;
  if (!Py_IsInitialized()) {
    object_.release();
    return;
  }
  GilAcquire gil;
  object_ = Object();
}

int traverse_owned(TensorImpl& t, const CountedRefs& counted, visitproc visit, void* arg) {
  if (!may_walk() || (!t.owns_py_object && !accounted(counted, t.refs()))) return 0;
  Walk walk(visit, arg);
  visit_owned(t, walk);
  return walk.finish();
}

int traverse_owned(Node& n, bool owner, const CountedRefs& counted, visitproc visit, void* arg) {
  if (!may_walk() || (!owner && !accounted(counted, n.refs()))) return 0;
  Walk walk(visit, arg);
  n.visit_owned(walk);
  return walk.finish();
}

bool shows_attributes(const TensorImpl& t, const CountedRefs& counted) {
  return t.owns_py_object || GilRelease::any_active() || accounted(counted, t.refs());
}

bool held_elsewhere(const TensorImpl& t, const CountedRefs& counted) {
  // Of a collection's garbage a part may be gone already, and its references with it.
  bool garbage = collection.running && counted.collection == collection.number && t.refs() <= counted.refs;
  return !t.owns_py_object && t.refs() > 1 && !garbage;
}

void bind_cycles(PyObject*) {
  static PyMethodDef callback = {"_on_collection", on_collection, METH_VARARGS, "For gc.callbacks."};
  Object f = check(PyCFunction_New(&callback, nullptr));
  check_status(PyList_Append(imported("gc", "callbacks"), f.get()));
}

}  // namespace rushlight::py
