// Values of pickles: from the tree of a checkpoint or a script archive to what graphs and C++ programs hold. Python's objects are made in
// python/src/bind_io.cpp, by the same interpretation (io/interpret.h); only weights_only=False runs a pickle, by Python's own machine.
#pragma once
#include "rushlight/io/interpret.h"

namespace rushlight::io {

// `hint`: the type that is expected; null where nothing is known. Throws UnpicklingError for classes other than the usual containers, by
// name.
class ValueReader : public PickleInterpreter<ValueReader, IValue, TypePtr> {
 public:
  using PickleInterpreter::PickleInterpreter;
  virtual ~ValueReader() = default;

 protected:
  // An object of a class, and a type written out beside a value; here both are refused.
  virtual IValue object(const Pickled& v, int depth);
  virtual TypePtr type_named(const std::string& text);
  // What a call of a class makes, as an enum's member; here it is refused.
  virtual IValue called(const std::string& global, const Pickled& argument, int depth);
  // Whether an object may stand where `type` is expected.
  virtual bool fits(const IValue&, const TypePtr&) const { return true; }
  [[noreturn]] void unsupported(const std::string& global);

 private:
  friend PickleInterpreter;
  IValue none() { return {}; }
  IValue boolean(bool b) { return b; }
  IValue integer(int64_t i, const TypePtr& type);
  IValue big_integer(const std::string&) { refuse(); }
  IValue number(double d) { return d; }
  IValue text(const std::string& s, const TypePtr& type);
  IValue bytes(const std::string&) { refuse(); }
  IValue complex(double re, double im) { return complex128(re, im); }
  IValue dtype(DType d) { return d; }
  IValue layout(Layout l) { return l; }
  IValue device(Device d) { return d; }
  IValue tensor(Tensor t, bool, const Pickled*, int) { return t; }
  IValue storage(Ref<Storage>, std::optional<DType>) { refuse(); }
  IValue tuple(const Pickled& v, const TypePtr& type, int depth);
  IValue list(const Pickled& v, const std::vector<Pickled*>& items, const TypePtr& type, int depth);
  IValue set(const std::vector<Pickled*>&, bool, int) { refuse(); }
  IValue dict(const Pickled& v, const std::vector<Pickled*>& pairs, bool ordered, const TypePtr& type, int depth);
  IValue size(const std::vector<Pickled*>& items, int depth) { return list_of(items, Type::integer(), depth); }
  IValue global(const Pickled& v) { unsupported(v.text); }
  IValue other_call(const Pickled& v, int depth);
  void check(const IValue& v, const TypePtr& type) const;

  IValue list_of(const std::vector<Pickled*>& items, const TypePtr& element, int depth);
  [[noreturn]] void refuse();
};

// What C++ programs get from torch::pickle_load.
IValue load_value(const Bytes& bytes, const std::string& name);

}  // namespace rushlight::io
