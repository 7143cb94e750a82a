#include "rushlight/caffe2/blobs.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <numeric>

#include "rushlight/data/db.h"
#include "rushlight/io/file.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

int64_t count_of(const Dims1& dims, const std::string& name) {
  int64_t n = 1;
  for (int64_t d : dims) {
    C2_ENFORCE(d >= 0, "TensorProto ", name, ": dims ", dims);
    C2_ENFORCE(d == 0 || n <= (int64_t(1) << 40) / d, "TensorProto ", name, ": dims ", dims, " are too large");
    n *= d;
  }
  return n;
}

}  // namespace

MessageRef tensor_message(const Value& v, const std::string& name, int64_t from, int64_t to) {
  MessageRef m = make_message("TensorProto");
  auto frame = [&](const Dims1& dims, int64_t type, int64_t n) {
    m->mutable_wholes("dims") = dims;
    m->set("data_type", type).set("name", name);
    m->message("device_detail")->set("device_type", 0);
    if (to < 0) to = n;
    m->message("segment")->set("begin", from).set("end", to);
  };
  if (auto* s = as<StringTensor>(v)) {
    frame(s->sizes, 4, int64_t(s->items.size()));
    for (int64_t k = from; k < to; k++) m->add("string_data", s->items[size_t(k)]);
    return m;
  }
  Tensor t(v.tensor());
  int64_t type = proto_of_dtype(t.scalar_type());
  C2_ENFORCE(type != 0, "blob ", name, ": tensors of ", shown_dtype(t.scalar_type()), " can't be written");
  frame(Dims1(t.sizes().begin(), t.sizes().end()), type, t.numel());
  t = t.reshape({-1}).narrow(0, from, to - from);
  if (type == 1) {
    t = t.contiguous();
    m->mutable_floats("float_data").assign(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
    m->set("data_format", 0);
  } else if (type == 13) {
    t = t.contiguous();
    m->mutable_doubles("double_data").assign(t.data_ptr<double>(), t.data_ptr<double>() + t.numel());
  } else {
    if (type == 12) t = t.contiguous().view(torch::kShort).to(torch::kLong).bitwise_and(0xffff);
    else t = t.to(torch::kLong).contiguous();
    m->mutable_wholes(type == 10 ? "int64_data" : "int32_data")
        .assign(t.data_ptr<int64_t>(), t.data_ptr<int64_t>() + t.numel());
  }
  return m;
}

// The elements that are there, of which a chunk has a part.
static Value elements(const Message& m, int64_t n) {
  int64_t type = m.whole("data_type");
  const std::string& name = m.text("name");
  auto wants = [&](size_t have) {
    C2_ENFORCE(int64_t(have) == n, "TensorProto ", name, ": ", n, " values are wanted, there are ", have);
  };
  if (type == 4) {
    auto s = make_ref<StringTensor>();
    s->items = m.texts("string_data");
    wants(s->items.size());
    return object_value(s);
  }
  torch::Dtype d = dtype_of_proto(type);
  Tensor t = torch::empty({n}, torch::TensorOptions().dtype(d));
  const std::string* raw = m.has("raw_data") ? &m.text("raw_data") : nullptr;
  if (!raw && m.has("byte_data") && (type == 3 || type == 6 || type == 7 || type == 5)) raw = &m.text("byte_data");
  if (raw) {
    C2_ENFORCE(int64_t(raw->size()) == n * int64_t(t.element_size()), "TensorProto ", name, ": ", n,
               " values are wanted, there are ", raw->size(), " bytes");
    if (n) std::memcpy(t.data_ptr(), raw->data(), raw->size());
    return Value(rushlight::Tensor(t));
  }
  if (type == 1) {
    wants(m.floats("float_data").size());
    if (n) std::memcpy(t.data_ptr(), m.floats("float_data").data(), size_t(n) * 4);
  } else if (type == 13) {
    wants(m.doubles("double_data").size());
    if (n) std::memcpy(t.data_ptr(), m.doubles("double_data").data(), size_t(n) * 8);
  } else {
    const Dims1& v = m.wholes(type == 10 ? "int64_data" : "int32_data");
    wants(v.size());
    if (type == 12) t = int_list(v, torch::kLong).to(torch::kShort).view(torch::kHalf);
    else t = int_list(v, torch::kLong).to(d);
  }
  return Value(rushlight::Tensor(t));
}

Value tensor_value(const Message& m) {
  const Dims1& dims = m.wholes("dims");
  int64_t n = count_of(dims, m.text("name"));
  // Caffe2's records of single numbers have no dims.
  Value v = elements(m, n);
  if (auto* s = as<StringTensor>(v)) {
    s->sizes = dims;
    return v;
  }
  return Value(rushlight::Tensor(Tensor(v.tensor()).reshape(dims)));
}

MessageRef blob_message(const Value& v, const std::string& name) {
  MessageRef m = make_message("BlobProto");
  m->set("name", name);
  if (v.is_string()) {
    m->set("type", "std::string").set("content", std::string(v.to_string()));
  } else if (v.is_tensor() || as<StringTensor>(v)) {
    m->set("type", "Tensor");
    m->message("tensor")->copy_from(*tensor_message(v, name));
    m->message("tensor")->touch();
  } else if (auto* q = as<Int8Tensor>(v)) {
    m->set("type", "int8::Int8TensorCPU");
    const MessageRef& t = m->message("qtensor");
    t->touch();
    t->mutable_wholes("dims").assign(q->data.sizes().begin(), q->data.sizes().end());
    bool bytes = q->data.scalar_type() == torch::kByte;
    t->set("precision", bytes ? 8 : 32)
        .set("scale", double(q->scale))
        .set("bias", double(q->zero_point))
        .set("is_signed", !bytes);
    t->set("data_type", proto_of_dtype(q->data.scalar_type())).set("name", name);
    Tensor d = q->data.to(torch::kLong).contiguous();
    t->mutable_wholes("data").assign(d.data_ptr<int64_t>(), d.data_ptr<int64_t>() + d.numel());
  } else {
    Registry::get();  // knows the other kinds
    for (auto& [type, kind] : saved_objects()) {
      if (!kind.write(v, *m)) continue;
      m->set("type", type);
      return m;
    }
    C2_FAIL("No known serializer for ", type_name_of(v), " of blob ", name);
  }
  return m;
}

std::map<std::string, SavedObject>& saved_objects() {
  static auto& all = *new std::map<std::string, SavedObject>;
  return all;
}

Value blob_value(const Message& m) {
  const std::string& type = m.text("type");
  if (type == "std::string") return Value(m.text("content"));
  if (const Message* q = m.message_or_null("qtensor")) {
    auto out = make_ref<Int8Tensor>();
    const Dims1& dims = q->wholes("dims");
    int64_t n = count_of(dims, m.text("name"));
    C2_ENFORCE(int64_t(q->wholes("data").size()) == n, "blob ", m.text("name"), ": ", n,
               " values are wanted, there are ", q->wholes("data").size());
    out->data = int_list(q->wholes("data"), q->whole("precision") == 8 ? torch::kByte : torch::kInt).reshape(dims);
    out->scale = float(q->real("scale"));
    out->zero_point = int32_t(q->real("bias"));
    return object_value(out);
  }
  Registry::get();
  if (auto kind = saved_objects().find(type); kind != saved_objects().end()) return kind->second.read(m);
  const Message* t = m.message_or_null("tensor");
  C2_ENFORCE(t, "No known deserializer for blob ", m.text("name"), " of type ", type);
  return tensor_value(*t);
}

void add_blob_chunk(Value& to, const Message& m) {
  const Message* t = saved_objects().count(m.text("type")) ? nullptr : m.message_or_null("tensor");
  const Message* part = t ? t->message_or_null("segment") : nullptr;
  int64_t n = t ? count_of(t->wholes("dims"), m.text("name")) : 0;
  if (!t || !part || (part->whole("begin") == 0 && part->whole("end") == n)) {
    to = blob_value(m);
    return;
  }
  int64_t from = part->whole("begin"), end = part->whole("end");
  C2_ENFORCE(from >= 0 && from <= end && end <= n, "blob ", m.text("name"), ": a segment from ", from, " to ", end,
             " of ", n, " values");
  Value piece = elements(*t, end - from);
  if (auto* s = as<StringTensor>(piece)) {
    auto* all = as<StringTensor>(to);
    Ref<StringTensor> fresh;
    if (!all || int64_t(all->items.size()) != n) {
      fresh = make_ref<StringTensor>();
      C2_ENFORCE(n < (int64_t(1) << 28), "blob ", m.text("name"), " is too large");
      fresh->items.resize(size_t(n));
      fresh->sizes = t->wholes("dims");
      to = object_value(fresh);
      all = fresh.get();
    }
    std::copy(s->items.begin(), s->items.end(), all->items.begin() + from);
    return;
  }
  Tensor p(piece.tensor());
  if (!to.is_tensor() || Tensor(to.tensor()).numel() != n || Tensor(to.tensor()).scalar_type() != p.scalar_type())
    to = Value(rushlight::Tensor(torch::zeros(t->wholes("dims"), p.options())));
  Tensor all(to.tensor());
  all.view({-1}).narrow(0, from, end - from).copy_(p);
}

// ---- databases -------------------------------------------------------------------------------------------------------

namespace {

// One file: for each entry the lengths of key and value as 32 bit numbers, then both.
class MiniCursor final : public DbCursor {
 public:
  explicit MiniCursor(const std::string& path)
      : where_(str("minidb '", path, "'")), file_(io::map_file(path, "minidb")) {
    first();
  }
  bool valid() const override { return valid_; }
  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  void first() override { at_ = 0, next(); }
  void seek(std::string_view key) override {
    for (first(); valid_ && key_ != key;) next();
  }
  void next() override {
    auto bytes = file_.data;
    valid_ = at_ < bytes.size();
    if (!valid_) return;
    int32_t lengths[2];
    RL_CHECK(FileError, bytes.size() - at_ >= 8, where_, ": damaged at byte ", at_, ": it ends inside of an entry");
    std::memcpy(lengths, bytes.data() + at_, 8);
    size_t left = bytes.size() - at_ - 8;
    RL_CHECK(FileError,
             lengths[0] >= 0 && lengths[1] >= 0 && size_t(lengths[0]) <= left &&
                 size_t(lengths[1]) <= left - size_t(lengths[0]),
             where_, ": damaged at byte ", at_, ": an entry of ", lengths[0], " and ", lengths[1], " bytes where ",
             left, " are left");
    const char* p = reinterpret_cast<const char*>(bytes.data()) + at_ + 8;
    key_ = {p, size_t(lengths[0])};
    value_ = {p + lengths[0], size_t(lengths[1])};
    at_ += 8 + key_.size() + value_.size();
  }

 private:
  std::string where_;
  io::Bytes file_;
  size_t at_ = 0;
  bool valid_ = false;
  std::string_view key_, value_;
};

class MiniWriter final : public DbWriter {
 public:
  explicit MiniWriter(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    RL_CHECK(OsError, file_, "minidb '", path, "' can't be written: ", std::strerror(errno));
  }
  ~MiniWriter() override {
    if (file_) std::fclose(file_);
  }
  void put(std::string_view key, std::string_view value) override {
    RL_CHECK(ValueError, key.size() <= INT32_MAX && value.size() <= INT32_MAX, "minidb '", path_,
             "': an entry is larger than 2 GB");
    int32_t lengths[2] = {int32_t(key.size()), int32_t(value.size())};
    bool good = std::fwrite(lengths, 8, 1, file_) == 1 && std::fwrite(key.data(), 1, key.size(), file_) == key.size() &&
                std::fwrite(value.data(), 1, value.size(), file_) == value.size();
    RL_CHECK(OsError, good, "minidb '", path_, "' can't be written: ", std::strerror(errno));
  }
  void commit() override {
    RL_CHECK(OsError, std::fflush(file_) == 0, "minidb '", path_, "' can't be written: ", std::strerror(errno));
  }

 private:
  std::string path_;
  FILE* file_;
};

class DataCursor final : public DbCursor {
 public:
  explicit DataCursor(std::unique_ptr<data::Database> db) : db_(std::move(db)), cursor_(db_->cursor()) {}
  bool valid() const override { return cursor_->valid(); }
  std::string_view key() const override { return cursor_->key(); }
  std::string_view value() const override { return cursor_->value(); }
  void first() override { cursor_->first(); }
  void next() override { cursor_->next(); }
  void seek(std::string_view key) override { cursor_->seek(key); }

 private:
  std::unique_ptr<data::Database> db_;
  std::unique_ptr<data::Cursor> cursor_;
};

class DataWriter final : public DbWriter {
 public:
  explicit DataWriter(std::unique_ptr<data::Database> db) : db_(std::move(db)) {}
  ~DataWriter() override {
    try {
      commit();
    } catch (const Error&) {}  // a destructor can't tell; commit() does
  }
  void put(std::string_view key, std::string_view value) override {
    batch_.put(key, value);
    if (++count_ % 1000 == 0) commit();
  }
  void commit() override {
    if (batch_.changes().empty()) return;
    db_->write(batch_, false);
    batch_.clear();
  }

 private:
  std::unique_ptr<data::Database> db_;
  data::Batch batch_;
  int64_t count_ = 0;
};

data::DbOptions options_of(const std::string& type, bool write) {
  data::DbOptions o;
  if (type == "leveldb" || type == "LevelDB") o.kind = data::DbKind::LevelDb;
  else if (type == "lmdb" || type == "LMDB") o.kind = data::DbKind::Lmdb;
  else C2_FAIL("Cannot find db of type ", type, ": there are minidb, leveldb and lmdb");
  o.write = o.create = write;
  return o;
}
bool is_mini(const std::string& type) { return type == "minidb" || type == "MiniDB"; }

}  // namespace

bool db_exists(const std::string& type, const std::string& path) {
  (void)type;
  struct stat s;
  return ::stat(path.c_str(), &s) == 0;
}

std::unique_ptr<DbCursor> open_db(const std::string& type, const std::string& path) {
  if (is_mini(type)) return std::make_unique<MiniCursor>(path);
  return std::make_unique<DataCursor>(data::Database::open(path, options_of(type, false)));
}
std::unique_ptr<DbWriter> create_db(const std::string& type, const std::string& path) {
  if (is_mini(type)) return std::make_unique<MiniWriter>(path);
  return std::make_unique<DataWriter>(data::Database::open(path, options_of(type, true)));
}

}  // namespace rushlight::caffe2
