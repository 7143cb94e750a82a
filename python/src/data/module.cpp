// rushlight._data: the readers and writers of rushlight/data, in Python. Loaded when they are first used.
#include <cstring>

#include "rushlight/data/libraries.h"
#include "tensors.h"

namespace rushlight::py {

Source source_of(nb::handle from, const char* function) {
  if (PyObject_TypeCheck(from.ptr(), tensor_api->type)) {
    Tensor t = unwrap(from.ptr());
    RL_CHECK(TypeError, t.dtype() == DType::UInt8 && t.dim() == 1 && t.device().is_cpu() && t.is_contiguous(), function,
             ": expected the file's bytes as a contiguous uint8 tensor of one dimension on the CPU, got ", t.dtype(),
             " of ", t.dim(), " dimensions");
    return {{{t.data<uint8_t>(), size_t(t.numel())}, std::make_shared<Tensor>(t)}, ""};
  }
  if (PyUnicode_Check(from.ptr()) || nb::hasattr(from, "__fspath__")) {
    std::string text = path_of(from);
    return {without_gil([&] { return io::map_file(text, function); }), text};
  }
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(from.ptr(), view.get(), PyBUF_SIMPLE) != 0) {
    PyErr_Clear();
    throw TypeError(str(function, ": expected a path, bytes or a uint8 tensor, got ", short_type_name(from.ptr())));
  }
  std::span<const uint8_t> data(static_cast<const uint8_t*>(view->buf), size_t(view->len));
  return {{data, std::shared_ptr<void>(view.release(),
                                       [](void* p) {
                                         GilAcquire gil;
                                         PyBuffer_Release(static_cast<Py_buffer*>(p));
                                         delete static_cast<Py_buffer*>(p);
                                       })},
          ""};
}

std::string path_of(nb::handle path) {
  PyObject* bytes = nullptr;
  if (!PyUnicode_FSConverter(path.ptr(), &bytes)) throw nb::python_error();
  Object held(bytes);
  return {PyBytes_AS_STRING(bytes), size_t(PyBytes_GET_SIZE(bytes))};
}

nb::list to_texts(const std::vector<std::string>& all) {
  nb::list out;
  for (const std::string& s : all) out.append(to_text(s));
  return out;
}

Tensor to_tensor(const std::string& s) {
  Tensor out = empty_tensor({int64_t(s.size())}, DType::UInt8);
  if (!s.empty()) std::memcpy(out.raw(), s.data(), s.size());
  return out;
}

}  // namespace rushlight::py

NB_MODULE(_data, m) {
  using namespace rushlight;
  using namespace rushlight::py;
  m.doc() = "Readers and writers of files and databases; rushlight.data and rushlight.vision.io show them.";
  meet_core();
  m.def("has_library", &data::has_library, "name"_a,
        "Whether this build has png, jpeg, sndfile, leveldb or lmdb, and this system the library.");
  bind_text(m);
  bind_images(m);
  bind_tables(m);
  bind_sets(m);
  bind_databases(m);
  bind_audio(m);
}
