#include "rushlight/api/serialize.h"

#include <cstring>
#include <istream>
#include <set>
#include <sstream>

#include "rushlight/api/autograd.h"
#include "rushlight/api/lowered.h"
#include "rushlight/io/checkpoint.h"
#include "rushlight/io/safetensors.h"
#include "rushlight/io/values.h"
#include "rushlight/script/module.h"

namespace rushlight::api {

std::vector<uint8_t> bytes_of(std::istream& in) {
  RL_CHECK(OsError, !in.fail(), "load: the stream can't be read; was its file opened?");
  in.clear();  // it may have been read to its end
  std::streampos from = in.tellg();
  std::vector<uint8_t> bytes;
  char block[1 << 14];
  for (std::streamsize n; (n = in.rdbuf()->sgetn(block, sizeof block)) > 0;)
    bytes.insert(bytes.end(), block, block + n);
  if (from != std::streampos(-1)) in.seekg(from);
  else in.clear();
  return bytes;
}

namespace serialize {

void OutputArchive::save_to(const std::function<size_t(const void*, size_t)>& write) const {
  std::ostringstream text;
  module_.save(text);
  std::string bytes = std::move(text).str();
  RL_CHECK(OsError, write(bytes.data(), bytes.size()) == bytes.size(), "save: the function took less than all ",
           bytes.size(), " bytes");
}

// ---- files -------------------------------------------------------------------------------------------------------------

namespace {

// Fills a tree of modules from names with dots.
void put(const jit::Module& at, std::string_view name, const IValue& value, const std::string& file) {
  size_t dot = name.find('.');
  std::string head(name.substr(0, dot));
  if (dot == std::string_view::npos) {
    if (value.isTensor()) at.register_parameter(head, value.toTensor(), false);
    else at.register_attribute(head, value.type(), value);
    return;
  }
  if (!at.hasattr(head)) at.register_module(head, jit::Module());
  RL_CHECK(FileError, at.attr(head).isModule(), "load '", file, "': '", head, "' is a tensor, and the start of '", name,
           "' too");
  put(at.attr(head).toModule(), name.substr(dot + 1), value, file);
}

bool is_script(const io::Bytes& bytes, const std::string& name) {
  if (bytes.data.size() < 4 || std::memcmp(bytes.data.data(), "PK\3\4", 4) != 0) return false;
  io::ZipReader zip(bytes, name);
  return zip.has(zip.root() + "constants.pkl") || zip.has(zip.root() + "model.json") ||
         !zip.has(zip.root() + "data.pkl");
}
bool is_safetensors(const io::Bytes& bytes) { return bytes.data.size() > 8 && bytes.data[8] == '{'; }

jit::Module read_archive(const io::Bytes& bytes, const std::string& name, std::optional<Device> device) {
  if (is_script(bytes, name)) return jit::Module(rushlight::script::load_module(bytes, name, nullptr, device));
  jit::Module module;
  if (is_safetensors(bytes)) {
    io::SafeTensors file(bytes, name, false);
    for (const auto& [key, entry] : file.entries()) put(module, key, Tensor(file.tensor(key)), name);
  } else {
    IValue value(io::load_value(bytes, name));
    RL_CHECK(FileError, value.isGenericDict(), "load '", name, "': expected a state dict or an archive, got a ",
             value.kind_name());
    for (const auto& e : value.toGenericDict()) {
      RL_CHECK(FileError, e.key().isString(), "load '", name, "': expected names as keys, got a ", e.key().kind_name());
      put(module, e.key().toStringView(), e.value(), name);
    }
  }
  if (device) module.to(*device);
  return module;
}

}  // namespace

void InputArchive::load_from(const std::string& path, std::optional<Device> device) {
  module_ = read_archive(io::map_file(path), path, device);
}
void InputArchive::load_from(std::istream& in, std::optional<Device> device) {
  module_ = read_archive(io::own_bytes(bytes_of(in)), "the stream", device);
}
void InputArchive::load_from(const char* data, size_t size, std::optional<Device> device) {
  module_ = read_archive(io::own_bytes({data, data + size}), "the given bytes", device);
}
void InputArchive::load_from(const std::function<size_t(uint64_t at, void* to, size_t size)>& read,
                             const std::function<size_t()>& size, std::optional<Device> device) {
  std::vector<uint8_t> bytes(size());
  size_t got = read(0, bytes.data(), bytes.size());
  RL_CHECK(OsError, got == bytes.size(), "load: the function gave ", got, " of ", bytes.size(), " bytes");
  module_ = read_archive(io::own_bytes(std::move(bytes)), "the given bytes", device);
}

// ---- reads -------------------------------------------------------------------------------------------------------------

struct InputArchive::Reading {
  std::vector<std::pair<Tensor, Tensor>> assignments;  // to, from
  std::vector<std::string> missing, misfits;
  std::set<std::string> read;
};

namespace {
void assign(const Tensor& to, const Tensor& from) {
  NoGradGuard no_grad;
  to.set_data(from.device() == to.device() ? from.detach() : from.to(to.device()));
}
}  // namespace

void InputArchive::take(const std::string& key, const Tensor& from, Tensor& to) const {
  if (reading_) reading_->read.insert(path_ + key);
  if (!to.defined()) {
    to = from;
  } else if (!reading_) {
    assign(to, from);
  } else if (to.sizes() != from.sizes()) {
    reading_->misfits.push_back(
        str("size mismatch for ", path_, key, ": the archive's is ", from.sizes(), ", this module's ", to.sizes()));
  } else {
    reading_->assignments.emplace_back(to, from);
  }
}

bool InputArchive::try_read(const std::string& key, Tensor& value, bool) const {
  if (!module_.hasattr(key) || !module_.attr(key).isTensor()) return false;
  take(key, module_.attr(key).toTensor(), value);
  return true;
}
bool InputArchive::try_read(const std::string& key, IValue& value) const {
  if (!module_.hasattr(key)) return false;
  value = module_.attr(key);
  if (reading_) reading_->read.insert(path_ + key);
  return true;
}
bool InputArchive::try_read(const std::string& key, InputArchive& nested) const {
  if (!module_.hasattr(key) || !module_.attr(key).isModule()) return false;
  nested.module_ = module_.attr(key).toModule();
  nested.reading_ = reading_;
  nested.path_ = path_ + key + ".";
  return true;
}
void InputArchive::read(const std::string& key, Tensor& value, bool) const {
  if (try_read(key, value)) return;
  RL_CHECK(RuntimeError, reading_ && value.defined(), "No such serialized tensor '", path_, key, "'");
  reading_->missing.push_back("tensor '" + path_ + key + "'");
}
void InputArchive::read(const std::string& key, IValue& value) const {
  RL_CHECK(RuntimeError, try_read(key, value), "No such serialized IValue '", path_, key,
           "': the archive does not have a field with name '", key, "'");
}
void InputArchive::read(const std::string& key, InputArchive& nested) const {
  if (try_read(key, nested)) return;
  RL_CHECK(RuntimeError, reading_, "No such serialized submodule: '", path_, key, "'");
  // A module without tensors has nothing in a state dict; the tensors of another one are missing, and named.
  nested.module_ = jit::Module();
  nested.reading_ = reading_;
  nested.path_ = path_ + key + ".";
}
std::vector<std::string> InputArchive::keys() const {
  std::vector<std::string> out;
  for (const auto& a : module_.named_attributes(false)) out.push_back(a.name);
  return out;
}

Transaction::Transaction(InputArchive& archive) : archive_(archive), outer_(!archive.reading_) {
  if (outer_) archive.reading_ = std::make_shared<InputArchive::Reading>();
}
Transaction::~Transaction() {
  if (outer_) archive_.reading_ = nullptr;
}
void Transaction::refuse_unread() { unread_ = true; }
void Transaction::commit() {
  if (!outer_) return;
  InputArchive::Reading& all = *archive_.reading_;
  std::string text;
  for (const std::string& m : all.missing) text += "\nNo such serialized " + m;
  if (unread_)
    for (const auto& a : archive_.module_.named_attributes())
      if (a.value.isTensor() && !all.read.count(archive_.path_ + a.name))
        text += "\nunexpected tensor '" + a.name + "' in the archive";
  for (const std::string& m : all.misfits) text += "\n" + m;
  RL_CHECK(RuntimeError, text.empty(), "the archive doesn't fit the module:", text);
  for (const auto& [to, from] : all.assignments) assign(to, from);
}

OutputArchive& operator<<(OutputArchive& archive, const Tensor& value) {
  archive.write("0", value);
  return archive;
}
InputArchive& operator>>(InputArchive& archive, Tensor& value) {
  archive.read("0", value);
  return archive;
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
    io::pickle_tensor(pickle_, t, str(at->second), false, [this](const rushlight::Tensor& part) { tensor(part); });
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
IValue jit::unpickle(const char* data, size_t size) { return api::pickle_load({data, data + size}); }
std::vector<char> jit::pickle_save(const IValue& value) { return api::pickle_save(value); }

}  // namespace rushlight::api
