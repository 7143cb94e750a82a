#include "rushlight/api/creation.h"

#include <cstdio>
#include <cstring>
#include <ostream>
#include <sstream>

#include "rushlight/core/thread_state.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/to.h"

namespace rushlight::api {

namespace detail {

namespace {
std::string joined(const std::vector<int64_t>& sizes) {
  std::string text;
  for (int64_t s : sizes) text += (text.empty() ? "" : ", ") + std::to_string(s);
  return text;
}
std::string shown(const TensorDataContainer& items) {
  std::ostringstream text;
  text << items;
  return text.str();
}
}  // namespace

TensorDataContainer::TensorDataContainer(std::initializer_list<TensorDataContainer> items)
    : dtype_(default_dtype()), braced_(true), items_(items) {
  sizes_.push_back(int64_t(items_.size()));
  if (items_.empty()) return;
  const TensorDataContainer& first = items_[0];
  for (const TensorDataContainer& i : items_) {
    RL_CHECK(RuntimeError, i.sizes_ == first.sizes_,
             "tensor: Expected all sub-lists to have sizes: ", joined(first.sizes_), " (e.g. ", shown(first),
             "), but got sub-list ", shown(i), " with sizes: ", joined(i.sizes_));
    RL_CHECK(RuntimeError, i.dtype_ == first.dtype_,
             "tensor: Expected all elements of the tensor to have the same scalar type: ", first.scalar_type(),
             ", but got element of scalar type: ", i.scalar_type());
  }
  sizes_.insert(sizes_.end(), first.sizes_.begin(), first.sizes_.end());
  dtype_ = first.dtype_;
}

TensorDataContainer::TensorDataContainer(DType d, const void* items, size_t count) : sizes_{int64_t(count)}, dtype_(d) {
  list_ = empty_tensor(sizes_, d);
  if (count) std::memcpy(list_.raw(), items, count * size_t(item_size(d)));
}

TensorDataContainer::TensorDataContainer(const std::vector<bool>& items)
    : sizes_{int64_t(items.size())}, dtype_(DType::Bool) {
  list_ = empty_tensor(sizes_, DType::Bool);
  std::copy(items.begin(), items.end(), list_.data<bool>());
}

void TensorDataContainer::fill(rushlight::Tensor& out, int64_t& at) const {
  if (list_.defined()) {
    rushlight::Tensor items = rushlight::to(list_, out.dtype());
    if (items.numel())
      std::memcpy(static_cast<char*>(out.raw()) + at * out.item_size(), items.raw(), size_t(items.nbytes()));
    at += list_.numel();
  } else if (braced_) {
    for (const TensorDataContainer& i : items_) i.fill(out, at);
  } else if (out.dtype() == DType::Float64) {
    out.data<double>()[at++] = number_.to_double();
  } else if (out.dtype() == DType::Int64) {
    out.data<int64_t>()[at++] = number_.to_int();
  } else {
    out.data<complex128>()[at++] = number_.to<complex128>();
  }
}

Tensor TensorDataContainer::make(const TensorOptions& options) const {
  DType natural = dtype_ == DType::Int32                                 ? DType::Int64
                  : dtype_ == DType::Float32 || dtype_ == DType::Float64 ? default_dtype()
                                                                         : dtype_;
  DType dtype = options.dtype_or(natural).value();
  RL_CHECK(NotImplementedError, rushlight::is_complex(dtype) || !rushlight::is_complex(dtype_),
           "\"tensor_cpu\" not implemented for '", toString(dtype),
           "': the values are complex; make a complex tensor and take a part of it by torch::real or torch::imag");
  // Numbers go through the widest type of their kind, so that each is rounded once.
  DType wide = rushlight::is_complex(dtype) || rushlight::is_complex(dtype_) ? DType::Complex128
               : is_floating(dtype_)                                         ? DType::Float64
                                                                             : DType::Int64;
  NoGradGuard no_grad;
  rushlight::Tensor flat = empty_tensor(IntArrayRef(product(sizes_)), wide);
  int64_t at = 0;
  fill(flat, at);
  rushlight::Tensor made = rushlight::reshape(rushlight::to(flat, dtype), sizes_);
  if (options.has_device()) made = rushlight::to(made, dtype, std::nullopt, options.device());
  return options.finish(made);
}

const Scalar& TensorDataContainer::scalar() const {
  RL_CHECK(RuntimeError, is_scalar(),
           "Can only call `scalar()` on a TensorDataContainer that has `is_scalar() == true`");
  return number_;
}
const std::vector<TensorDataContainer>& TensorDataContainer::init_list() const {
  RL_CHECK(RuntimeError, is_init_list(),
           "Can only call `init_list()` on a TensorDataContainer that has `is_init_list() == true`");
  return items_;
}
Tensor TensorDataContainer::tensor() const {
  RL_CHECK(RuntimeError, is_tensor(),
           "Can only call `tensor()` on a TensorDataContainer that has `is_tensor() == true`");
  return list_;
}

std::ostream& operator<<(std::ostream& out, const TensorDataContainer& data) {
  if (data.is_scalar()) return out << data.scalar();
  out << '{';
  if (data.is_tensor()) {
    Tensor items = data.tensor();
    for (int64_t i = 0; i < items.numel(); i++) out << (i ? ", " : "") << items[i].item();
  } else {
    const char* between = "";
    for (const TensorDataContainer& item : data.init_list()) {
      out << between << item;
      between = ", ";
    }
  }
  return out << '}';
}

std::shared_ptr<void> kept(void* data, std::function<void(void*)> deleter) {
  return {data, [deleter = std::move(deleter)](void* p) {
            try {
              deleter(p);
            } catch (const std::exception& e) {
              std::fprintf(stderr, "rushlight: the deleter of borrowed memory threw: %s\n", e.what());
            } catch (...) { std::fprintf(stderr, "rushlight: the deleter of borrowed memory threw\n"); }
          }};
}

}  // namespace detail

Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const std::function<void(void*)>& deleter,
                 const TensorOptions& options) {
  DType d = options.dtype_or(default_dtype()).value();
  std::shared_ptr<void> keep;
  if (deleter) keep = detail::kept(data, deleter);
  RL_CHECK(RuntimeError, sizes.size() == strides.size(), "from_blob: expected as many strides as sizes, got sizes ",
           sizes, " and strides ", strides);
  RL_CHECK(NotImplementedError, options.device().is_cpu(), "from_blob: no memory of device ", options.device().str(),
           " can be borrowed");
  int64_t bytes = item_size(d);
  bool overflow = false;
  int64_t last = 0;
  for (size_t i = 0; i < sizes.size(); i++) {
    RL_CHECK(RuntimeError, sizes[i] >= 0, "from_blob: Trying to create tensor with negative dimension ", sizes[i], ": ",
             sizes);
    RL_CHECK(RuntimeError, strides[i] >= 0, "from_blob: negative strides are not supported, got ", strides);
    int64_t step = 0;
    overflow |= __builtin_mul_overflow(std::max<int64_t>(sizes[i] - 1, 0), strides[i], &step);
    overflow |= __builtin_add_overflow(last, step, &last);
  }
  bool empty = std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
  overflow |= __builtin_mul_overflow(last + 1, bytes, &bytes);
  RL_CHECK(RuntimeError, !overflow || empty, "from_blob: Storage size calculation overflowed with sizes=", sizes);
  RL_CHECK(ValueError, data || empty, "from_blob: expected the address of ", bytes, " bytes for sizes ", sizes,
           ", got a null pointer");
  auto storage = make_ref<rushlight::Storage>(data, empty ? 0 : size_t(bytes), rushlight::Device(), std::move(keep));
  return options.finish(rushlight::Tensor(make_ref<rushlight::TensorImpl>(std::move(storage), d, sizes, strides, 0)));
}
Tensor from_blob(void* data, IntArrayRef sizes, const std::function<void(void*)>& deleter,
                 const TensorOptions& options) {
  return from_blob(data, sizes, contiguous_strides(sizes), deleter, options);
}
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const TensorOptions& options) {
  return from_blob(data, sizes, strides, nullptr, options);
}
Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options) {
  return from_blob(data, sizes, contiguous_strides(sizes), nullptr, options);
}

}  // namespace rushlight::api
