// Scripted models in C++ programs, without Python: torch::jit::load, Module::forward, and torch::pickle_load.
#pragma once
#include "rushlight/io/checkpoint.h"
#include "rushlight/script/module.h"
#include "torch/tensor.h"

namespace rushlight::api {

class GenericDict;

// A value a script takes or returns, with PyTorch's names.
class IValue : public rushlight::IValue {
 public:
  using rushlight::IValue::IValue;
  IValue(rushlight::IValue v) : rushlight::IValue(std::move(v)) {}
  IValue(const Tensor& t) : rushlight::IValue(static_cast<const rushlight::Tensor&>(t)) {}
  bool isTensor() const { return is_tensor(); }
  bool isNone() const { return is_none(); }
  Tensor toTensor() const { return tensor(); }
  int64_t toInt() const { return to_int(); }
  double toDouble() const { return to_double(); }
  bool toBool() const { return to_bool(); }
  std::string toStringRef() const { return std::string(to_string()); }
  std::vector<Tensor> toTensorVector() const { return adopt(tensor_list().vec()); }
  std::vector<IValue> toTupleElements() const { return {to_tuple().items.begin(), to_tuple().items.end()}; }
  GenericDict toGenericDict() const;
};

class GenericDict {
 public:
  explicit GenericDict(Ref<DictValue> d) : dict_(std::move(d)) {}
  size_t size() const { return dict_->items.size(); }
  bool contains(const IValue& key) const { return dict_->find(key) != nullptr; }
  // Throws KeyError.
  IValue at(const IValue& key) const {
    const rushlight::IValue* found = dict_->find(key);
    RL_CHECK(KeyError, found, key.text());
    return *found;
  }

 private:
  Ref<DictValue> dict_;
};
inline GenericDict IValue::toGenericDict() const {
  dict();  // throws TypeError for another kind
  return GenericDict(ref<DictValue>());
}

// What torch.save wrote: tensors, numbers, strings and their containers. Nothing in it is executed.
inline IValue pickle_load(const std::vector<char>& bytes) {
  return io::load_value(io::own_bytes({bytes.begin(), bytes.end()}), "the given bytes");
}

namespace jit {

class Module {
 public:
  explicit Module(Ref<ObjectValue> object) : object_(std::move(object)) {}
  IValue forward(const std::vector<IValue>& inputs) { return run_method("forward", inputs); }
  IValue run_method(const std::string& name, const std::vector<IValue>& inputs) {
    return ::rushlight::script::run_method(object_, name, {inputs.begin(), inputs.end()});
  }
  IValue attr(const std::string& name) const {
    int slot = graph::as_class(object_->type)->find_slot(name);
    RL_CHECK(AttributeError, slot >= 0, "the module has no attribute '", name, "'");
    return object_->slots[size_t(slot)];
  }
  void train(bool on = true) { set_training(*object_, on); }
  void eval() { train(false); }
  void save(const std::string& path) const {
    io::AtomicFile file(path);
    ::rushlight::script::save_module(*object_, file.sink());
    file.commit();
  }

 private:
  static void set_training(ObjectValue& o, bool on) {
    const graph::ClassType& type = *graph::as_class(o.type);
    for (size_t i = 0; i < o.slots.size(); i++) {
      if (type.slots[i].name == "training") o.slots[i] = rushlight::IValue(on);
      if (o.slots[i].is_object()) set_training(o.slots[i].to_object(), on);
    }
  }
  Ref<ObjectValue> object_;
};
namespace script {
using Module = jit::Module;
}

// Throws OsError for a path that can't be read, FileError or ScriptError for a damaged archive.
inline Module load(const std::string& path) {
  return Module(::rushlight::script::load_module(io::map_file(path), path));
}

}  // namespace jit
}  // namespace rushlight::api
