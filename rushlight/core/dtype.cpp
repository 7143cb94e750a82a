#include "rushlight/core/dtype.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "rushlight/core/error.h"

namespace rushlight {

const char* name_of(Layout layout) {
  static constexpr const char* names[kLayouts] = {"strided",    "sparse_coo", "sparse_csr", "_mkldnn",
                                                  "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"};
  return names[size_t(layout)];
}

#define RL_ROW(computed, Name, python, number, Type, alias, scalar_type, cpp_name, type_name, Kind, numpy) \
  {DType::Name, #python, alias, scalar_type, cpp_name, type_name, DTypeKind::Kind, sizeof(Type), computed, numpy},
#define RL_COMPUTED(...) RL_ROW(true, __VA_ARGS__)
#define RL_STORED(...) RL_ROW(false, __VA_ARGS__)
const DTypeInfo kDTypes[kDTypeCount] = {RL_COMPUTED_DTYPES(RL_COMPUTED) RL_STORED_DTYPES(RL_STORED)};
#undef RL_STORED
#undef RL_COMPUTED
#undef RL_ROW

namespace {
std::atomic<DType> current_default{DType::Float32};
}  // namespace

const DTypeInfo* find_dtype(int number) {
  static const std::array<const DTypeInfo*, kDTypeSlots> by_number = [] {
    std::array<const DTypeInfo*, kDTypeSlots> all{};
    for (const DTypeInfo& i : kDTypes) all[size_t(i.dtype)] = &i;
    return all;
  }();
  return number >= 0 && number < kDTypeSlots ? by_number[size_t(number)] : nullptr;
}
const DTypeInfo& info_of(DType d) {
  const DTypeInfo* i = find_dtype(int(d));
  RL_CHECK(RuntimeError, i, "no dtype has the number ", int(d));
  return *i;
}

DType dtype_numbered(int64_t number) {
  const DTypeInfo* i = find_dtype(int(std::clamp<int64_t>(number, -1, kDTypeSlots)));
  RL_CHECK(RuntimeError, i, "no dtype has the number ", number);
  return i->dtype;
}

std::string_view name_of(DType d) { return info_of(d).name; }
const char* cpp_name_of(DType d) { return info_of(d).cpp_name; }
std::string_view scalar_type_name(DType d) { return info_of(d).scalar_type; }

bool dtype_from_name(std::string_view name, DType& d) {
  for (const DTypeInfo& i : kDTypes)
    if (!name.empty() && (name == i.name || name == i.alias)) return d = i.dtype, true;
  return false;
}
bool dtype_from_scalar_type(std::string_view name, DType& d) {
  for (const DTypeInfo& i : kDTypes)
    if (name == i.scalar_type) return d = i.dtype, true;
  return false;
}

// Of real dtypes the ScalarType's name in small letters, of complex ones the other name.
bool dtype_from_method(std::string_view name, DType& d) {
  for (const DTypeInfo& i : kDTypes) {
    std::string method = i.kind == DTypeKind::Complex ? i.alias : i.scalar_type;
    if (!i.computed && i.kind != DTypeKind::Complex) continue;
    for (char& c : method)
      if (c >= 'A' && c <= 'Z') c = char(c | 0x20);
    if (name == method) return d = i.dtype, true;
  }
  return false;
}

namespace {

// Pairs that PyTorch doesn't promote either.
void check_promotable(DType a, DType b) {
  auto check = [&](bool fine, auto... text) {
    RL_CHECK(RuntimeError, fine, text..., scalar_type_name(a), " and ", scalar_type_name(b),
             "; convert one to the other's dtype with .to(dtype)");
  };
  check(!is_quantized(a) && !is_quantized(b),
        "promoteTypes with quantized numbers is not handled yet; figure out what the correct rules should be, "
        "offending types: ");
  check(!is_float8(a) && !is_float8(b), "Promotion for Float8 Types is not supported, attempted to promote ");
  bool with_float = is_floating(a) || is_floating(b);
  check(with_float || (!is_wide_unsigned(a) && !is_wide_unsigned(b)),
        "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote ");
}

}  // namespace

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (!is_computed(a) || !is_computed(b)) check_promotable(a, b);
  if (is_complex(a) || is_complex(b)) {
    auto width = [](DType d) {  // of a complex number's part; what is not floating doesn't widen
      DType real = to_real(d);
      return !is_floating(real) ? 0 : real == DType::Float64 ? 3 : real == DType::Float16 ? 1 : 2;
    };
    constexpr DType of_width[] = {DType::Complex64, DType::Complex32, DType::Complex64, DType::Complex128};
    return of_width[std::max(width(a), width(b))];
  }
  if (is_floating(a) || is_floating(b)) {
    if (!is_floating(a)) return b;
    if (!is_floating(b)) return a;
    if (is_half(a) && is_half(b)) return DType::Float32;  // float16 with bfloat16
    if (is_half(a)) return b;
    if (is_half(b)) return a;
    return DType::Float64;
  }
  if (a == DType::Bool) return b;
  if (b == DType::Bool) return a;
  if (a == DType::UInt8 || b == DType::UInt8) {
    DType other = a == DType::UInt8 ? b : a;
    return other == DType::Int8 ? DType::Int16 : other;
  }
  return a > b ? a : b;  // signed integers are numbered by width
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && is_integral(to, true)) return false;
  return !(from != DType::Bool && to == DType::Bool);
}

DType default_dtype() { return current_default.load(std::memory_order_relaxed); }

void set_default_dtype(DType d) {
  RL_CHECK(TypeError, is_floating(d) && is_computed(d),
           "set_default_dtype: only floating-point types are supported as the default type, got ", d);
  current_default = d;
}

}  // namespace rushlight
