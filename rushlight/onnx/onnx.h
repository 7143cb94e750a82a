// ONNX models as script modules: the one IR, run by the one executor.
//
//   Ref<ObjectValue> m = onnx::load_file("resnet.onnx");
//   IValue y = script::run_method(m, "forward", {x});
//
// Initialisers are its parameters (of floating types) and buffers; small whole-number ones, which are shapes and axes, are constants of its
// graph. A library of its own, librushlight_onnx.so; who has only librushlight calls script::import_model.
#pragma once
#include "rushlight/core/ivalue.h"
#include "rushlight/io/file.h"
#include "rushlight/script/import.h"

namespace rushlight::onnx {

// `name` is what errors call it; `folder` is where files of external data may lie, empty: nowhere. Throws FileError for damage,
// RuntimeError naming node, operator, domain and version for what can't be translated.
Ref<ObjectValue> load(const io::Bytes& bytes, const std::string& name, const std::string& folder = {});
Ref<ObjectValue> load_file(const std::string& path);
// What is in a model, none of whose operators need be known. False: it is none. Throws FileError for damage.
bool inspect(const io::Bytes& bytes, const std::string& name, script::ModelReport& out);

}  // namespace rushlight::onnx
