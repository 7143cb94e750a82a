#include "rushlight/api/print.h"

#include <algorithm>

#include "rushlight/fn/contiguous.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/loops.h"

namespace rushlight {
namespace {

std::string number(const Tensor& t, int64_t i) {
  const char* p = static_cast<const char*>(t.raw()) + i * t.item_size();
  if (is_complex(t.dtype())) {
    complex128 v;
    convert_row(DType::Complex128, &v, 16, t.dtype(), p, 16, 1);
    return str(v);
  }
  if (t.dtype() == DType::UInt64) return str(*reinterpret_cast<const uint64_t*>(p));
  if (is_integral(t.dtype(), true)) {
    int64_t v;
    convert_row(DType::Int64, &v, 8, t.dtype(), p, 8, 1);
    return str(v);
  }
  double v;
  convert_row(DType::Float64, &v, 8, t.dtype(), p, 8, 1);
  char text[32];
  std::snprintf(text, sizeof text, v == double(int64_t(v)) ? "%.0f" : "%.4f", v);
  return text;
}

}  // namespace

std::string tensor_text(const Tensor& given) {
  if (!given.defined()) return "[ Tensor (undefined) ]";
  if (const SparseParts* p = given.impl()->parts()) {
    std::string out = str(p->plain ? "compressed_indices" : "indices", ":\n", tensor_text(Tensor(p->indices)), "\n");
    if (p->plain) out += str("plain_indices:\n", tensor_text(Tensor(p->plain)), "\n");
    return out + str("values:\n", tensor_text(Tensor(p->values)), "\nsize:\n", given.sizes());
  }
  Tensor t = contiguous(given);
  bool elsewhere = !t.device().is_cpu() && !t.device().is_meta();
  if (elsewhere) t = dense(t);
  std::string out;
  if (t.raw()) {
    std::vector<std::string> items;
    size_t width = 0;
    for (int64_t i = 0; i < t.numel(); i++) {
      items.push_back(number(t, i));
      width = std::max(width, items.back().size());
    }
    int64_t columns = t.dim() >= 2 ? t.sizes().back() : 1;
    int64_t block = t.dim() > 2 ? columns * t.size(-2) : 0;
    for (size_t i = 0; i < items.size(); i++) {
      if (block && int64_t(i) % block == 0) {
        out += "(";
        int64_t rest = int64_t(i) / block;
        std::string place;
        for (int64_t d = t.dim() - 3; d >= 0; d--) {
          place = str(rest % t.size(d) + 1, ",") + place;
          rest /= t.size(d);
        }
        out += place + ".,.) = \n";
      }
      if (columns > 1 || t.dim() >= 2) out += " ";
      out += std::string(width - items[i].size(), ' ') + items[i];
      if ((int64_t(i) + 1) % columns == 0) out += "\n";
    }
  }
  out += str("[ ", elsewhere ? device_type_name(given.device().type) : "CPU", scalar_type_name(t.dtype()), "Type{");
  for (size_t i = 0; i < t.sizes().size(); i++) out += str(i ? "," : "", t.sizes()[i]);
  return out + "} ]";
}

}  // namespace rushlight
