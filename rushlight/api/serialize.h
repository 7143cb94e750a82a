// torch::save and torch::load of tensors, archives of named values, and the pickles of Python's torch.save.
#pragma once
#include "rushlight/api/module.h"

namespace rushlight::api {

namespace serialize {

// Named tensors and values, written as a script module without methods: what PyTorch's torch::load reads.
class OutputArchive {
 public:
  void write(const std::string& key, const Tensor& value, bool is_buffer = false) {
    module_.register_parameter(key, value, is_buffer);
  }
  void write(const std::string& key, const IValue& value) { module_.register_attribute(key, value.type(), value); }
  void write(const std::string& key, const OutputArchive& nested) { module_.register_module(key, nested.module_); }
  void save_to(const std::string& path) const { module_.save(path); }
  void save_to(std::ostream& out) const { module_.save(out); }

 private:
  jit::Module module_;
};

class InputArchive {
 public:
  // Throws OsError or FileError, as jit::load.
  void load_from(const std::string& path, std::optional<Device> device = std::nullopt) {
    module_ = jit::load(path, device);
  }
  void load_from(std::istream& in, std::optional<Device> device = std::nullopt) { module_ = jit::load(in, device); }
  // False if there is nothing of that name.
  bool try_read(const std::string& key, Tensor& value, bool is_buffer = false) const;
  bool try_read(const std::string& key, IValue& value) const;
  bool try_read(const std::string& key, InputArchive& nested) const;
  // Throws RuntimeError if there is nothing of that name.
  void read(const std::string& key, Tensor& value, bool is_buffer = false) const;
  void read(const std::string& key, IValue& value) const;
  void read(const std::string& key, InputArchive& nested) const;
  std::vector<std::string> keys() const;

 private:
  jit::Module module_;
};

}  // namespace serialize

// The destination is a path or a stream.
template <class... To>
void save(const Tensor& value, To&&... to) {
  serialize::OutputArchive archive;
  archive.write("0", value);
  archive.save_to(std::forward<To>(to)...);
}
template <class... To>
void save(const std::vector<Tensor>& values, To&&... to) {
  serialize::OutputArchive archive;
  for (size_t i = 0; i < values.size(); i++) archive.write(std::to_string(i), values[i]);
  archive.save_to(std::forward<To>(to)...);
}
template <class... From>
void load(Tensor& value, From&&... from) {
  serialize::InputArchive archive;
  archive.load_from(std::forward<From>(from)...);
  archive.read("0", value);
}
template <class... From>
void load(std::vector<Tensor>& values, From&&... from) {
  serialize::InputArchive archive;
  archive.load_from(std::forward<From>(from)...);
  Tensor t;
  for (size_t i = 0; archive.try_read(std::to_string(i), t); i++) values.push_back(t);
}

// What Python's torch.save writes: tensors, numbers, strings and their containers. Nothing in it is executed.
IValue pickle_load(const std::vector<char>& bytes);
// What Python's torch.load reads.
std::vector<char> pickle_save(const IValue& value);

}  // namespace rushlight::api
