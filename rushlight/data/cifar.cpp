#include <cstring>
#include <optional>

#include "rushlight/data/npy.h"
#include "rushlight/data/sets.h"
#include "rushlight/data/swap.h"

namespace rushlight::data {
namespace {

using io::Pickled;
using K = Pickled::Kind;

constexpr int64_t kPixels = 3 * 32 * 32;

// The pickle as a tree; damage is damage of a file, whatever its format.
io::PickleTree parse(std::span<const uint8_t> bytes, const std::string& where) {
  try {
    io::PickleTree tree = io::unpickle(bytes, where);
    RL_CHECK(FileError, tree.root->is(K::Dict), where, ": the pickle holds no dictionary");
    return tree;
  } catch (const UnpicklingError& e) { throw FileError(e.text()); }
}

bool looks_like_pickle(std::span<const uint8_t> b) {
  // Protocol 2 or later says so; protocols 0 and 1 begin with what makes a dictionary. No file of records begins so: its first byte is a
  // label below 20.
  return b.size() >= 2 &&
         ((b[0] == 0x80 && b[1] >= 2 && b[1] <= 5) || b[0] == '}' || (b[0] == '(' && (b[1] == 'd' || b[1] == 'l')));
}

// A text or its bytes. Python 3 writes bytes in protocol 2 as a call that encodes a text.
std::optional<std::string> bytes_of(const Pickled& v) {
  if (v.is(K::Str) || v.is(K::Bytes)) return v.text;
  if (!v.is(K::Call) || v.items.size() != 2 || !v.items[1]->is(K::Tuple)) return std::nullopt;
  const auto& args = v.items[1]->items;
  const std::string& f = v.items[0]->text;
  if ((f == "builtins.bytes" || f == "__builtin__.bytes") && args.empty()) return "";
  if (f != "_codecs.encode" || args.empty() || !args[0]->is(K::Str)) return std::nullopt;
  std::string out;
  const std::string& utf8 = args[0]->text;
  for (size_t i = 0; i < utf8.size(); i++) {
    const auto c = uint8_t(utf8[i]);
    if (c < 0x80) out += char(c);
    else if ((c == 0xC2 || c == 0xC3) && i + 1 < utf8.size()) out += char((c & 3) << 6 | (uint8_t(utf8[++i]) & 0x3F));
    else return std::nullopt;
  }
  return out;
}

const Pickled* entry(const Pickled& dict, std::string_view key) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Pickled& k = *dict.items[i];
    if ((k.is(K::Str) || k.is(K::Bytes)) && k.text == key) return dict.items[i + 1];
    if (auto text = bytes_of(k); text && *text == key) return dict.items[i + 1];
  }
  return nullptr;
}

void check_label(int64_t label, int64_t classes, int64_t record, const std::string& where) {
  RL_CHECK(FileError, label >= 0 && label < classes, where, ": record ", record, " has label ", label,
           ", expected 0 to ", classes - 1);
}

Tensor read_labels(const Pickled& dict, const char* key, int64_t count, int64_t classes, const std::string& where) {
  const Pickled* list = entry(dict, key);
  RL_CHECK(FileError, list && list->is(K::List), where, ": the pickle has no list '", key, "'");
  RL_CHECK(FileError, int64_t(list->items.size()) == count, where, ": ", list->items.size(), " labels '", key, "' for ",
           count, " pictures");
  Tensor out = empty_tensor({count}, DType::Int64);
  for (int64_t i = 0; i < count; i++) {
    const Pickled& v = *list->items[size_t(i)];
    RL_CHECK(FileError, v.is(K::Int), where, ": label ", i, " of '", key, "' is no number");
    check_label(v.integer, classes, i, where);
    out.data<int64_t>()[i] = v.integer;
  }
  return out;
}

Cifar read_python(std::span<const uint8_t> bytes, CifarKind kind, const std::string& where) {
  io::PickleTree tree = parse(bytes, where);
  const Pickled& dict = *tree.root;
  const Pickled* data = entry(dict, "data");
  RL_CHECK(FileError, data, where, ": the pickle has no entry 'data'");
  Cifar out;
  Tensor rows = pickled_array(*data, where);
  RL_CHECK(FileError,
           rows.dtype() == DType::UInt8 && rows.dim() == 2 && rows.size(1) == kPixels && rows.is_contiguous(), where,
           ": 'data' is ", rows.dtype(), " of sizes ", rows.sizes(), ", expected uint8 of [N, 3072]");
  const int64_t count = rows.size(0);
  out.images = alias_tensor(rows, {count, 3, 32, 32}, {kPixels, 1024, 32, 1}, 0);
  if (kind == CifarKind::Ten) {
    out.labels = read_labels(dict, "labels", count, 10, where);
  } else {
    out.labels = read_labels(dict, "fine_labels", count, 100, where);
    out.coarse = read_labels(dict, "coarse_labels", count, 20, where);
  }
  return out;
}

}  // namespace

Cifar read_cifar(std::span<const uint8_t> bytes, CifarKind kind, const std::string& where) {
  const int64_t labels = kind == CifarKind::Ten ? 1 : 2, record = labels + kPixels;
  if (looks_like_pickle(bytes)) return read_python(bytes, kind, where);
  RL_CHECK(FileError, !bytes.empty() && int64_t(bytes.size()) % record == 0, where, ": ", bytes.size(),
           " bytes are neither a pickle nor records of ", record, " bytes; the last one ends after ",
           int64_t(bytes.size()) % record, " bytes");
  const int64_t count = int64_t(bytes.size()) / record;
  Cifar out;
  out.images = empty_tensor({count, 3, 32, 32}, DType::UInt8);
  out.labels = empty_tensor({count}, DType::Int64);
  if (kind == CifarKind::Hundred) out.coarse = empty_tensor({count}, DType::Int64);
  for (int64_t i = 0; i < count; i++) {
    const uint8_t* p = bytes.data() + i * record;
    if (kind == CifarKind::Hundred) {
      check_label(*p, 20, i, where);
      out.coarse.data<int64_t>()[i] = *p++;
    }
    check_label(*p, kind == CifarKind::Ten ? 10 : 100, i, where);
    out.labels.data<int64_t>()[i] = *p++;
    std::memcpy(out.images.data<uint8_t>() + i * kPixels, p, kPixels);
  }
  return out;
}

std::vector<std::string> cifar_names(std::span<const uint8_t> bytes, const std::string& key, const std::string& where) {
  io::PickleTree tree = parse(bytes, where);
  const Pickled* list = entry(*tree.root, key);
  RL_CHECK(FileError, list && list->is(K::List), where, ": the pickle has no list '", key, "'");
  std::vector<std::string> out;
  for (const Pickled* v : list->items) {
    auto text = bytes_of(*v);
    RL_CHECK(FileError, text, where, ": '", key, "' has something else than texts");
    out.push_back(std::move(*text));
  }
  return out;
}

Tensor pickled_array(const Pickled& v, const std::string& where) {
  auto fail = [&](const char* what) { return FileError(str(where, ": ", what)); };
  if (!v.is(K::Call) || !v.items[0]->is(K::Global) || !v.items[1]->is(K::Tuple)) throw fail("expected a numpy array");
  const std::string& maker = v.items[0]->text;
  const Pickled *shape_of, *type_of, *data_of;
  bool fortran;
  if (maker.ends_with(".multiarray._reconstruct") && v.state && v.state->is(K::Tuple) && v.state->items.size() == 5) {
    const auto& state = v.state->items;  // version, shape, dtype, whether in Fortran's order, bytes
    shape_of = state[1], type_of = state[2], data_of = state[4];
    fortran = state[3]->is(K::Bool) && state[3]->boolean;
  } else if (maker.ends_with(".numeric._frombuffer") && v.items[1]->items.size() == 4) {  // protocol 5
    const auto& args = v.items[1]->items;                                                 // bytes, dtype, shape, order
    shape_of = args[2], type_of = args[1], data_of = args[0];
    fortran = args[3]->is(K::Str) && args[3]->text == "F";
  } else {
    throw fail("expected a numpy array");
  }
  const Pickled &shape = *shape_of, &type = *type_of;
  if (!shape.is(K::Tuple)) throw fail("a numpy array whose shape is no tuple");
  // dtype('u1', False, True), whose state has the byte order second.
  if (!type.is(K::Call) || !type.items[0]->is_global("numpy.dtype") || !type.items[1]->is(K::Tuple) ||
      type.items[1]->items.empty() || !type.state || !type.state->is(K::Tuple) || type.state->items.size() < 2)
    throw fail("a numpy array without a dtype");
  auto name = bytes_of(*type.items[1]->items[0]), order = bytes_of(*type.state->items[1]);
  auto data = bytes_of(*data_of);
  if (!name || !order || !data) throw fail("a numpy array whose numbers are no bytes");
  NpyHeader h;
  for (const Pickled* s : shape.items) {
    if (!s->is(K::Int) || s->integer < 0) throw fail("a numpy array whose shape has something else than sizes");
    h.sizes.push_back(s->integer);
  }
  h.fortran = fortran;
  set_numpy_type(h, (order->empty() ? "|" : *order) + *name, where);
  std::vector<uint8_t> bytes(data->begin(), data->end());
  return npy_tensor(h, io::own_bytes(std::move(bytes)), 0, where);
}

}  // namespace rushlight::data
