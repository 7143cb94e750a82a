#include "rushlight/data/npy.h"

#include <bit>
#include <cstring>

#include "rushlight/data/swap.h"
#include "rushlight/kernels/copying.h"

namespace rushlight::data {
namespace {

// The header's text: the literal of a dictionary with three entries, in any order.
class Literal {
 public:
  Literal(std::string_view text, size_t base, const std::string& where) : text_(text), base_(base), where_(where) {}

  void read(NpyHeader& h) {
    take('{');
    bool descr = false, order = false, shape = false;
    while (!at('}')) {
      const std::string key = string();
      take(':');
      if (key == "descr") {
        if (!at('\'') && !at('"')) fail("an array of structures, which no tensor holds");
        set_numpy_type(h, string(), where_);
        descr = true;
      } else if (key == "fortran_order") {
        h.fortran = word("True");
        if (!h.fortran && !word("False")) fail("expected True or False");
        order = true;
      } else if (key == "shape") {
        read_shape(h);
        shape = true;
      } else {
        fail("an entry that isn't known");
      }
      if (!at(',')) break;
      take(',');
    }
    take('}');
    if (!descr || !order || !shape) fail("an entry is missing");
  }

 private:
  [[noreturn]] void fail(const char* what) {
    throw FileError(str(where_, ": the header at byte ", base_ + p_, ": ", what));
  }
  void skip() {
    while (p_ < text_.size() && (text_[p_] == ' ' || text_[p_] == '\n')) p_++;
  }
  bool at(char c) {
    skip();
    return p_ < text_.size() && text_[p_] == c;
  }
  void take(char c) {
    if (!at(c))
      fail(c == '{'   ? "expected {"
           : c == '}' ? "expected }"
           : c == ':' ? "expected :"
           : c == '(' ? "expected ("
                      : "expected ,");
    p_++;
  }
  bool word(std::string_view w) {
    skip();
    if (!text_.substr(p_).starts_with(w)) return false;
    p_ += w.size();
    return true;
  }
  std::string string() {
    skip();
    if (p_ >= text_.size() || (text_[p_] != '\'' && text_[p_] != '"')) fail("expected a text");
    const char quote = text_[p_++];
    const size_t end = text_.find(quote, p_);
    if (end == std::string_view::npos) fail("a text without an end");
    std::string out(text_.substr(p_, end - p_));
    p_ = end + 1;
    return out;
  }
  void read_shape(NpyHeader& h) {
    take('(');
    h.sizes.clear();
    while (!at(')')) {
      int64_t n = 0;
      const size_t from = p_;
      for (; p_ < text_.size() && text_[p_] >= '0' && text_[p_] <= '9'; p_++)
        if (p_ - from >= 18) fail("a size that no array has");
        else n = n * 10 + (text_[p_] - '0');
      if (p_ == from) fail("expected a size");
      if (p_ < text_.size() && text_[p_] == 'L') p_++;  // Python 2
      if (h.sizes.size() == 64) fail("more dimensions than arrays have");
      h.sizes.push_back(n);
      if (!at(',')) break;
      p_++;
    }
    if (!at(')')) fail("expected )");
    p_++;
  }
  std::string_view text_;
  size_t base_, p_ = 0;
  const std::string& where_;
};

}  // namespace

bool looks_like_npy(std::span<const uint8_t> b) { return b.size() >= 10 && std::memcmp(b.data(), "\x93NUMPY", 6) == 0; }

void set_numpy_type(NpyHeader& h, const std::string& descr, const std::string& where) {
  auto is = [&](std::string_view numpy) {  // "<f4", "|u1"
    return !numpy.empty() && descr.size() == numpy.size() && descr.substr(1) == numpy.substr(1);
  };
  const char order = descr.empty() ? '?' : descr[0];
  const bool known_order = order == '<' || order == '>' || order == '|' || order == '=';
  h.swapped = (order == '>') == (std::endian::native == std::endian::little) && order != '|' && order != '=';
#define RL_ENTRY(Name, ...)                            \
  if (known_order && is(info_of(DType::Name).numpy)) { \
    h.dtype = DType::Name;                             \
    return;                                            \
  }
  RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  const bool objects = descr.ends_with('O');
  throw FileError(str(where, ": an array of numpy's type ", io::printable(descr.substr(0, 40)),
                      ", which no tensor holds", objects ? "; objects are pickles, which are never run" : ""));
}

NpyHeader npy_header(std::span<const uint8_t> b, const std::string& where) {
  RL_CHECK(FileError, looks_like_npy(b), where, ": no .npy file: it doesn't begin with \\x93NUMPY");
  const unsigned version = b[6];
  RL_CHECK(FileError, version >= 1 && version <= 3, where, ": version ", version, " of the format, expected 1 to 3");
  const size_t start = version == 1 ? 10 : 12;
  RL_CHECK(FileError, b.size() >= start, where, ": the file ends at byte ", b.size(), " inside of its header");
  size_t length = b[8] | size_t(b[9]) << 8;
  if (version > 1) length |= size_t(b[10]) << 16 | size_t(b[11]) << 24;
  RL_CHECK(FileError, length <= b.size() - start, where, ": the file ends at byte ", b.size(), ", but its header has ",
           length, " bytes from ", start, " on");
  NpyHeader h;
  Literal({reinterpret_cast<const char*>(b.data()) + start, length}, start, where).read(h);
  h.data = start + length;
  return h;
}

Tensor npy_tensor(const NpyHeader& h, const io::Bytes& bytes, size_t at, const std::string& where) {
  int64_t n, size;
  RL_CHECK(FileError, try_product(h.sizes, n) && !__builtin_mul_overflow(n, item_size(h.dtype), &size), where,
           ": a shape that no array has: ", h.sizes);
  RL_CHECK(FileError, size_t(size) <= bytes.data.size() - at, where, ": the shape ", h.sizes, " takes ", size,
           " bytes, but ", bytes.data.size() - at, " follow the header; the file is cut short");
  const uint8_t* from = bytes.data.data() + at;
  const size_t item = size_t(item_size(h.dtype));
  const bool complex = info_of(h.dtype).kind == DTypeKind::Complex;
  const size_t part = complex ? item / 2 : item;
  const bool share =
      bytes.owner && !(h.swapped && part > 1) && reinterpret_cast<uintptr_t>(from) % std::max<size_t>(part, 1) == 0;
  Ref<Storage> storage;
  if (share) {
    storage = make_ref<Storage>(const_cast<uint8_t*>(from), size_t(size), Device{}, bytes.owner);
  } else {
    storage = make_ref<Storage>(size_t(size), Device{});
    if (size) std::memcpy(storage->data(), from, size_t(size));
    if (h.swapped) swap_items(storage->data(), size_t(size) / part, part);
  }
  Dims strides = contiguous_strides(h.sizes);
  if (h.fortran) {
    int64_t step = 1;
    for (size_t i = 0; i < h.sizes.size(); i++) {
      strides[i] = step;
      step *= std::max<int64_t>(h.sizes[i], 1);
    }
  }
  return Tensor(make_ref<TensorImpl>(std::move(storage), h.dtype, h.sizes, strides, 0));
}

Tensor read_npy(const io::Bytes& bytes, const std::string& where, bool shared) {
  const NpyHeader h = npy_header(bytes.data, where);
  return npy_tensor(h, shared ? bytes : io::Bytes{bytes.data, nullptr}, h.data, where);
}

std::map<std::string, Tensor> read_npz(const io::Bytes& bytes, const std::string& file, bool shared) {
  io::ZipReader zip(bytes, file);
  std::map<std::string, Tensor> out;
  for (std::string name : zip.names()) {
    const std::string entry_where = str("load_npz '", file, "': entry '", io::printable(name), "'");
    io::Bytes entry = zip.read(name);
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    out.emplace(name, read_npy(entry, entry_where, shared));
  }
  return out;
}

std::string npy_header_text(const Tensor& t) {
  RL_CHECK(TypeError, *info_of(t.dtype()).numpy, "save_npy: numpy has no dtype ", name_of(t.dtype()),
           "; convert with x.float()");
  RL_CHECK(TypeError, t.device().is_cpu() && t.layout() == Layout::Strided,
           "save_npy: expected a dense tensor on the CPU");
  std::string text = str("{'descr': '", info_of(t.dtype()).numpy, "', 'fortran_order': False, 'shape': (");
  for (int64_t i = 0; i < t.dim(); i++) text += str(t.size(i), i + 1 < t.dim() ? ", " : t.dim() == 1 ? "," : "");
  text += "), }";
  // The numbers begin at a multiple of 64.
  std::string out("\x93NUMPY\x01\x00", 8);
  const size_t total = (10 + text.size() + 1 + 63) / 64 * 64;
  text.resize(total - 10 - 1, ' ');
  text += '\n';
  out += char(text.size() & 255);
  out += char(text.size() >> 8);
  return out + text;
}

namespace {

// A contiguous tensor with the same numbers.
Tensor contiguous(const Tensor& t) {
  if (t.is_contiguous()) return t;
  Tensor out = empty_tensor(t.sizes(), t.dtype());
  copy_elements(out, t);
  return out;
}

}  // namespace

void write_npy(const io::Sink& sink, const Tensor& t) {
  std::string header = npy_header_text(t);
  sink(header.data(), header.size());
  Tensor dense = contiguous(t);
  if (dense.nbytes()) sink(dense.raw(), size_t(dense.nbytes()));
}

void write_npz(const io::Sink& sink, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  io::ZipWriter zip(sink);
  for (const auto& [name, t] : tensors) {
    std::string bytes;
    write_npy([&](const void* p, size_t n) { bytes.append(static_cast<const char*>(p), n); }, t);
    zip.add(name + ".npy", bytes);
  }
  zip.finish();
}

}  // namespace rushlight::data
