#include "rushlight/api/util.h"

#include <cctype>
#include <thread>

#include "rushlight/api/check.h"
#include "rushlight/api/context.h"
#include "rushlight/graph/future.h"

namespace rushlight::api {

DataPtr Allocator::allocate(size_t bytes) const {
  auto* storage = new rushlight::Storage(bytes, rushlight::Device());
  storage->retain();
  return DataPtr(storage->data(), storage, [](void* s) { static_cast<rushlight::Storage*>(s)->release(); }, kCPU);
}
const Allocator* GetAllocator(DeviceType device) {
  static const Allocator cpu;
  RL_CHECK(NotImplementedError, device == kCPU, "GetAllocator: there is one for the CPU only, got ",
           device_type_name(device));
  return &cpu;
}

int get_num_interop_threads() { return graph::num_interop_threads(); }
void set_num_interop_threads(int n) { graph::set_num_interop_threads(n); }

void launch(std::function<void()> f) {
  std::thread([f = std::move(f)] {
    try {
      f();
    } catch (const std::exception& e) { TORCH_WARN("launch: ", e.what()); } catch (...) {
      TORCH_WARN("launch: what the function threw is no std::exception");
    }
  }).detach();
}

DType toValueType(DType d) {
  return d == kComplexHalf ? kHalf : d == kComplexFloat ? kFloat : d == kComplexDouble ? kDouble : d;
}
DType toComplexType(DType d) {
  return d == kHalf ? kComplexHalf : d == kFloat ? kComplexFloat : d == kDouble ? kComplexDouble : d;
}
std::string DeviceTypeName(DeviceType type, bool lower_case) {
  std::string name(device_type_name(type));
  if (!lower_case && type != kPrivateUse1)
    for (char& c : name) c = char(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Tensor scalar_to_tensor(const Scalar& s, Device device) {
  return api::scalar_tensor(s, TensorOptions(s.type()).device(device));
}

DimVector infer_size_dimvector(IntArrayRef a, IntArrayRef b) { return infer_size(a, b); }
std::vector<int64_t> infer_size(IntArrayRef a, IntArrayRef b) {
  Dims d = broadcast_shapes(a, b);
  return IntArrayRef(d).vec();
}
std::vector<int64_t> infer_size(IntArrayRef shape, int64_t numel) {
  std::vector<int64_t> out = shape.vec();
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < out.size(); i++) {
    RL_CHECK(RuntimeError, out[i] >= -1, "invalid shape dimension ", out[i]);
    RL_CHECK(RuntimeError, out[i] != -1 || unknown < 0, "only one dimension can be inferred");
    if (out[i] == -1) unknown = int64_t(i);
    else RL_CHECK(RuntimeError, !__builtin_mul_overflow(known, out[i], &known), "invalid shape ", shape);
  }
  bool fits = unknown < 0 ? known == numel : known > 0 && numel % known == 0;
  RL_CHECK(RuntimeError, fits, "shape '", shape, "' is invalid for input of size ", numel);
  if (unknown >= 0) out[size_t(unknown)] = numel / known;
  return out;
}
MaybeOwned<Tensor> expand_size(const Tensor& t, IntArrayRef sizes) {
  return t.sizes() == sizes ? MaybeOwned<Tensor>::borrowed(t) : MaybeOwned<Tensor>::owned(t.expand(sizes));
}
MaybeOwned<Tensor> expand_inplace(const Tensor& to, const Tensor& t) { return expand_size(t, to.sizes()); }
std::tuple<MaybeOwned<Tensor>, MaybeOwned<Tensor>> expand_outplace(const Tensor& a, const Tensor& b) {
  std::vector<int64_t> sizes = infer_size(a.sizes(), b.sizes());
  return {expand_size(a, sizes), expand_size(b, sizes)};
}

}  // namespace rushlight::api
