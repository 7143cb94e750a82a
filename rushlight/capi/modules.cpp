// Script modules and files through the C interface.
#include "rushlight/capi/handles.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/ir.h"
#include "rushlight/io/file.h"
#include "rushlight/io/values.h"
#include "rushlight/script/module.h"

using namespace rushlight;
using namespace rushlight::capi;
using api::jit::Module;

namespace {

Module module_of(const rl_value* v, const char* function) {
  const IValue& value = value_of(v, function, "the module");
  RL_CHECK(TypeError, api::IValue(value).isModule(), function, ": expected a module, got a ", value.kind_name());
  return Module(value.ref<ObjectValue>());
}
IValue list_of_texts(const std::vector<std::string>& texts) {
  return graph::make_list(Type::string(), {texts.begin(), texts.end()});
}
// The module that holds the last of "layer1.0.weight", whose name stays in `name`.
Module holder(Module m, std::string& name) {
  for (size_t dot; (dot = name.find('.')) != name.npos; name.erase(0, dot + 1)) {
    std::string part = name.substr(0, dot);
    api::IValue inner = m.attr(part);
    RL_CHECK(AttributeError, inner.isModule(), m.name(), ": its attribute '", part, "' is no module");
    m = inner.toModule();
  }
  return m;
}

}  // namespace

rl_error* rl_module_load(const char* path, rl_value** module) {
  return guarded([&] {
    need(module, "rl_module_load", "where the module goes") =
        give(api::jit::load(&need(path, "rl_module_load", "the path")).object());
  });
}
rl_error* rl_module_load_bytes(const void* data, size_t size, rl_value** module) {
  return guarded([&] {
    const auto* p = static_cast<const uint8_t*>(data);
    if (size) need(p, "rl_module_load_bytes", "the data");
    need(module, "rl_module_load_bytes", "where the module goes") =
        give(script::load_module(io::own_bytes({p, p + size}), "the given bytes"));
  });
}
rl_error* rl_module_load_to(const char* device, const char* path, const void* data, size_t size, rl_value** module) {
  return guarded([&] {
    const char* me = "rl_module_load_to";
    Device place = Device::parse(&need(device, me, "the device"));
    const auto* p = static_cast<const uint8_t*>(data);
    if (!path && size) need(p, me, "a path or the data");
    need(module, me, "where the module goes") =
        give(path ? script::load_module(io::map_file(path), path, nullptr, place)
                  : script::load_module(io::own_bytes({p, p + size}), "the given bytes", nullptr, place));
  });
}
rl_error* rl_module_compile(const char* source, rl_value** module) {
  return guarded([&] {
    api::jit::CompilationUnit unit(&need(source, "rl_module_compile", "the source"));
    need(module, "rl_module_compile", "where the module goes") = give(unit.module().object());
  });
}
rl_error* rl_module_call(const rl_value* module, const char* method, const rl_value* const* args, size_t n,
                         const char* const* names, const rl_value* const* keyword, size_t keywords, rl_value** result) {
  return guarded([&] {
    const char* me = "rl_module_call";
    Module m = module_of(module, me);
    rl_value*& to = need(result, me, "where the result goes");
    if (n) need(args, me, "the array of arguments");
    if (keywords) need(names, me, "the array of names"), need(keyword, me, "the array of keyword arguments");
    std::vector<api::IValue> inputs;
    for (size_t i = 0; i < n; i++) inputs.emplace_back(value_of(args[i], me, "an argument"));
    api::jit::Kwargs named;
    for (size_t i = 0; i < keywords; i++)
      named[&need(names[i], me, "a name")] = value_of(keyword[i], me, "a keyword argument");
    to = give(m.get_method(&need(method, me, "the method's name"))(std::move(inputs), named));
  });
}
rl_error* rl_module_methods(const rl_value* module, rl_value** names) {
  return guarded([&] {
    std::vector<std::string> all;
    for (const auto& m : module_of(module, "rl_module_methods").get_methods()) all.push_back(m.name());
    need(names, "rl_module_methods", "where the names go") = give(list_of_texts(all));
  });
}
rl_error* rl_module_schema(const rl_value* module, const char* method, rl_value** text) {
  return guarded([&] {
    Module m = module_of(module, "rl_module_schema");
    std::string name = &need(method, "rl_module_schema", "the method's name");
    m.get_method(name);
    graph::Function& f = *graph::as_class(m.object()->type)->find_method(name);
    f.made();
    need(text, "rl_module_schema", "where the text goes") = give(f.schema.text());
  });
}
rl_error* rl_module_get(const rl_value* module, const char* attribute, rl_value** out) {
  return guarded([&] {
    std::string name = &need(attribute, "rl_module_get", "the attribute's name");
    need(out, "rl_module_get", "out") = give(holder(module_of(module, "rl_module_get"), name).attr(name));
  });
}
rl_error* rl_module_set(const rl_value* module, const char* attribute, const rl_value* value) {
  return guarded([&] {
    std::string name = &need(attribute, "rl_module_set", "the attribute's name");
    const IValue& v = value_of(value, "rl_module_set");
    holder(module_of(module, "rl_module_set"), name).setattr(name, v);
  });
}
rl_error* rl_module_state(const rl_value* module, rl_value** dict) {
  return guarded([&] {
    Module m = module_of(module, "rl_module_state");
    auto made = make_ref<DictValue>(Type::string(), Type::tensor());
    for (const auto& list : {m.named_parameters(), m.named_buffers()})
      for (const auto& [name, t] : list) made->set(name, IValue(rushlight::Tensor(t)));
    need(dict, "rl_module_state", "where the dict goes") = give(std::move(made));
  });
}
rl_error* rl_module_train(const rl_value* module, int32_t on) {
  return guarded([&] { module_of(module, "rl_module_train").train(on != 0); });
}
rl_error* rl_module_to(const rl_value* module, int32_t dtype, int32_t device_type, int32_t device_index) {
  return guarded([&] {
    Module m = module_of(module, "rl_module_to");
    RL_CHECK(ValueError, dtype == -1 || is_dtype_number(dtype), "rl_module_to: no dtype has the number ", dtype);
    RL_CHECK(ValueError, device_type >= -1 && device_type < kDeviceTypes && device_index >= -1 && device_index < 128,
             "rl_module_to: no device has the numbers ", device_type, " and ", device_index);
    if (dtype != -1) m.to(DType(dtype));
    if (device_type != -1) m.to(api::Device(DeviceType(device_type), api::DeviceIndex(device_index)));
  });
}
rl_error* rl_module_save(const rl_value* module, const char* path) {
  return guarded([&] { module_of(module, "rl_module_save").save(&need(path, "rl_module_save", "the path")); });
}
rl_error* rl_load(const char* path, rl_value** out) {
  return guarded([&] {
    std::string from = &need(path, "rl_load", "the path");
    need(out, "rl_load", "out") = give(io::load_value(io::map_file(from), from));
  });
}
rl_error* rl_save(const rl_value* value, const char* path) {
  return guarded([&] {
    std::vector<char> bytes = api::pickle_save(value_of(value, "rl_save"));
    io::AtomicFile file(&need(path, "rl_save", "the path"));
    file.sink()(bytes.data(), bytes.size());
    file.commit();
  });
}
