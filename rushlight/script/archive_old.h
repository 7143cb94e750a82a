// model.json, which archives of PyTorch 1.0 to 1.2 have in the place of data.pkl: the tree of modules, and a table of tensors.
#pragma once
#include <string>
#include <vector>

#include "rushlight/io/checkpoint.h"

namespace rushlight::script {

struct OldModule {
  struct Member {
    std::string name, type;  // the type of an attribute, as text
    int64_t id = -1;         // of a parameter's tensor, or of an attribute's value
    bool is_buffer = false;
  };
  std::string name, code;  // code: the entry with its methods, or ""
  std::vector<Member> parameters, attributes;
  std::vector<OldModule> children;
};

struct OldModel {
  OldModule main;
  std::vector<io::TensorLoader::Numbered> tensors;
  std::vector<bool> wants_grad;
};

// `size_of`: bytes of an entry. Throws FileError.
OldModel read_old_model(std::string_view json, const std::string& where,
                        const std::function<size_t(const std::string& entry)>& size_of);

}  // namespace rushlight::script
