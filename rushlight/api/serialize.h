// torch::save and torch::load of tensors, modules and optimizers, archives of named values, and the pickles of Python's torch.save.
#pragma once
#include "rushlight/api/module.h"

namespace rushlight::api {

namespace serialize {

// Named tensors and values, written as a script module without methods: what PyTorch's torch::load reads.
class OutputArchive {
 public:
  OutputArchive() = default;
  explicit OutputArchive(std::shared_ptr<jit::CompilationUnit>) {}
  // Of archives inside it: OutputArchive nested(archive.compilation_unit()).
  std::shared_ptr<jit::CompilationUnit> compilation_unit() const { return nullptr; }
  // Throws RuntimeError for an undefined tensor, and for a name that is taken.
  void write(const std::string& key, const Tensor& value, bool is_buffer = false) {
    module_.register_parameter(key, value, is_buffer);
  }
  void write(const std::string& key, const IValue& value) { module_.register_attribute(key, value.type(), value); }
  void write(const std::string& key, const OutputArchive& nested) { module_.register_module(key, nested.module_); }
  void save_to(const std::string& path) const { module_.save(path); }
  void save_to(std::ostream& out) const { module_.save(out); }
  // `write` takes bytes in order and returns how many it took.
  void save_to(const std::function<size_t(const void*, size_t)>& write) const;
  template <class... Args>
  void operator()(Args&&... args) {
    write(std::forward<Args>(args)...);
  }

 private:
  jit::Module module_;
};

// What is read: PyTorch's C++ archives and script modules, state dicts saved by Python, safetensors. In the latter two a dot in a name
// enters an archive inside.
class InputArchive {
 public:
  // Throws OsError or FileError, as jit::load.
  void load_from(const std::string& path, std::optional<Device> device = std::nullopt);
  void load_from(std::istream& in, std::optional<Device> device = std::nullopt);
  void load_from(const char* data, size_t size, std::optional<Device> device = std::nullopt);
  void load_from(const std::function<size_t(uint64_t at, void* to, size_t size)>& read,
                 const std::function<size_t()>& size, std::optional<Device> device = std::nullopt);
  // A defined tensor stays the same one and takes over the contents. False if there is nothing of that name.
  bool try_read(const std::string& key, Tensor& value, bool is_buffer = false) const;
  bool try_read(const std::string& key, IValue& value) const;
  bool try_read(const std::string& key, InputArchive& nested) const;
  // Throws RuntimeError if there is nothing of that name.
  void read(const std::string& key, Tensor& value, bool is_buffer = false) const;
  void read(const std::string& key, IValue& value) const;
  void read(const std::string& key, InputArchive& nested) const;
  std::vector<std::string> keys() const;
  template <class... Args>
  void operator()(Args&&... args) {
    read(std::forward<Args>(args)...);
  }

 private:
  friend class Transaction;
  struct Reading;
  template <class T>
  bool fetch(const std::string& key, T& value) const;
  void take(const std::string& key, const Tensor& from, Tensor& to) const;
  jit::Module module_;
  std::shared_ptr<Reading> reading_;
  std::string path_;  // "encoder.", of an archive inside
};

// Reads of defined tensors that happen all or not at all. What is missing or of another shape is collected, and named together.
class Transaction {
 public:
  // Joins the one that is under way, if any.
  explicit Transaction(InputArchive& archive);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  // Tensors of the archive that nobody read are an error too.
  void refuse_unread();
  // Throws RuntimeError with every name that didn't fit; nothing has changed then.
  void commit();

 private:
  InputArchive& archive_;
  bool outer_, unread_ = false;
};

OutputArchive& operator<<(OutputArchive& archive, const Tensor& value);
InputArchive& operator>>(InputArchive& archive, Tensor& value);

}  // namespace serialize
using serialize::operator<<;
using serialize::operator>>;

// `value` is a tensor, a module or an optimizer; the destination a path, a stream or a function.
template <class T, class... To>
void save(const T& value, To&&... to) {
  serialize::OutputArchive archive;
  archive << value;
  archive.save_to(std::forward<To>(to)...);
}
template <class... To>
void save(const std::vector<Tensor>& values, To&&... to) {
  serialize::OutputArchive archive;
  for (size_t i = 0; i < values.size(); i++) archive.write(std::to_string(i), values[i]);
  archive.save_to(std::forward<To>(to)...);
}
// A module's file must have all of its names with their shapes, and no others: RuntimeError names each that is missing, too many or of
// another shape, and leaves the module as it was.
template <class T, class... From>
void load(T& value, From&&... from) {
  serialize::InputArchive archive;
  archive.load_from(std::forward<From>(from)...);
  archive >> value;
}
template <class... From>
void load(std::vector<Tensor>& values, From&&... from) {
  serialize::InputArchive archive;
  archive.load_from(std::forward<From>(from)...);
  Tensor t;
  for (size_t i = 0; archive.try_read(std::to_string(i), t); i++) values.push_back(std::move(t)), t = Tensor();
}

// What Python's torch.save writes: tensors, numbers, strings and their containers. Nothing in it is executed.
IValue pickle_load(const std::vector<char>& bytes);
// What Python's torch.load reads.
std::vector<char> pickle_save(const IValue& value);

}  // namespace rushlight::api
