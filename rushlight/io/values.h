// Values of pickles: from the tree of a checkpoint or a script archive to what graphs and C++ programs hold. Python's objects are made in
// python/src/bind_io.cpp, which knows more classes; only weights_only=False runs a pickle, by Python's own machine.
#pragma once
#include <unordered_map>

#include "rushlight/io/checkpoint.h"

namespace rushlight::io {

class ValueReader {
 public:
  // `tensors` outlives it. `name`: the file's, for errors.
  ValueReader(TensorLoader& tensors, std::string name) : name_(std::move(name)), tensors_(tensors) {}
  virtual ~ValueReader() = default;
  // `type`: what is expected there; null where nothing is known. Throws UnpicklingError for classes other than the usual containers, by
  // name. What the pickle shares stays shared: unfolded, a short pickle could ask for more than any memory.
  IValue value(const Pickled& v, const TypePtr& type = nullptr, int depth = 0);

 protected:
  // An object of a class, and a type written out beside a value; here both are refused.
  virtual IValue object(const Pickled& v, int depth);
  virtual TypePtr type_named(const std::string& text);
  // Whether an object may stand where `type` is expected.
  virtual bool fits(const IValue&, const TypePtr&) const { return true; }
  [[noreturn]] void unsupported(const std::string& global);
  std::string name_;

 private:
  IValue make(const Pickled& v, const TypePtr& type, int depth);
  IValue list(const std::vector<Pickled*>& items, const TypePtr& element, int depth);
  IValue dict(const std::vector<Pickled*>& pairs, const Type* type, int depth);
  IValue call(const Pickled& v, int depth);

  struct Made {  // of one node, as the type that was expected
    const Type* type;
    IValue value;
  };
  TensorLoader& tensors_;
  std::unordered_map<const Pickled*, std::vector<Made>> made_;
  std::vector<TypePtr> held_;  // so that no other type gets the address of one in made_
};

// What C++ programs get from torch::pickle_load.
IValue load_value(const Bytes& bytes, const std::string& name);

}  // namespace rushlight::io
