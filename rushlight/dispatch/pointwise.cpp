#include "rushlight/dispatch/pointwise.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "rushlight/dispatch/functor_dtype.h"
#include "rushlight/dispatch/run.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/loops.h"

namespace rushlight {
namespace {

constexpr DType kNone = DType(-1);

int category(DType d) { return d == kNone ? -1 : is_complex(d) ? 3 : is_floating(d) ? 2 : d == DType::Bool ? 0 : 1; }

DType join(DType a, DType b) { return a == kNone ? b : b == kNone ? a : promote_types(a, b); }

// PyTorch's rule: a lower tier (0-d tensors below dimensioned ones, numbers below tensors) only lifts the category.
DType combine(DType higher, DType lower) {
  if (category(higher) == 3) return higher;
  if (category(higher) == 2) return category(lower) == 3 ? to_complex(higher) : higher;
  if (higher == DType::Bool || category(lower) >= 2) return join(higher, lower);
  return higher != kNone ? higher : lower;
}

class Promoter {
 public:
  void add(const IValue& v) {
    if (v.is_tensor()) return add(v.tensor());
    if (v.is_none()) return;
    Scalar s = v.to_scalar();
    wrapped_ = join(wrapped_, s.dtype());
  }
  void add(const Tensor& t) {
    DType d = t.dtype();
    if (t.impl()->wrapped_number) {
      if (is_complex(d)) d = to_complex(default_dtype());
      else if (is_floating(d)) d = default_dtype();
      wrapped_ = join(wrapped_, d);
    } else if (t.dim() > 0) {
      dimensioned_ = join(dimensioned_, d);
    } else {
      zero_dim_ = join(zero_dim_, d);
    }
  }
  DType result() const { return combine(dimensioned_, combine(zero_dim_, wrapped_)); }

 private:
  DType dimensioned_ = kNone, zero_dim_ = kNone, wrapped_ = kNone;
};

DType common_dtype(const PointwiseInfo& info, const IValue* args) {
  if (info.promote == Promote::Mask) {  // bytes are masks of old programs
    DType mask = args[0].tensor().dtype();
    RL_CHECK(RuntimeError, mask == DType::Bool || mask == DType::UInt8,
             "where expected condition to be a boolean tensor, but got a tensor with dtype ", scalar_type_name(mask),
             ". Hint: make it by a comparison, condition > 0, or with condition.bool()");
  }
  Promoter p;
  for (int i = info.promote == Promote::Mask; i < info.inputs; i++) p.add(args[i]);
  DType d = p.result();
  if (info.promote == Promote::ToFloat && is_integral(d, true)) d = default_dtype();
  return d;
}

DType result_dtype(const PointwiseInfo& info, DType common) {
  return info.result_is_bool ? DType::Bool : info.result_is_real ? to_real(common) : common;
}

const PointwiseInfo::Entry& entry_for(const Op& op, const PointwiseInfo& info, DType common) {
  const PointwiseInfo::Entry& e = info.entry(common);
  RL_CHECK(NotImplementedError, e.row[0], '"', op.name(), "\" not implemented for '", scalar_type_name(common), "'");
  return e;
}

// As entry_for; a number that is no byte is compared with bytes as an int32.
const PointwiseInfo::Entry& entry_for(const Op& op, const PointwiseInfo& info, DType common, const IValue* args) {
  const PointwiseInfo::Entry& e = entry_for(op, info, common);
  if (e.compute != DType::UInt8) return e;
  for (int i = 0; i < info.inputs; i++) {
    if (args[i].is_tensor()) continue;
    int64_t v = args[i].to_scalar().cast<int64_t>();
    if (v < 0 || v > 255) return info.entries[int(DType::Int16)];
  }
  return e;
}

thread_local constinit DType making_for [[gnu::tls_model("initial-exec")]] = DType::Int32;

// A functor made from its arguments, on the stack.
struct Functor {
  Functor(const PointwiseInfo::Entry& e, const IValue* args, DType common) {
    if (!e.make) return;
    making_for = common;
    e.make(bytes, args);
  }
  alignas(16) char bytes[kFunctorBytes];
};

constexpr int64_t kChunk = 1024;  // what a buffer holds: of float, five of them are 20 KB
constexpr int64_t kVector = 16;

// The first `rest` elements and the first one again up to a full vector. Written in the pieces in which a row reads it: a processor that has
// to gather what it just stored waits for the cache.
RL_FOR_EACH_ISA(
    template <class Word>, void, pad, (Word* __restrict to, const Word* from, int rest),
    {
      const Word first = *from;
      RL_IVDEP
      for (int i = 0; i < int(kVector); i++) to[i] = i < rest ? from[i] : first;
    },
    <Word>)

// Rows in the compute dtype. Tails run as a full vector, so that an element's bits don't depend on where it stands: the last elements once more
// where nothing is overwritten by that, otherwise a padded copy.
void run_row(const PointwiseInfo::Entry& e, const void* functor, void* out, const void* const* in, int inputs,
             int64_t n) {
  auto row = e.row[int(cpu_isa())];
  if (!is_floating(e.compute) || is_half(e.compute)) return row(functor, out, in, n);
  int64_t whole = n / kVector * kVector, rest = n - whole;
  if (whole) row(functor, out, in, whole);
  if (!rest) return;
  int64_t size = item_size(e.compute), out_size = item_size(e.result);
  const void* tails[kMaxOperands];
  bool apart = whole > 0;
  for (int k = 0; k < inputs; k++) {
    tails[k] = static_cast<const char*>(in[k]) + (n - kVector) * size;
    apart &= in[k] != out;
  }
  if (apart) return row(functor, static_cast<char*>(out) + (n - kVector) * out_size, tails, kVector);
  alignas(64) char buffers[kMaxOperands][kVector * 8];
  for (int k = 0; k < inputs; k++) {
    const char* from = static_cast<const char*>(in[k]) + whole * size;
    if (size == 4)
      pad_isa<uint32_t>()(reinterpret_cast<uint32_t*>(buffers[k]), reinterpret_cast<const uint32_t*>(from), int(rest));
    else
      pad_isa<uint64_t>()(reinterpret_cast<uint64_t*>(buffers[k]), reinterpret_cast<const uint64_t*>(from), int(rest));
    tails[k] = buffers[k];
  }
  row(functor, buffers[kMaxOperands - 1], tails, kVector);
  std::memcpy(static_cast<char*>(out) + whole * out_size, buffers[kMaxOperands - 1], size_t(rest * out_size));
}

// A number among the operands, in the dtype that is computed in. It wraps as an operand of its own dtype would.
void write_scalar(const Scalar& s, DType d, void* to) {
  switch (d) {
    case DType::Float32: *static_cast<float*>(to) = s.cast<float>(); break;
    case DType::Float64: *static_cast<double*>(to) = s.cast<double>(); break;
    case DType::Int32: *static_cast<int32_t*>(to) = s.cast<int32_t>(); break;
    case DType::Int64: *static_cast<int64_t*>(to) = s.cast<int64_t>(); break;
    case DType::UInt8: *static_cast<uint8_t*>(to) = s.cast<uint8_t>(); break;
    case DType::Bool: *static_cast<bool*>(to) = s.cast<bool>(); break;
    case DType::Complex64: *static_cast<complex64*>(to) = s.cast<complex64>(); break;
    default: *static_cast<complex128*>(to) = s.cast<complex128>(); break;
  }
}

}  // namespace

const PointwiseInfo::Entry& PointwiseInfo::entry(DType common) const {
  if (int(common) < kComputedSlots) [[likely]]
    return entries[int(common)];
  static const Entry none;
  if (!stored_too) return none;
  return is_float8(common)          ? entries[int(DType::Float32)]
         : common == DType::UInt16  ? entries[int(DType::Int32)]
         : is_wide_unsigned(common) ? entries[int(DType::Int64)]
                                    : none;
}

Formula PointwiseInfo::formula(DType common, const IValue* args) const {
  Formula f;
  Formula::Recording recording(f);
  MakingFunctor making(common);
  f.set_result(entry(common).write(args));
  return f;
}

DType functor_dtype() { return making_for; }
MakingFunctor::MakingFunctor(DType common) : before_(std::exchange(making_for, common)) {}
MakingFunctor::~MakingFunctor() { making_for = before_; }
DType pointwise_dtype(const Op& op, const IValue* args) {
  const PointwiseInfo& info = *op.def().kernel.pointwise;
  DType common = common_dtype(info, args);
  entry_for(op, info, common);
  return common;
}

DType result_type(const IValue* args, int count) {
  Promoter p;
  for (int i = 0; i < count; i++) p.add(args[i]);
  return p.result();
}

static bool is_expanded(const Tensor& t) {
  for (size_t d = 0; d < t.sizes().size(); d++)
    if (t.strides()[d] == 0 && t.sizes()[d] > 1) return true;
  return false;
}

// The order in memory of a result whose first operand is expanded: of two dimensions, the first operand that is expanded in neither
// says which is the inner one.
static Dims merged_strides(const PointwiseInfo& info, const IValue* args, const Dims& sizes) {
  size_t n = sizes.size();
  auto stride = [&](const Tensor& t, size_t d) -> int64_t {
    size_t missing = n - t.sizes().size();
    return d < missing || t.sizes()[d - missing] != sizes[d] ? 0 : t.strides()[d - missing];
  };
  auto compare = [&](size_t a, size_t b) {
    for (int i = 0; i < info.inputs; i++) {
      if (!args[i].is_tensor()) continue;
      int64_t x = stride(args[i].tensor(), a), y = stride(args[i].tensor(), b);
      if (x && y && x != y) return x > y ? 1 : -1;
    }
    return 0;
  };
  std::vector<size_t> order(n);
  for (size_t d = 0; d < n; d++) order[d] = d;
  for (size_t k = n; k-- > 0;) {
    size_t at = k;
    for (size_t next = k + 1; next < n; next++) {
      int outer = compare(order[at], order[next]);
      if (outer > 0) break;
      if (outer == 0) continue;
      std::swap(order[at], order[next]);
      at = next;
    }
  }
  Dims strides(n, 1);
  int64_t step = 1;
  for (size_t k = n; k-- > 0; step *= std::max<int64_t>(sizes[order[k]], 1)) strides[order[k]] = step;
  return strides;
}

int pointwise_meta(const Op& op, const PointwiseInfo& info, const IValue* args, TensorSpec* spec) {
  DType common = common_dtype(info, args);
  entry_for(op, info, common);
  spec->dtype = result_dtype(info, common);
  const Tensor* like = nullptr;
  bool first = true;
  for (int i = 0; i < info.inputs; i++) {
    if (!args[i].is_tensor()) continue;
    const Tensor& t = args[i].tensor();
    if (first) spec->sizes = t.sizes();
    else if (!(t.sizes() == spec->sizes)) spec->sizes = broadcast_shapes(spec->sizes, t.sizes());
    if (first || spec->device.is_cpu()) spec->device = t.device();
    first = false;
  }
  for (int i = 0; i < info.inputs && !like; i++)
    if (args[i].is_tensor() && args[i].tensor().sizes() == spec->sizes) like = &args[i].tensor();
  if (like && !like->is_contiguous() && like->numel() > 0)
    spec->strides = is_expanded(*like) ? merged_strides(info, args, spec->sizes) : preserved_strides(*like);
  return 1;
}

void pointwise_cpu(const Op& op, const PointwiseInfo& info, const IValue* args, const Tensor& out) {
  if (out.numel() == 0) return;
  DType common = common_dtype(info, args);
  const PointwiseInfo::Entry& e = entry_for(op, info, common, args);
  Functor functor(e, args, common);
  LoopPlan plan(out.sizes());
  plan.add(out);
  alignas(16) char values[kMaxOperands][16];
  DType dtypes[kMaxOperands];
  DType stored = result_dtype(info, common);
  RL_INVARIANT(out.dtype() == stored);
  // Half types are computed in float, but what is not one of them yet becomes one first.
  Tensor rounded[kMaxOperands];
  bool half = is_half(common);
  for (int k = 0; k < info.inputs; k++) {
    if (args[k].is_tensor()) {
      Tensor t = args[k].tensor();
      bool exact = info.exact_numbers && t.dim() == 0, mask = info.promote == Promote::Mask && k == 0;
      if (half && t.dtype() != common && !exact && !mask) t = rounded[k] = dense(t, common);
      plan.add(t);
      dtypes[k] = t.dtype();
    } else {
      Scalar number = args[k].to_scalar();
      if (info.numbers_fit) {
        Scalar fitting = number_in(number, common, info.promote == Promote::Mask);
        if (!info.exact_numbers) number = fitting;
      }
      write_scalar(number, e.compute, values[k]);
      if (half && !info.exact_numbers) {
        float& v = *reinterpret_cast<float*>(values[k]);
        v = common == DType::Float16 ? float(Half(v)) : float(BFloat16(v));
      }
      plan.add_value(values[k]);
      dtypes[k] = e.compute;
    }
  }
  plan.finish();
  int64_t compute_size = item_size(e.compute), result_size = item_size(e.result);
  plan.for_each_row(true, [&](char* const* pointers, const int64_t* strides, int64_t n) {
    bool out_direct = stored == e.result && strides[0] == result_size;
    bool direct[kMaxOperands], all = out_direct;
    for (int k = 0; k < info.inputs; k++) all &= direct[k] = dtypes[k] == e.compute && strides[k + 1] == compute_size;
    const void* in[kMaxOperands];
    if (all) {
      for (int k = 0; k < info.inputs; k++) in[k] = pointers[k + 1];
      return run_row(e, functor.bytes, pointers[0], in, info.inputs, n);
    }
    alignas(64) char buffers[kMaxOperands][kChunk * 16];
    for (int k = 0; k < info.inputs; k++)  // one value for the whole row: written once
      if (strides[k + 1] == 0)
        convert_row(e.compute, buffers[k], compute_size, dtypes[k], pointers[k + 1], 0, std::min(n, kChunk));
    for (int64_t at = 0; at < n; at += kChunk) {
      int64_t count = std::min(kChunk, n - at);
      for (int k = 0; k < info.inputs; k++) {
        const char* p = pointers[k + 1] + at * strides[k + 1];
        in[k] = direct[k] ? p : buffers[k];
        if (!direct[k] && strides[k + 1] != 0)
          convert_row(e.compute, buffers[k], compute_size, dtypes[k], p, strides[k + 1], count);
      }
      char* o = pointers[0] + at * strides[0];
      void* to = out_direct ? o : buffers[kMaxOperands - 1];
      run_row(e, functor.bytes, to, in, info.inputs, count);
      if (!out_direct) convert_row(stored, o, strides[0], e.result, to, result_size, count);
    }
  });
}

bool pointwise_fast(const PointwiseInfo& info, const IValue* args, IValue* ret, bool in_place) {
  return pointwise_over(info, args, ret, in_place, false);
}

bool pointwise_over(const PointwiseInfo& info, const IValue* args, IValue* ret, bool in_place, bool alone) {
  if (!args[0].is_tensor()) return false;
  const Tensor& first = args[0].tensor();
  const TensorImpl& self = *first.impl();
  DType d = self.dtype();
  const PointwiseInfo::Entry& e = info.entry(d);
  int64_t n = self.numel();
  if (!e.row[0] || e.compute != d || n > kChunk || n == 0 || !self.contiguous() || self.wrapped_number ||
      !self.device().is_cpu() || info.promote == Promote::Mask)
    return false;
  if (in_place && (result_dtype(info, d) != d || self.storage()->read_only() || self.inference)) return false;
  const void* in[kMaxOperands] = {first.raw()};
  alignas(64) char value[kChunk * 8];
  for (int k = 1; k < info.inputs; k++) {
    if (args[k].is_tensor()) {
      const TensorImpl& t = *args[k].tensor().impl();
      if (t.dtype() != d || !t.contiguous() || !equal_sizes(t.sizes(), self.sizes()) || !t.device().is_cpu())
        return false;
      in[k] = args[k].tensor().raw();
      if (in_place && t.storage() == self.storage() && in[k] != in[0]) return false;  // may overlap
    } else if (d == DType::Float32 && (args[k].is_double() || args[k].is_int()) && in[k - 1] != value) {
      float v = float(args[k].to_double());
      if (info.numbers_fit && std::isinf(v)) return false;
      for (int64_t i = 0; i < n; i++) reinterpret_cast<float*>(value)[i] = v;
      in[k] = value;
    } else {
      return false;
    }
  }
  Functor functor(e, args, d);
  if (in_place) {
    run_row(e, functor.bytes, first.raw(), in, info.inputs, n);
    first.impl()->bump_version();
    *ret = IValue(args[0]);
    return true;
  }
  DType result = result_dtype(info, d);
  if (ret->is_borrowed() && can_write_over(*ret, self.sizes(), {}, result, alone)) {
    run_row(e, functor.bytes, ret->tensor().raw(), in, info.inputs, n);
    return true;
  }
  Tensor out = empty_tensor(self.sizes(), result);
  run_row(e, functor.bytes, out.raw(), in, info.inputs, n);
  *ret = IValue(std::move(out));
  return true;
}

void pointwise_row(const PointwiseInfo::Entry& e, const void* functor, void* out, const void* const* in, int inputs,
                   int64_t n) {
  run_row(e, functor, out, in, inputs, n);
}

}  // namespace rushlight
