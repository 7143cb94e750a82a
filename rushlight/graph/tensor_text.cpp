#include "rushlight/graph/tensor_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "rushlight/fn/contiguous.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/loops.h"

namespace rushlight {
namespace {

// How the numbers of a row or matrix are written, which PyTorch chooses by the largest and the smallest of them.
struct Format {
  double scale = 1;
  int width = 11;
  const char* pattern = "%*.*e";
  int precision = 4;
};
Format format_of(const double* p, int64_t count, int precision) {
  bool whole = true, finite = false;
  double low = 0, high = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!std::isfinite(p[i])) continue;
    whole &= p[i] == std::ceil(p[i]);
    double size = std::fabs(p[i]);
    low = finite ? std::min(low, size) : size;
    high = finite ? std::max(high, size) : size;
    finite = true;
  }
  auto digits = [&](double v) { return finite && v != 0 ? int(std::floor(std::log10(v))) + 1 : 1; };
  int least = digits(low), most = digits(high);
  if (whole) return most > 9 ? Format{} : Format{.width = most + 1, .pattern = "%*.*g", .precision = precision};
  if (most - least > 4) return {.width = std::abs(most) > 99 || std::abs(least) > 99 ? 12 : 11};
  if (most > 5 || most < 0) return {.scale = std::pow(10, most - 1), .width = 7, .pattern = "%*.*f"};
  return {.width = most == 0 ? 7 : most + 6, .pattern = "%*.*f"};
}

// Numbers as texts of one width.
struct Cells {
  std::vector<std::string> texts;
  size_t width = 0;
  double scale = 1;
};
Cells cells_of(const double* p, int64_t count, int precision) {
  Format f = format_of(p, count, precision);
  Cells cells{.width = size_t(f.width), .scale = f.scale};
  for (int64_t i = 0; i < count; i++) {
    char text[400];
    std::snprintf(text, sizeof text, f.pattern, f.width, f.precision, p[i] / f.scale);
    cells.texts.push_back(text);
  }
  return cells;
}
Cells cells_of(const complex128* p, int64_t count, int) {
  Cells cells;
  for (int64_t i = 0; i < count; i++) {
    cells.texts.push_back(str(p[i]));
    cells.width = std::max(cells.width, cells.texts.back().size() + 1);
  }
  for (std::string& text : cells.texts) text.insert(0, cells.width - text.size(), ' ');
  return cells;
}

std::string alone(double v) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, v).ptr);
}
std::string alone(complex128 v) { return str(v); }

std::string scale_text(double scale) {
  char text[32];
  std::snprintf(text, sizeof text, "%g *\n", scale);
  return text;
}
// Columns that don't fit in a line of `line` characters follow below.
void add_matrix(std::string& out, const Cells& cells, int64_t columns, int64_t line, const std::string& indent) {
  int64_t fit = std::max((line - int64_t(indent.size())) / int64_t(cells.width + 1), int64_t(1));
  int64_t rows = columns ? int64_t(cells.texts.size()) / columns : 0;
  for (int64_t first = 0; first < columns; first += fit) {
    int64_t last = std::min(first + fit, columns) - 1;
    if (fit < columns) out += str(first ? "\n" : "", "Columns ", first + 1, " to ", last + 1) + indent;
    if (cells.scale != 1) out += scale_text(cells.scale) + indent;
    for (int64_t r = 0; r < rows; r++) {
      if (r > 0) out += indent + (cells.scale != 1 ? " " : "");
      for (int64_t c = first; c <= last; c++) out += cells.texts[size_t(r * columns + c)] + (c == last ? "\n" : " ");
    }
  }
}

template <class T>
void add_elements(std::string& out, const Tensor& t, int64_t line, int precision) {
  std::vector<T> v(size_t(t.numel()));
  convert_row(dtype_of<T>, v.data(), sizeof(T), t.dtype(), static_cast<const char*>(t.raw()), t.item_size(), t.numel());
  if (!t.dim()) {
    out += alone(v[0]) + "\n";
    return;
  }
  if (t.dim() == 1) {
    Cells cells = cells_of(v.data(), t.numel(), precision);
    if (cells.scale != 1) out += scale_text(cells.scale);
    for (const std::string& text : cells.texts) out += text + "\n";
    return;
  }
  // A matrix for each place in the dimensions before the last two; the first of them moves fastest.
  int64_t columns = t.size(-1), block = columns * t.size(-2);
  std::vector<int64_t> place(size_t(t.dim() - 2), 0);
  for (int64_t i = 0; i < t.numel() / block; i++) {
    int64_t at = 0;
    for (size_t d = 0; d < place.size(); d++) at = at * t.sizes()[d] + place[d];
    if (!place.empty()) {
      out += i ? "\n(" : "(";
      for (int64_t p : place) out += str(p + 1, ",");
      out += ".,.) = \n";
    }
    add_matrix(out, cells_of(v.data() + at * block, block, precision), columns, line, place.empty() ? "" : " ");
    for (size_t d = 0; d < place.size() && ++place[d] == t.sizes()[d]; d++) place[d] = 0;
  }
}

}  // namespace

std::string tensor_text(const Tensor& given, int64_t line, int precision) {
  if (!given.defined()) return "[ Tensor (undefined) ]";
  if (const SparseParts* p = given.impl()->parts()) {
    std::string out = str(p->plain ? "compressed_indices" : "indices", ":\n", tensor_text(Tensor(p->indices)), "\n");
    if (p->plain) out += str("plain_indices:\n", tensor_text(Tensor(p->plain)), "\n");
    out = str("[ Sparse", given.device().is_cpu() ? "CPU" : device_type_name(given.device().type),
              scalar_type_name(given.dtype()), "Type{}\n", out);
    return out + str("values:\n", tensor_text(Tensor(p->values)), "\nsize:\n", given.sizes(), "\n]");
  }
  Tensor t = contiguous(given);
  bool elsewhere = !t.device().is_cpu() && !t.device().is_meta();
  if (elsewhere) t = dense(t);
  std::string out;
  if (t.numel() && t.raw()) {
    if (is_complex(t.dtype())) add_elements<complex128>(out, t, line, precision);
    else add_elements<double>(out, t, line, precision);
  }
  out += str("[ ", elsewhere ? device_type_name(given.device().type) : "CPU", scalar_type_name(t.dtype()), "Type{");
  for (size_t i = 0; i < t.sizes().size(); i++) out += str(i ? "," : "", t.sizes()[i]);
  return out + "} ]";
}

}  // namespace rushlight
