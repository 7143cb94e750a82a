// LevelDB, through its C interface; a value by its key through the C++ one, for the C one copies it once more.
#include "rushlight/core/error.h"
#include "rushlight/data/db_kinds.h"
#include "rushlight/data/libraries.h"

#ifdef RL_HAVE_LEVELDB
#include <leveldb/c.h>
#include <leveldb/db.h>

#include <cstring>

namespace rushlight::data {
namespace {

// clang-format off
#define RL_FUNCTIONS(X) \
  X(open) X(close) X(get) X(write) X(free) X(create_iterator) X(iter_destroy) X(iter_valid) \
  X(iter_seek_to_first) X(iter_seek_to_last) X(iter_seek) X(iter_next) X(iter_prev) X(iter_key) \
  X(iter_value) X(iter_get_error) X(writebatch_create) X(writebatch_destroy) X(writebatch_put) \
  X(writebatch_delete) X(options_create) X(options_destroy) X(options_set_create_if_missing) \
  X(options_set_paranoid_checks) X(readoptions_create) X(readoptions_destroy) \
  X(readoptions_set_verify_checksums) X(readoptions_set_fill_cache) X(writeoptions_create) \
  X(writeoptions_destroy) X(writeoptions_set_sync)
// clang-format on

struct Api {
  explicit Api(const std::string& where) {
    void* lib = open_library(where, "leveldb");
#define RL_FIND(name) name = reinterpret_cast<decltype(&::leveldb_##name)>(symbol_of(lib, "leveldb_" #name));
    RL_FUNCTIONS(RL_FIND)
#undef RL_FIND
  }
#define RL_FUNCTION(name) decltype(&::leveldb_##name) name;
  RL_FUNCTIONS(RL_FUNCTION)
#undef RL_FUNCTION
};
const Api& api(const std::string& where) {
  static const Api& found = *new Api(where);
  return found;
}

// An open database; cursors keep it.
struct Opened {
  Opened(const std::string& path, const DbOptions& options, const std::string& where)
      : a(api(where)), where(where), generation(fork_generation()) {
    this->options = a.options_create();
    a.options_set_create_if_missing(this->options, options.write && options.create);
    a.options_set_paranoid_checks(this->options, 1);
    read = a.readoptions_create();
    a.readoptions_set_verify_checksums(read, options.verify);
    scan = a.readoptions_create();
    a.readoptions_set_verify_checksums(scan, options.verify);
    a.readoptions_set_fill_cache(scan, 0);
    char* error = nullptr;
    db = a.open(this->options, path.c_str(), &error);
    if (error) {
      std::string text = take(error);
      release();
      fail(text);
    }
    // What the C interface's handle has been since there is one; libleveldb.so.1d stands for the C++ interface too.
    plain = *reinterpret_cast<leveldb::DB**>(db);
    get.verify_checksums = options.verify;
  }
  ~Opened() { release(); }
  Opened(const Opened&) = delete;

  std::string take(char* error) const {
    std::string text(error);
    a.free(error);
    return text;
  }
  void check(char* error) const {
    if (error) fail(take(error));
  }
  [[noreturn]] void fail(const std::string& text) const {
    const bool damaged = text.find("Corruption") != std::string::npos || text.find("missing") != std::string::npos ||
                         text.find("No such file") != std::string::npos;
    if (damaged) throw FileError(str(where, ": ", text, "; the database is damaged or half-written"));
    const bool locked = text.find("lock") != std::string::npos;
    throw OsError(str(where, ": ", text, locked ? "; a LevelDB can be open in one process, once" : ""));
  }
  void check_process() const {
    RL_CHECK(RuntimeError, generation == fork_generation(), where,
             ": a LevelDB belongs to the process that opened it; open it in this one after the other has closed it, or "
             "use LMDB");
  }
  void release() {
    // A forked child has none of the threads that closing waits for.
    if (generation != fork_generation()) return;
    if (db) a.close(db);
    a.readoptions_destroy(read);
    a.readoptions_destroy(scan);
    a.options_destroy(options);
    db = nullptr;
  }

  const Api& a;
  const std::string where;
  const uint64_t generation;
  leveldb_options_t* options = nullptr;
  leveldb_readoptions_t *read = nullptr, *scan = nullptr;
  leveldb_t* db = nullptr;
  leveldb::DB* plain = nullptr;
  leveldb::ReadOptions get;
};

class LevelCursor final : public Cursor {
 public:
  explicit LevelCursor(std::shared_ptr<Opened> o) : o_(std::move(o)), it_(o_->a.create_iterator(o_->db, o_->scan)) {
    first();
  }
  ~LevelCursor() override {
    if (o_->generation == fork_generation()) o_->a.iter_destroy(it_);
  }
  bool valid() const override { return valid_; }
  void first() override {
    o_->check_process();
    o_->a.iter_seek_to_first(it_);
    moved();
  }
  void last() override {
    o_->check_process();
    o_->a.iter_seek_to_last(it_);
    moved();
  }
  void seek(std::string_view key) override {
    o_->check_process();
    o_->a.iter_seek(it_, key.data(), key.size());
    moved();
  }
  void next() override {
    if (!valid_) return;
    o_->check_process();
    o_->a.iter_next(it_);
    moved();
  }
  void prev() override {
    if (!valid_) return;
    o_->check_process();
    o_->a.iter_prev(it_);
    moved();
  }
  std::string_view key() const override {
    size_t n;
    const char* p = o_->a.iter_key(it_, &n);
    return {p, n};
  }
  std::string_view value() const override {
    size_t n;
    const char* p = o_->a.iter_value(it_, &n);
    return {p, n};
  }

 private:
  void moved() {
    valid_ = o_->a.iter_valid(it_);
    if (valid_) return;
    char* error = nullptr;
    o_->a.iter_get_error(it_, &error);
    o_->check(error);
  }
  std::shared_ptr<Opened> o_;
  leveldb_iterator_t* it_;
  bool valid_ = false;
};

class LevelDb final : public Database {
  static constexpr size_t kSpare = 1 << 20;

 public:
  LevelDb(const std::string& path, const DbOptions& options, const std::string& where)
      : write_(options.write), o_(std::make_shared<Opened>(path, options, where)) {}

  DbKind kind() const override { return DbKind::LevelDb; }
  bool get(std::string_view key, FunctionRef<void(std::string_view)> use) override {
    o_->check_process();
    // Values of a few KB are new memory from malloc each time, a thirtieth of what finding them takes. Taken out while it is used, as `use` may come here again.
    thread_local std::string spare;
    std::string value = std::move(spare);
    const leveldb::Status status = o_->plain->Get(o_->get, {key.data(), key.size()}, &value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) fail_to_get(key);
    use(value);
    if (value.capacity() <= kSpare) spare = std::move(value);
    return true;
  }
  std::unique_ptr<Cursor> cursor() override {
    o_->check_process();
    return std::make_unique<LevelCursor>(o_);
  }
  void write(const Batch& batch, bool sync) override {
    RL_CHECK(RuntimeError, write_, o_->where, ": it was opened to read; open it to write");
    o_->check_process();
    const Api& a = o_->a;
    leveldb_writebatch_t* b = a.writebatch_create();
    for (const Batch::Change& c : batch.changes()) {
      if (c.value) a.writebatch_put(b, c.key.data(), c.key.size(), c.value->data(), c.value->size());
      else a.writebatch_delete(b, c.key.data(), c.key.size());
    }
    leveldb_writeoptions_t* options = a.writeoptions_create();
    a.writeoptions_set_sync(options, sync);
    char* error = nullptr;
    a.write(o_->db, options, b, &error);
    a.writeoptions_destroy(options);
    a.writebatch_destroy(b);
    o_->check(error);
  }
  int64_t count() override {
    int64_t n = 0;
    for (LevelCursor c(o_); c.valid(); c.next()) n++;
    return n;
  }

 private:
  // The text of a status is a function of the library; the C interface gives it too.
  [[noreturn]] void fail_to_get(std::string_view key) {
    size_t n = 0;
    char* error = nullptr;
    char* found = o_->a.get(o_->db, o_->read, key.data(), key.size(), &n, &error);
    if (found) o_->a.free(found);
    o_->check(error);
    o_->fail("Corruption: an entry can't be read");
  }
  bool write_;
  std::shared_ptr<Opened> o_;
};

}  // namespace

std::unique_ptr<Database> open_leveldb(const std::string& path, const DbOptions& options, const std::string& where) {
  return std::make_unique<LevelDb>(path, options, where);
}

}  // namespace rushlight::data

#else

namespace rushlight::data {
std::unique_ptr<Database> open_leveldb(const std::string&, const DbOptions&, const std::string& where) {
  fail_missing_library(where, "leveldb");
}
}  // namespace rushlight::data

#endif
