#include "rushlight/script/archive_old.h"

#include "rushlight/io/json.h"

namespace rushlight::script {
namespace {

using io::Json;

// Numbers of 64 bits are texts in what protobuf writes as JSON.
int64_t number(Json& json) {
  if (json.peek() != '"') return json.number();
  std::string text = json.string();
  int64_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) json.fail("expected a number");
  return v;
}
std::string key_of(Json& json) {  // {"key": "tensors/0"}
  std::string key;
  json.fields([&](const std::string& field) {
    if (field == "key") key = json.string();
    else json.skip();
  });
  return key;
}

OldModule module(Json& json, int depth) {
  constexpr int kMaxDepth = 100;
  if (depth > kMaxDepth) json.fail("modules inside of each other, more than 100 deep");
  OldModule out;
  auto members = [&](std::vector<OldModule::Member>& to) {
    json.items('[', ']', [&] {
      OldModule::Member m;
      json.fields([&](const std::string& field) {
        if (field == "name") m.name = json.string();
        else if (field == "type") m.type = json.string();
        else if (field == "tensorId" || field == "id") m.id = number(json);
        else if (field == "isBuffer") m.is_buffer = json.boolean();
        else json.skip();
      });
      to.push_back(std::move(m));
    });
  };
  json.fields([&](const std::string& field) {
    if (field == "name") out.name = json.string();
    else if (field == "torchscriptArena") out.code = key_of(json);
    else if (field == "parameters") members(out.parameters);
    else if (field == "attributes") members(out.attributes);
    else if (field == "submodules") json.items('[', ']', [&] { out.children.push_back(module(json, depth + 1)); });
    else json.skip();
  });
  return out;
}

DType dtype_named(Json& json, const std::string& name) {
  static constexpr std::pair<const char*, DType> names[] = {
      {"FLOAT", DType::Float32}, {"DOUBLE", DType::Float64}, {"FLOAT16", DType::Float16},  {"INT64", DType::Int64},
      {"INT32", DType::Int32},   {"INT16", DType::Int16},    {"INT8", DType::Int8},        {"UINT8", DType::UInt8},
      {"BYTE", DType::UInt8},    {"BOOL", DType::Bool},      {"BFLOAT16", DType::BFloat16}};
  for (const auto& [known, dtype] : names)
    if (name == known) return dtype;
  json.fail(str("a tensor of the unknown type ", name));
}

}  // namespace

OldModel read_old_model(std::string_view text, const std::string& where,
                        const std::function<size_t(const std::string& entry)>& size_of) {
  Json json(text, where);
  OldModel out;
  json.fields([&](const std::string& field) {
    if (field == "mainModule") {
      out.main = module(json, 0);
    } else if (field == "tensors") {
      json.items('[', ']', [&] {
        io::TensorLoader::Numbered t;
        t.storage.dtype = DType::Float32;
        bool wants_grad = false;
        auto dims = [&](Dims& to) { json.items('[', ']', [&] { to.push_back(number(json)); }); };
        json.fields([&](const std::string& part) {
          if (part == "dims") dims(t.sizes);
          else if (part == "strides") dims(t.strides);
          else if (part == "offset") t.offset = number(json);
          else if (part == "requiresGrad") wants_grad = json.boolean();
          else if (part == "dataType") t.storage.dtype = dtype_named(json, json.string());
          else if (part == "data") t.storage.key = key_of(json);
          else if (part == "device") t.storage.was = json.string();
          else if (part == "isQuantized" && json.boolean()) json.fail("a quantised tensor, which can't be read yet");
          else if (part != "isQuantized") json.skip();
        });
        t.storage.count = int64_t(size_of(t.storage.key) / item_size(*t.storage.dtype));
        out.tensors.push_back(std::move(t));
        out.wants_grad.push_back(wants_grad);
      });
    } else {
      json.skip();
    }
  });
  json.finish();
  return out;
}

}  // namespace rushlight::script
