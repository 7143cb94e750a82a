#include "rushlight/io/safetensors.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>

#include "rushlight/core/error.h"
#include "rushlight/io/json.h"
#include "rushlight/kernels/copying.h"

namespace rushlight::io {
namespace {

struct Named {
  const char* name;
  DType dtype;
};
constexpr Named kNames[] = {{"F64", DType::Float64},         {"F32", DType::Float32},
                            {"F16", DType::Float16},         {"BF16", DType::BFloat16},
                            {"I64", DType::Int64},           {"I32", DType::Int32},
                            {"I16", DType::Int16},           {"I8", DType::Int8},
                            {"U64", DType::UInt64},          {"U32", DType::UInt32},
                            {"U16", DType::UInt16},          {"U8", DType::UInt8},
                            {"BOOL", DType::Bool},           {"F8_E4M3", DType::Float8_e4m3fn},
                            {"F8_E5M2", DType::Float8_e5m2}, {"C64", DType::Complex64}};

std::optional<DType> dtype_named(const std::string& name) {
  for (const Named& n : kNames)
    if (name == n.name) return n.dtype;
  return {};
}

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 32) {
      out += "\\u00";
      out += "0123456789abcdef"[c >> 4];
      out += "0123456789abcdef"[c & 15];
    } else out += c;
  }
  return out + '"';
}

}  // namespace

SafeTensors::SafeTensors(Bytes bytes, std::string name, bool mapped)
    : bytes_(std::move(bytes)), name_(std::move(name)), mapped_(mapped) {
  std::string where = str("load '", name_, "'");
  std::span<const uint8_t> b = bytes_.data;
  RL_CHECK(FileError, b.size() >= 8, where, ": too short for a safetensors file (", b.size(), " bytes)");
  uint64_t header = 0;
  for (int i = 0; i < 8; i++) header |= uint64_t(b[size_t(i)]) << (8 * i);
  RL_CHECK(FileError, header <= b.size() - 8, where, ": no safetensors file, or cut short: a header of ", header,
           " bytes in a file of ", b.size());
  RL_CHECK(FileError, header <= 100'000'000, where, ": a header of ", header, " bytes; the format allows 100,000,000");
  data_ = 8 + size_t(header);
  size_t most = b.size() - data_;
  Json json({reinterpret_cast<const char*>(b.data()) + 8, size_t(header)}, where);
  json.items('{', '}', [&] {
    std::string key = json.string();
    json.expect(':');
    if (key == "__metadata__") {
      json.items('{', '}', [&] {
        std::string k = json.string();
        json.expect(':');
        metadata_[k] = json.string();
      });
      return;
    }
    Entry e;
    int parts = 0;
    json.items('{', '}', [&] {
      std::string field = json.string();
      json.expect(':');
      std::vector<int64_t> numbers;
      if (field == "dtype") e.dtype = json.string(), parts |= 1;
      else if (field == "shape" || field == "data_offsets")
        json.items('[', ']', [&] { numbers.push_back(json.number()); });
      else json.fail(str("an unknown field '", field, "'"));
      if (field == "shape") {
        RL_CHECK(FileError, numbers.size() <= 64, where, ": tensor '", key, "' has ", numbers.size(),
                 " dimensions; the most is 64");
        for (int64_t n : numbers) e.sizes.push_back(n);
        parts |= 2;
      }
      if (field == "data_offsets") {
        RL_CHECK(FileError, numbers.size() == 2 && numbers[0] <= numbers[1] && uint64_t(numbers[1]) <= most, where,
                 ": tensor '", key, "' lies outside of the file; it is cut short or damaged");
        e.begin = size_t(numbers[0]);
        e.end = size_t(numbers[1]);
        parts |= 4;
      }
    });
    if (parts != 7) json.fail(str("tensor '", key, "' without dtype, shape or data_offsets"));
    auto dtype = dtype_named(e.dtype);
    RL_CHECK(FileError, dtype, where, ": tensor '", key, "' has the dtype '", e.dtype, "', which is not supported");
    int64_t size = item_size(*dtype);
    bool overflow = false;
    for (int64_t n : e.sizes) overflow |= __builtin_mul_overflow(size, n, &size);
    RL_CHECK(FileError, !overflow && uint64_t(size) == e.end - e.begin, where, ": tensor '", key, "' of shape ",
             e.sizes, " and dtype ", e.dtype, " has ", e.end - e.begin, " bytes");
    RL_CHECK(FileError, entries_.emplace(key, e).second, where, ": two tensors are named '", key, "'");
  });
  json.finish();
  std::vector<std::pair<size_t, size_t>> extents;
  for (const auto& [k, e] : entries_) extents.emplace_back(e.begin, e.end);
  std::sort(extents.begin(), extents.end());
  size_t at = 0;
  for (auto [begin, end] : extents) {
    RL_CHECK(FileError, begin == at, where, ": tensors overlap or leave a gap at byte ", std::min(at, begin),
             " of the data");
    at = end;
  }
  RL_CHECK(FileError, at == most, where, ": ", most - at, " bytes after the last tensor; the file is damaged");
}

Tensor SafeTensors::tensor(const std::string& name) const {
  auto found = entries_.find(name);
  RL_CHECK(KeyError, found != entries_.end(), "File '", name_, "' does not contain tensor ", name);
  const Entry& e = found->second;
  DType d = *dtype_named(e.dtype);
  const uint8_t* from = bytes_.data.data() + data_ + e.begin;
  size_t size = e.end - e.begin;
  Ref<Storage> s;
  if (mapped_ && size && reinterpret_cast<uintptr_t>(from) % size_t(item_size(d)) == 0) {
    s = make_ref<Storage>(const_cast<uint8_t*>(from), size, Device(), bytes_.owner);
  } else {
    s = make_ref<Storage>(size, Device());
    if (size) std::memcpy(s->data(), from, size);
  }
  Dims strides(e.sizes.size(), 0);
  int64_t step = 1;
  for (size_t i = strides.size(); i-- > 0; step *= std::max<int64_t>(e.sizes[i], 1)) strides[i] = step;
  return Tensor(make_ref<TensorImpl>(std::move(s), d, e.sizes, strides, 0));
}

void write_safetensors(const Sink& sink, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, Tensor>> sorted = tensors;
  auto order = [](const auto& a, const auto& b) {
    int wa = a.second.item_size(), wb = b.second.item_size();
    return wa != wb ? wa > wb : a.first < b.first;
  };
  std::sort(sorted.begin(), sorted.end(), order);
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [k, v] : metadata) header += (header.back() == '{' ? "" : ",") + quoted(k) + ":" + quoted(v);
    header += "}";
  }
  size_t at = 0;
  std::set<std::string> seen;
  for (const auto& [name, t] : sorted) {
    const char* dtype = nullptr;
    for (const Named& n : kNames)
      if (n.dtype == t.dtype()) dtype = n.name;
    RL_CHECK(ValueError, dtype, "save_file: tensor '", name, "' has dtype ", t.dtype(), ", which safetensors lacks");
    RL_CHECK(ValueError, !t.device().is_meta(), "save_file: tensor '", name,
             "' is on the meta device and has no values");
    RL_CHECK(ValueError, seen.insert(name).second, "save_file: two tensors are named '", name, "'");
    size_t size = size_t(t.numel()) * size_t(t.item_size());
    header += header.back() == '{' ? "" : ",";
    header += quoted(name) + ":{\"dtype\":\"" + dtype + "\",\"shape\":[";
    for (size_t i = 0; i < t.sizes().size(); i++) header += (i ? "," : "") + str(t.sizes()[i]);
    header += str("],\"data_offsets\":[", at, ",", at + size, "]}");
    at += size;
  }
  header += "}";
  header += std::string((8 - header.size() % 8) % 8, ' ');
  std::string length;
  for (int b = 0; b < 64; b += 8) length += char(uint64_t(header.size()) >> b);
  sink(length.data(), 8);
  sink(header.data(), header.size());
  for (const auto& [name, t] : sorted) {
    if (t.numel() == 0) continue;
    Tensor flat = t;
    if (!t.is_contiguous() || !t.device().is_cpu()) {
      flat = empty_tensor(t.sizes(), t.dtype());
      copy_elements(flat, t);
    }
    sink(flat.raw(), size_t(t.numel()) * size_t(t.item_size()));
  }
}

}  // namespace rushlight::io
