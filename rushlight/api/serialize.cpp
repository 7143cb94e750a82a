#include "rushlight/api/serialize.h"

#include "rushlight/io/values.h"

namespace rushlight::api {
namespace serialize {

bool InputArchive::try_read(const std::string& key, Tensor& value, bool) const {
  if (!module_.hasattr(key) || !module_.attr(key).isTensor()) return false;
  value = module_.attr(key).toTensor();
  return true;
}
bool InputArchive::try_read(const std::string& key, IValue& value) const {
  if (!module_.hasattr(key)) return false;
  value = module_.attr(key);
  return true;
}
bool InputArchive::try_read(const std::string& key, InputArchive& nested) const {
  if (!module_.hasattr(key) || !module_.attr(key).isModule()) return false;
  nested.module_ = module_.attr(key).toModule();
  return true;
}
void InputArchive::read(const std::string& key, Tensor& value, bool) const {
  RL_CHECK(RuntimeError, try_read(key, value), "No such serialized tensor '", key, "'");
}
void InputArchive::read(const std::string& key, IValue& value) const {
  RL_CHECK(RuntimeError, try_read(key, value), "No such serialized IValue '", key, "'");
}
void InputArchive::read(const std::string& key, InputArchive& nested) const {
  RL_CHECK(RuntimeError, try_read(key, nested), "No such serialized submodule: '", key, "'");
}
std::vector<std::string> InputArchive::keys() const {
  std::vector<std::string> out;
  for (const auto& a : module_.named_attributes(false)) out.push_back(a.name);
  return out;
}

}  // namespace serialize

IValue pickle_load(const std::vector<char>& bytes) {
  return io::load_value(io::own_bytes({bytes.begin(), bytes.end()}), "the given bytes");
}

namespace {

class Writer {
 public:
  void value(const IValue& v) {
    if (v.isNone()) return pickle_.none();
    if (v.isBool()) return pickle_.boolean(v.toBool());
    if (v.isInt()) return pickle_.integer(v.toInt());
    if (v.isDouble()) return pickle_.number(v.toDouble());
    if (v.isString()) return pickle_.text(v.toStringView());
    if (v.isTensor()) return tensor(v.toTensor());
    if (v.isTuple() || v.isList()) {
      if (v.isList()) pickle_.empty_list();
      pickle_.mark();
      for (const IValue& i : v.isList() ? v.toListRef() : v.toTupleElements()) value(i);
      return v.isList() ? pickle_.appends() : pickle_.tuple(4);
    }
    RL_CHECK(TypeError, v.isGenericDict(), "pickle_save: a ", v.kind_name(), " can't be written");
    pickle_.empty_dict();
    pickle_.mark();
    for (const auto& e : v.toGenericDict()) {
      value(e.key());
      value(e.value());
    }
    pickle_.setitems();
  }
  std::vector<char> finish() {
    std::vector<char> out;
    io::write_checkpoint(
        [&](const void* p, size_t n) {
          out.insert(out.end(), static_cast<const char*>(p), static_cast<const char*>(p) + n);
        },
        pickle_.finish(), storages_);
    return out;
  }

 private:
  void tensor(const rushlight::Tensor& t) {
    if (t.device().is_meta()) return io::pickle_meta_tensor(pickle_, t);
    auto [at, fresh] = keys_.emplace(t.impl()->storage().get(), storages_.size());
    if (fresh) storages_.push_back(t.impl()->storage());
    io::pickle_tensor(pickle_, t, str(at->second));
  }
  io::Pickler pickle_;
  std::map<const rushlight::Storage*, size_t> keys_;
  std::vector<Ref<rushlight::Storage>> storages_;
};

}  // namespace

std::vector<char> pickle_save(const IValue& value) {
  Writer writer;
  writer.value(value);
  return writer.finish();
}
IValue jit::pickle_load(const std::vector<char>& bytes) { return api::pickle_load(bytes); }
std::vector<char> jit::pickle_save(const IValue& value) { return api::pickle_save(value); }

}  // namespace rushlight::api
