// What is in a file, said without running anything of it: kind, versions, entries, tensors, operators, code.
#pragma once
#include <string>

#include "rushlight/io/file.h"

namespace rushlight::script {

struct InspectOptions { bool code = false; };

// As JSON: {"kind", "size", "facts": {...}, "tensors": [{"name", "dtype", "shape", "bytes"}], "classes": {name: count}, "operators": [{"name",
// "calls", "level", "known"}], "inputs" and "outputs": [{"name", "type"}], "entries": [{"name", "bytes"}], "code": {entry: text}}; what a kind of file has not is left out. Throws FileError or
// UnpicklingError for a file that is damaged, or none of the kinds known.
std::string inspect(const io::Bytes& bytes, const std::string& name, const InspectOptions& options = {});

}  // namespace rushlight::script
