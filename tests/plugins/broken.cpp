// Libraries that can't be registered, one for each value of BROKEN. Each registers something that has to go again.
#include <torch/library.h>

using torch::Tensor;

namespace {
[[maybe_unused]] Tensor same(const Tensor& x) { return x; }
[[maybe_unused]] Tensor two(const Tensor& x, const Tensor&) { return x; }
[[maybe_unused]] int64_t number(const Tensor&) { return 1; }
}  // namespace

TORCH_LIBRARY_FRAGMENT(broken, m) { m.def("remains(Tensor x) -> Tensor", &same); }

#if BROKEN == 1  // one operator twice
TORCH_LIBRARY(broken_twice, m) {
  m.def("f(Tensor x) -> Tensor", &same);
  m.def("f(Tensor x, int i) -> Tensor");
}
#elif BROKEN == 2  // the wrong number of arguments
TORCH_LIBRARY(broken_arity, m) { m.def("f(Tensor x) -> Tensor", &two); }
#elif BROKEN == 3  // the wrong result
TORCH_LIBRARY(broken_result, m) {
  m.def("f(Tensor x) -> Tensor");
  m.impl("f", torch::dispatch(c10::DispatchKey::CPU, &number));
}
#elif BROKEN == 4  // no schema
TORCH_LIBRARY(broken_schema, m) { m.def("f(Tensor x -> Tensor"); }
#elif BROKEN == 5  // the namespace of another library
TORCH_LIBRARY(plug, m) { m.def("other(Tensor x) -> Tensor", &same); }
#elif BROKEN == 6  // an operator of rushlight's own
TORCH_LIBRARY_FRAGMENT(aten, m) { m.def("add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"); }
#else              // throws something else
TORCH_LIBRARY(broken_block, m) { throw std::runtime_error("no such hardware"); }
#endif
