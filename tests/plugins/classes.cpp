// Classes of C++ for tests/python/test_native_classes.py.
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
      .def_static("longest", [](const c10::List<int64_t>& all) {
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
