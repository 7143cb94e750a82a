// Checkpoints of PyTorch before 0.1.12: a tar file of `storages`, `tensors` and `pickle`. Of tar only what Python's tarfile wrote then is read:
// plain files, sizes in octal; other kinds of entries are skipped. Specification: POSIX ustar.
#include <cstring>

#include "rushlight/core/error.h"
#include "rushlight/io/checkpoint.h"

namespace rushlight::io {
namespace {

using K = Pickled::Kind;
constexpr size_t kBlock = 512;

// A part of the file that is read from its front: pickles and numbers in turn.
class Stream {
 public:
  Stream(std::span<const uint8_t> bytes, std::string where) : rest_(bytes), where_(std::move(where)) {}
  PickleTree pickle() {
    size_t used = 0;
    PickleTree t = unpickle(rest_, where_, &used);
    rest_ = rest_.subspan(used);
    return t;
  }
  int64_t integer(size_t bytes) {
    uint64_t v = 0;
    std::span<const uint8_t> p = take(bytes);
    for (size_t i = 0; i < bytes; i++) v |= uint64_t(p[i]) << (8 * i);
    return int64_t(v);
  }
  std::span<const uint8_t> take(uint64_t bytes) {
    RL_CHECK(FileError, bytes <= rest_.size(), where_, ": ends where ", bytes,
             " bytes more are expected; it is cut short");
    std::span<const uint8_t> p = rest_.subspan(0, size_t(bytes));
    rest_ = rest_.subspan(size_t(bytes));
    return p;
  }
  // An integer that a pickle of its own holds; a count of what follows, each of which takes a byte at least.
  size_t count() {
    PickleTree t = pickle();
    RL_CHECK(FileError, t.root->is(K::Int) && t.root->integer >= 0 && size_t(t.root->integer) <= rest_.size(), where_,
             ": expected a count");
    return size_t(t.root->integer);
  }
  const Pickled& part(const Pickled& tuple, size_t i, size_t of) {
    RL_CHECK(FileError, (tuple.is(K::Tuple) || tuple.is(K::List)) && tuple.items.size() == of, where_, ": expected ",
             of, " values");
    return *tuple.items[i];
  }
  int64_t integer_of(const Pickled& v) {
    RL_CHECK(FileError, v.is(K::Int), where_, ": expected an integer");
    return v.integer;
  }
  const std::string& where() const { return where_; }

 private:
  std::span<const uint8_t> rest_;
  std::string where_;
};

std::map<std::string, std::span<const uint8_t>> entries_of(std::span<const uint8_t> b, const std::string& where) {
  std::map<std::string, std::span<const uint8_t>> out;
  for (size_t at = 0; at + kBlock <= b.size() && b[at] != 0;) {
    std::string name(reinterpret_cast<const char*>(b.data()) + at,
                     strnlen(reinterpret_cast<const char*>(b.data()) + at, 100));
    uint64_t size = 0;
    for (size_t i = at + 124; i < at + 136 && b[i] != 0 && b[i] != ' '; i++) {
      RL_CHECK(FileError, b[i] >= '0' && b[i] <= '7', where, ": a tar entry whose size is no octal number");
      size = size * 8 + (b[i] - '0');
    }
    char kind = char(b[at + 156]);
    at += kBlock;
    RL_CHECK(FileError, size <= b.size() - at, where, ": a tar entry of ", size,
             " bytes runs past the end; the file is cut short");
    if (kind == '0' || kind == 0) {
      if (name.starts_with("./")) name = name.substr(2);
      out[name] = b.subspan(at, size_t(size));
    }
    at += size_t((size + kBlock - 1) / kBlock * kBlock);
  }
  return out;
}

}  // namespace

bool looks_like_tar(std::span<const uint8_t> b) {
  return b.size() >= kBlock && std::memcmp(b.data() + 257, "ustar", 5) == 0;
}

Checkpoint open_tar(const Bytes& bytes, const std::string& name) {
  std::string file = str("load '", name, "'");
  auto entries = entries_of(bytes.data, file);
  auto entry = [&](const char* wanted) {
    auto found = entries.find(wanted);
    RL_CHECK(FileError, found != entries.end(), file, ": a tar file without '", wanted, "' is no checkpoint");
    return Stream(found->second, str(file, ": entry '", wanted, "'"));
  };
  auto places = std::make_shared<std::map<std::string, std::span<const uint8_t>>>();
  std::map<std::string, StorageId> storages;
  Stream s = entry("storages");
  for (size_t n = s.count(); n-- > 0;) {  // (key, device, class), count, bytes
    PickleTree t = s.pickle();
    StorageId id;
    id.key = number_text(s.part(*t.root, 0, 3));
    id.was = s.part(*t.root, 1, 3).text;
    id.dtype = dtype_of_storage_class(s.part(*t.root, 2, 3).text);
    RL_CHECK(UnpicklingError, id.dtype, s.where(), ": storage class ", t.root->items[2]->text, " is not supported");
    id.count = s.integer(8);
    uint64_t size = 0;
    RL_CHECK(FileError, !__builtin_mul_overflow(uint64_t(id.count), uint64_t(item_size(*id.dtype)), &size), s.where(),
             ": a storage of ", id.count, " elements");
    (*places)[id.key] = s.take(size);
    storages[id.key] = id;
  }
  PickleTree parts = s.pickle();  // [(key, whole, first element, elements)]
  for (const Pickled* p : parts.root->items) {
    auto whole = storages.find(number_text(s.part(*p, 1, 4)));
    RL_CHECK(FileError, whole != storages.end(), s.where(), ": a part of a storage that is not there");
    StorageId id = whole->second;
    id.part = true;
    id.part_first = s.integer_of(*p->items[2]);
    id.part_count = s.integer_of(*p->items[3]);
    storages[number_text(*p->items[0])] = id;
  }
  std::map<std::string, TensorLoader::Numbered> tensors;
  Stream t = entry("tensors");
  for (size_t n = t.count();
       n-- > 0;) {  // (key, storage, class), dimensions as 8 bytes of which 4 count, sizes, strides, offset
    PickleTree about = t.pickle();
    auto storage = storages.find(number_text(t.part(*about.root, 1, 3)));
    RL_CHECK(FileError, storage != storages.end(), t.where(), ": a tensor over a storage that is not there");
    TensorLoader::Numbered made{storage->second, {}, {}, 0};
    int64_t dims = t.integer(4);
    t.take(4);
    RL_CHECK(FileError, dims <= 64, t.where(), ": a tensor of ", dims, " dimensions; the most is 64");
    for (int64_t i = 0; i < dims; i++) made.sizes.push_back(t.integer(8));
    for (int64_t i = 0; i < dims; i++) made.strides.push_back(t.integer(8));
    made.offset = t.integer(8);
    tensors[number_text(*about.root->items[0])] = std::move(made);
  }
  Checkpoint out;
  Stream pickle = entry("pickle");
  out.where = pickle.where();
  out.pickle = {entries["pickle"], bytes.owner};
  auto owner = bytes.owner;
  out.tensors = std::make_unique<TensorLoader>(
      [places, owner, file](const std::string& key) {
        auto found = places->find(key);
        RL_CHECK(FileError, found != places->end(), file, ": there is no storage '", key, "'");
        return Bytes{found->second, owner};
      },
      out.where, true);
  out.tensors->set_numbered(std::move(tensors));
  return out;
}

}  // namespace rushlight::io
