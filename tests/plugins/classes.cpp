// Classes of C++ for tests/python/test_native_classes.py.
#include <torch/csrc/jit/backends/backend.h>
#include <torch/csrc/jit/backends/backend_preprocess.h>
#include <torch/custom_class.h>
#include <torch/library.h>

namespace {

// Counts down.
class Timer : public torch::CustomClassHolder {
 public:
  explicit Timer(int64_t left) : left(left) { TORCH_CHECK(left >= 0, "Timer: expected left >= 0, got ", left); }
  bool tick(int64_t by) { return (left -= by) > 0; }
  int64_t left;
  double speed = 1;
};
struct Closed : torch::CustomClassHolder {};

TORCH_LIBRARY(plug_classes, m) {
  m.class_<Timer>("Timer")
      .def(torch::init<int64_t>())
      .def("tick", &Timer::tick, "", {torch::arg("by") = 1})
      .def_readwrite("speed", &Timer::speed)
      .def_readonly("left", &Timer::left)
      .def_property("doubled", [](const c10::intrusive_ptr<Timer>& t) { return t->left * 2; })
      .def_static("longest",
                  [](const c10::List<int64_t>& all) {
                    int64_t most = 0;
                    for (int64_t n : all) most = std::max(most, n);
                    return c10::make_intrusive<Timer>(most);
                  })
      .def_pickle([](const c10::intrusive_ptr<Timer>& t) { return t->left; },
                  [](int64_t left) { return c10::make_intrusive<Timer>(left); });
  m.class_<Closed>("Closed").def("same", [](const c10::intrusive_ptr<Closed>& c) { return c; });
  m.def("left_of(__torch__.torch.classes.plug_classes.Timer timer, Tensor x) -> Tensor",
        [](const c10::intrusive_ptr<Timer>& t, const at::Tensor& x) { return x + t->left; });
}

}  // namespace

// A backend that adds up its arguments and what the spec of the method says.
namespace torch {
namespace jit {
template <bool available>
class Adder : public PyTorchBackendInterface {
 public:
  bool is_available() override { return available; }
  c10::impl::GenericDict compile(c10::IValue processed, c10::impl::GenericDict spec) override {
    c10::Dict<std::string, int64_t> handles;
    for (const auto& e : spec) handles.insert(e.key().toStringRef(), e.value().toInt() + processed.toInt());
    return c10::impl::toGenericDict(handles);
  }
  c10::impl::GenericList execute(c10::IValue handle, c10::impl::GenericList inputs) override {
    at::Tensor sum = c10::IValue(inputs[0]).toTensor() + handle.toInt();
    for (size_t i = 1; i < inputs.size(); i++) sum = sum + c10::IValue(inputs[i]).toTensor();
    c10::List<at::Tensor> out;
    out.push_back(sum);
    if (handle.toInt() == 1003) out.push_back(sum * 2);
    return c10::impl::toList(out);
  }
};
namespace {
c10::IValue prepared(const Module& module, const c10::Dict<c10::IValue, c10::IValue>&,
                     const BackendDebugHandleGenerator&) {
  return int64_t(module.get_methods().size()) * 500;
}
auto adder = torch::jit::backend<Adder<true>>("plug_adder");
auto adder_prepared = backend_preprocess_register("plug_adder", prepared);
auto nowhere = torch::jit::backend<Adder<false>>("plug_nowhere");
}  // namespace
}  // namespace jit
}  // namespace torch
