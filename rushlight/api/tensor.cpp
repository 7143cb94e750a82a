#include "rushlight/api/tensor.h"

#include <cmath>
#include <iostream>
#include <limits>
#include <thread>

#include "rushlight/api/accessor.h"
#include "rushlight/api/context.h"
#include "rushlight/api/dispatch.h"
#include "rushlight/core/device_interface.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/core/notice.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/fn/permute.h"
#include "rushlight/graph/tensor_text.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/nn/layout.h"

namespace rushlight {

// The names are literals, so that the view ends in a null.
const char* toString(DType d) { return info_of(d).scalar_type; }
std::ostream& operator<<(std::ostream& out, DType d) { return out << toString(d); }
std::ostream& operator<<(std::ostream& out, DeviceType t) { return out << Device{t}.text(); }
std::ostream& operator<<(std::ostream& out, Layout layout) {
  constexpr const char* names[kLayouts] = {"Strided",   "Sparse",    "SparseCsr", "Mkldnn",
                                           "SparseCsc", "SparseBsr", "SparseBsc", "Jagged"};
  return out << names[int(layout)];
}
std::ostream& operator<<(std::ostream& out, MemoryFormat format) {
  constexpr const char* names[] = {"Contiguous", "Preserve", "ChannelsLast", "ChannelsLast3d"};
  return out << names[int(format)];
}

}  // namespace rushlight

namespace rushlight::api {

template <class T>
TensorOptions TensorOptions::with(detail::Setting<T> TensorOptions::* field, const std::optional<T>& value) const {
  TensorOptions o = *this;
  o.*field = value;
  return o;
}
TensorOptions TensorOptions::dtype(std::optional<DType> d) const { return with(&TensorOptions::dtype_, d); }
TensorOptions TensorOptions::device(std::optional<Device> d) const { return with(&TensorOptions::device_, d); }
TensorOptions TensorOptions::layout(std::optional<Layout> l) const { return with(&TensorOptions::layout_, l); }
TensorOptions TensorOptions::requires_grad(std::optional<bool> v) const {
  return with(&TensorOptions::requires_grad_, v);
}
TensorOptions TensorOptions::pinned_memory(std::optional<bool> v) const {
  return with(&TensorOptions::pinned_memory_, v);
}
TensorOptions TensorOptions::memory_format(std::optional<MemoryFormat> f) const {
  return with(&TensorOptions::format_, f);
}
std::optional<TypeMeta> TensorOptions::dtype_opt() const { return dtype_or(); }
std::optional<Device> TensorOptions::device_opt() const { return device_; }
std::optional<Layout> TensorOptions::layout_opt() const { return layout_; }
std::optional<bool> TensorOptions::requires_grad_opt() const { return requires_grad_; }
std::optional<bool> TensorOptions::pinned_memory_opt() const { return pinned_memory_; }
std::optional<MemoryFormat> TensorOptions::memory_format_opt() const { return format_; }
std::optional<DType> TensorOptions::dtype_or(std::optional<DType> other) const {
  return dtype_ ? std::optional<DType>(dtype_) : other;
}
std::optional<MemoryFormat> TensorOptions::format_or(std::optional<MemoryFormat> other) const {
  return other ? other : std::optional<MemoryFormat>(format_);
}

std::ostream& operator<<(std::ostream& out, const Device& d) { return out << d.text(); }
std::ostream& operator<<(std::ostream& out, TypeMeta t) { return out << t.name(); }
std::ostream& operator<<(std::ostream& out, const Scalar& s) {
  if (s.is_bool()) return out << (s.toBool() ? "true" : "false");
  if (s.is_int()) return out << s.toLong();
  if (s.is_float()) return out << s.toDouble();
  return out << s.toComplexDouble();
}
std::ostream& operator<<(std::ostream& out, const TensorOptions& o) {
  auto noted = [](bool given) { return given ? "" : " (default)"; };
  auto truth = [](bool v) { return v ? "true" : "false"; };
  out << "TensorOptions(dtype=" << o.dtype() << noted(o.has_dtype()) << ", device=" << o.device()
      << noted(o.has_device()) << ", layout=" << o.layout() << noted(o.layout_opt().has_value())
      << ", requires_grad=" << truth(o.requires_grad()) << noted(o.has_requires_grad())
      << ", pinned_memory=" << truth(o.pinned_memory()) << noted(o.pinned_memory_opt().has_value())
      << ", memory_format=";
  if (o.memory_format_opt()) return out << *o.memory_format_opt() << ")";
  return out << "(nullopt))";
}

// As gcc writes a function's template arguments.
std::string_view TypeMeta::name() const {
  switch (dtype_) {
    case DType::Int16: return "short int";
    case DType::Int64: return "long int";
    case DType::UInt16: return "short unsigned int";
    case DType::UInt64: return "long unsigned int";
    default: return info_of(dtype_).type_name;
  }
}

bool Scalar::fits(DType wanted) const {
  if (is_complex() && rushlight::Scalar::to<complex128>().imag() != 0) return false;
  if (is_floating(wanted)) {
    double v = to_double();
    double most = wanted == kHalf ? 65504 : wanted == kDouble ? std::numeric_limits<double>::max() : 0x1.fffffep127;
    return is_float8(wanted) || !std::isfinite(v) || std::abs(v) <= most;
  }
  int bits = item_size(wanted) * 8;
  // Unsigned types take negative numbers that wrap, as in C++.
  int range = is_kind(wanted, DTypeKind::Unsigned) ? bits : bits - 1;
  double lowest = -std::ldexp(1.0, range), past = std::ldexp(1.0, range);
  if (is_float() || is_complex()) return to_double() > lowest - 1 && to_double() < past;
  return bits == 64 || (double(to_int()) >= lowest && double(to_int()) < past);
}
void Scalar::fail_overflow(DType wanted) const {
  throw RuntimeError(rushlight::str("value cannot be converted to type ", name_of(wanted), " without overflow"));
}

void set_default_dtype(TypeMeta d) {
  RL_CHECK(TypeError, is_floating(d), "only floating-point types are supported as the default type, got ", name_of(d));
  rushlight::set_default_dtype(d);
}

const rushlight::Tensor MaybeTensor::none;

void fail_undefined(const char* method) {
  throw RuntimeError(rushlight::str(method,
                                    "() called on an undefined Tensor: nothing was assigned to it, it was moved from, "
                                    "or it is a gradient that does not exist"));
}
void unshare_bytes(rushlight::Storage& storage) { rushlight::materialize(storage); }
void Tensor::print() const {
  if (defined()) std::cerr << "[" << toString() << " " << sizes() << "]" << std::endl;
  else std::cerr << "[UndefinedTensor]" << std::endl;
}
void fail_sparse(const char* method) {
  throw RuntimeError(
      rushlight::str(method,
                     "(): Cannot access data pointer of Tensor that doesn't have storage; it is sparse, use "
                     "to_dense() first"));
}
void fail_data_type(const char* method, DType wanted, DType got) {
  throw TypeError(rushlight::str(method, ": expected scalar type ", toString(wanted), " but found ", toString(got)));
}
void fail_accessor(int64_t wanted, int64_t dims) {
  throw RuntimeError(rushlight::str("TensorAccessor expected ", wanted, " dims but tensor has ", dims));
}
void fail_accessor_index(int64_t numel, size_t index_bytes) {
  throw RuntimeError(rushlight::str("packed_accessor: the tensor's ", numel,
                                    " elements can't be counted by an index of ", index_bytes,
                                    " bytes; use packed_accessor64"));
}

const char* toString(Backend b) {
  static constexpr const char* names[] = {"CPU",        "CUDA",         "Meta",          "PrivateUse1",     "SparseCPU",
                                          "SparseCUDA", "SparseCsrCPU", "SparseCsrCUDA", "UndefinedBackend"};
  return names[size_t(b)];
}
std::ostream& operator<<(std::ostream& out, Backend b) { return out << toString(b); }
DeprecatedTypeProperties& getDeprecatedTypeProperties(Backend backend, DType d) {
  constexpr size_t kinds = size_t(Backend::Undefined) + 1;
  static std::vector<DeprecatedTypeProperties>& all = *new std::vector<DeprecatedTypeProperties>([] {
    std::vector<DeprecatedTypeProperties> made;
    for (size_t i = 0; i < kinds * size_t(kDTypeCount); i++) made.emplace_back(Backend(i % kinds), DType(i / kinds));
    return made;
  }());
  return all[size_t(d) * kinds + size_t(backend)];
}
DeviceType DeprecatedTypeProperties::device_type() const {
  switch (backend_) {
    case Backend::CUDA:
    case Backend::SparseCUDA:
    case Backend::SparseCsrCUDA: return kCUDA;
    case Backend::Meta: return kMeta;
    case Backend::PrivateUse1: return kPrivateUse1;
    default: return kCPU;
  }
}
Layout DeprecatedTypeProperties::layout() const {
  return backend_ == Backend::SparseCPU || backend_ == Backend::SparseCUDA         ? kSparse
         : backend_ == Backend::SparseCsrCPU || backend_ == Backend::SparseCsrCUDA ? kSparseCsr
                                                                                   : kStrided;
}
DeprecatedTypeProperties& DeprecatedTypeProperties::toBackend(Backend b) const {
  return getDeprecatedTypeProperties(b, dtype_);
}
DeprecatedTypeProperties& DeprecatedTypeProperties::toScalarType(DType d) const {
  return getDeprecatedTypeProperties(backend_, d);
}
std::string DeprecatedTypeProperties::toString() const {
  return std::string(api::toString(backend_)) + api::toString(dtype_) + "Type";
}
std::ostream& operator<<(std::ostream& out, const DeprecatedTypeProperties& t) { return out << t.toString(); }
DeprecatedTypeProperties& Tensor::type() const {
  bool cuda = device().is_cuda();
  Backend backend = layout() == kSparse                          ? cuda ? Backend::SparseCUDA : Backend::SparseCPU
                    : layout() == kSparseCsr                     ? cuda ? Backend::SparseCsrCUDA : Backend::SparseCsrCPU
                    : cuda                                       ? Backend::CUDA
                    : device().is_meta()                         ? Backend::Meta
                    : device().type() == DeviceType::PrivateUse1 ? Backend::PrivateUse1
                                                                 : Backend::CPU;
  return getDeprecatedTypeProperties(backend, scalar_type());
}
MemoryFormat Tensor::suggest_memory_format() const {
  return defined() && channels_come_last(*this) ? channels_last_format(dim()) : MemoryFormat::Contiguous;
}
std::string Tensor::toString() const { return defined() ? type().toString() : "UndefinedType"; }
bool Tensor::is_nonzero() const {
  need("is_nonzero");
  RL_CHECK(RuntimeError, numel() == 1, "Boolean value of Tensor with ", numel() ? "more than one value" : "no values",
           " is ambiguous");
  return item().toBool();
}
Tensor Tensor::numpy_T() const {
  std::vector<int64_t> dims(size_t(need("numpy_T").dim()));
  for (size_t i = 0; i < dims.size(); i++) dims[i] = int64_t(dims.size() - 1 - i);
  return rushlight::permute(*this, dims);
}

std::string to_string(const Tensor& t) { return tensor_text(t); }
std::ostream& operator<<(std::ostream& out, const Tensor& t) { return print(out, t, 80); }
std::ostream& print(std::ostream& out, const Tensor& t, int64_t width) {
  return out << tensor_text(t, width, int(out.precision()));
}
void print(const Tensor& t, int64_t width) { print(std::cout, t, width); }

Generator make_cpu_generator(uint64_t seed) { return Generator(make_ref<rushlight::Generator>(seed)); }
Generator default_cpu_generator() { return Generator(Ref<rushlight::Generator>(&default_generator())); }

Generator Context::defaultGenerator(Device device) const {
  return Generator(Ref<rushlight::Generator>(&default_generator(device)));
}
std::string show_config() {
  return str("rushlight, with the names of PyTorch\n  - threads: ", get_num_threads(), "\n");
}
std::string get_parallel_info() {
  return str("rushlight's own threads\n\tat::get_num_threads() : ", get_num_threads(),
             "\n\tstd::thread::hardware_concurrency() : ", std::thread::hardware_concurrency(), "\n");
}
Tensor Generator::get_state() const {
  std::lock_guard lock(get().mutex());
  rushlight::Tensor bytes = empty_tensor({int64_t(rushlight::Generator::kStateBytes)}, DType::UInt8);
  get().get_state(bytes.data<uint8_t>());
  return bytes;
}
void Generator::set_state(const Tensor& state) {
  RL_CHECK(TypeError, state.defined() && state.scalar_type() == kByte && state.is_cpu(),
           "Generator.set_state: expected a tensor of bytes on the CPU, as get_state() gives it");
  Tensor bytes = state.contiguous();
  std::lock_guard lock(get().mutex());
  get().set_state(bytes.data_ptr<uint8_t>(), size_t(bytes.numel()));
}
Tensor& Tensor::set_(const api::Storage& from, int64_t offset, IntArrayRef sizes, IntArrayRef strides) const {
  need("set_");
  Dims contiguous;
  if (strides.empty()) contiguous = contiguous_strides(sizes);
  int64_t items = int64_t(from.nbytes()) / rushlight::Tensor::item_size();
  rushlight::Tensor all(make_ref<rushlight::TensorImpl>(from.held(), rushlight::Tensor::dtype(), IntArrayRef(items)));
  rushlight::take_over(*this, alias_tensor(all, sizes, strides.empty() ? IntArrayRef(contiguous) : strides, offset));
  return const_cast<Tensor&>(*this);
}

Tensor Tensor::refine_names(DimnameList names) const {
  throw NotImplementedError(rushlight::str("refine_names: dimensions have no names here, got ", names.size(),
                                           "; use the dimensions' numbers"));
}

Context& globalContext() {
  static Context context;
  return context;
}

namespace WarningUtils {
namespace {
thread_local WarningHandler* chosen = nullptr;
void (*show_first)(const std::string&) =
    nullptr;  // what the library's own warnings went to before a program had a handler
struct FirstHandler final : WarningHandler {
  void process(const Warning& warning) override { (show_first ? show_first : show_warning)(warning.msg()); }
} first;
}  // namespace
void set_warning_handler(WarningHandler* handler) noexcept {
  static const bool ours_too = [] {
    show_first = show_warning;
    show_warning = [](const std::string& text) { get_warning_handler()->process(Warning(text, {"", "", 0})); };
    return true;
  }();
  (void)ours_too;
  chosen = handler;
}
WarningHandler* get_warning_handler() noexcept { return chosen ? chosen : &first; }
void set_warnAlways(bool on) noexcept { warn_always = on; }
bool get_warnAlways() noexcept { return warn_always; }
}  // namespace WarningUtils

Tensor TensorOptions::converted(Tensor made) const {
  RL_CHECK(RuntimeError, !requires_grad(),
           "Operators taking TensorOptions cannot take a TensorOptions with options.requires_grad set as true. This "
           "isn't implemented yet. Hint: x.to(options).requires_grad_()");
  return made;
}

namespace accelerator {
namespace {
[[noreturn]] void none() { throw RuntimeError("Cannot access accelerator device when none is available."); }
}  // namespace
std::optional<DeviceType> getAccelerator(bool checked) {
  if (checked) none();
  return std::nullopt;
}
DeviceIndex getDeviceIndex() { none(); }
void setDeviceIndex(DeviceIndex) { none(); }
void synchronizeDevice(DeviceIndex) { none(); }
void emptyCache() { none(); }
}  // namespace accelerator

namespace cuda {
void synchronize(int64_t) { throw RuntimeError("cuda::synchronize: there is no CUDA device"); }
}  // namespace cuda

namespace detail {

std::string assert_text(const char* condition, const char* file, int line, const std::string& more) {
  return rushlight::str(condition, " INTERNAL ASSERT FAILED at \"", file, "\":", line, ". ", more);
}
std::string narrow(const wchar_t* text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; i++) {
    uint32_t c = uint32_t(text[i]);
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static constexpr uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
    out += char(marks[more] | (c >> (6 * more)));
    while (more-- > 0) out += char(0x80 | ((c >> (6 * more)) & 0x3f));
  }
  return out;
}
bool shall_warn(bool& said) { return rushlight::shall_warn(said); }
void warn(const std::string& text, const char* function, const char* file, unsigned line) {
  WarningUtils::get_warning_handler()->process(Warning(text, {function, file, line}));
}
void fail_dispatch(const char* name, DType d) {
  throw NotImplementedError(rushlight::str('"', name, "\" not implemented for '", toString(d), "'"));
}

}  // namespace detail
}  // namespace rushlight::api
