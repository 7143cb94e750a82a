// All of the C++ front end, under PyTorch's namespaces.
#pragma once
#include "rushlight/api/accessor.h"
#include "rushlight/api/autograd.h"
#include "rushlight/api/check.h"
#include "rushlight/api/context.h"
#include "rushlight/api/creation.h"
#include "rushlight/api/custom_class.h"
#include "rushlight/api/dispatch.h"
#include "rushlight/api/future.h"
#include "rushlight/api/indexing.h"
#include "rushlight/api/ivalue.h"
#include "rushlight/api/library.h"
#include "rushlight/api/module.h"
#include "rushlight/api/serialize.h"
#include "rushlight/api/tensor.h"
#include "rushlight/api/util.h"

namespace at {
using namespace rushlight::api;
// PyTorch's kernels without their dispatch; here the operators.
namespace native {
using namespace rushlight::api;
inline bool is_nonzero(const Tensor& self) { return self.is_nonzero(); }
}  // namespace native
namespace detail {
using namespace rushlight::api::detail;
inline Generator createCPUGenerator(uint64_t seed = rushlight::Generator::kDefaultSeed) {
  return rushlight::api::make_cpu_generator(seed);
}
inline Generator getDefaultCPUGenerator() { return rushlight::api::default_cpu_generator(); }
}  // namespace detail
}  // namespace at
namespace c10 {
using namespace rushlight::api;
template <class T>
using complex = std::complex<T>;
namespace guts {
template <class T>
std::string to_string(const T& v) {
  return c10::str(v);
}
}  // namespace guts
}  // namespace c10
namespace caffe2 {
using rushlight::api::TypeMeta;
}
