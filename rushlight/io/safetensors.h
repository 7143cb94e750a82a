// safetensors: a length of 8 bytes, a header of JSON, then the tensors' bytes. Specification: github.com/huggingface/safetensors.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/io/file.h"

namespace rushlight::io {

class SafeTensors {
 public:
  // Throws FileError for what is no sound file: damaged JSON, tensors that overlap, leave gaps or lie outside of it, a dtype that doesn't
  // exist. `mapped`: tensors are the file's own bytes, which `bytes` keeps alive.
  SafeTensors(Bytes bytes, std::string name, bool mapped);

  struct Entry {
    std::string dtype;  // "F32"
    Dims sizes;
    size_t begin = 0, end = 0;  // in the part after the header
  };
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // Throws KeyError for a name that is not there.
  Tensor tensor(const std::string& name) const;

 private:
  Bytes bytes_;
  std::string name_;
  bool mapped_;
  size_t data_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Writes contiguous copies, sorted by width and name as the reference does. Throws ValueError for a dtype that the format lacks.
void write_safetensors(const Sink& sink, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace rushlight::io
