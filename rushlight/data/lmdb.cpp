// LMDB. Reading maps the file; what keeps that safe is in check_size(): a file that was cut would be a SIGBUS where a page is missing.
#include <pthread.h>

#include <atomic>

#include "rushlight/core/error.h"
#include "rushlight/data/db_kinds.h"
#include "rushlight/data/libraries.h"
#include "rushlight/data/lmdb_check.h"

namespace rushlight::data {

uint64_t fork_generation() {
  static std::atomic<uint64_t> generation{0};
  [[maybe_unused]] static const int registered =
      pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  return generation.load(std::memory_order_relaxed);
}

}  // namespace rushlight::data

#ifdef RL_HAVE_LMDB
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace rushlight::data {
namespace {

// LMDB's functions, found at first use.
struct Api {
  explicit Api(const std::string& where) {
    void* lib = open_library(where, "lmdb");
#define RL_FIND(name) name = reinterpret_cast<decltype(&::mdb_##name)>(symbol_of(lib, "mdb_" #name))
    RL_FIND(env_create);
    RL_FIND(env_open);
    RL_FIND(env_close);
    RL_FIND(env_set_mapsize);
    RL_FIND(env_set_maxdbs);
    RL_FIND(env_info);
    RL_FIND(env_stat);
    RL_FIND(env_sync);
    RL_FIND(env_get_maxkeysize);
    RL_FIND(reader_check);
    RL_FIND(txn_begin);
    RL_FIND(txn_id);
    RL_FIND(txn_commit);
    RL_FIND(txn_abort);
    RL_FIND(txn_reset);
    RL_FIND(txn_renew);
    RL_FIND(dbi_open);
    RL_FIND(get);
    RL_FIND(put);
    RL_FIND(del);
    RL_FIND(stat);
    RL_FIND(cursor_open);
    RL_FIND(cursor_close);
    RL_FIND(cursor_get);
    RL_FIND(strerror);
#undef RL_FIND
  }
#define RL_FUNCTION(name) decltype(&::mdb_##name) name
  RL_FUNCTION(env_create);
  RL_FUNCTION(env_open);
  RL_FUNCTION(env_close);
  RL_FUNCTION(env_set_mapsize);
  RL_FUNCTION(env_set_maxdbs);
  RL_FUNCTION(env_info);
  RL_FUNCTION(env_stat);
  RL_FUNCTION(env_sync);
  RL_FUNCTION(env_get_maxkeysize);
  RL_FUNCTION(reader_check);
  RL_FUNCTION(txn_begin);
  RL_FUNCTION(txn_id);
  RL_FUNCTION(txn_commit);
  RL_FUNCTION(txn_abort);
  RL_FUNCTION(txn_reset);
  RL_FUNCTION(txn_renew);
  RL_FUNCTION(dbi_open);
  RL_FUNCTION(get);
  RL_FUNCTION(put);
  RL_FUNCTION(del);
  RL_FUNCTION(stat);
  RL_FUNCTION(cursor_open);
  RL_FUNCTION(cursor_close);
  RL_FUNCTION(cursor_get);
  RL_FUNCTION(strerror);
#undef RL_FUNCTION
};
const Api& api(const std::string& where) {
  static const Api& found = *new Api(where);
  return found;
}

MDB_val val(std::string_view s) { return {s.size(), const_cast<char*>(s.data())}; }
// That its bytes will be read, from the first on: memcpy begins at both ends, which the processor doesn't take for a stream. A fifth of a copy's time.
void announce(const MDB_val& v) { __builtin_prefetch(v.mv_data); }
std::string_view view(const MDB_val& v) { return {static_cast<const char*>(v.mv_data), v.mv_size}; }

struct Opened {
  explicit Opened(const std::string& path) : file(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Opened() {
    if (file >= 0) ::close(file);
  }
  Opened(const Opened&) = delete;
  const int file;
};

// An open environment; of a process, for a fork leaves the parent's locks to the parent.
class Environment {
 public:
  Environment(const std::string& path, const DbOptions& options, const std::string& where)
      : api_(api(where)), where_(where), generation(fork_generation()), write_(options.write) {
    struct stat info;
    bool file = ::stat(path.c_str(), &info) == 0 ? !S_ISDIR(info.st_mode) : !options.folder;
    if (!file && write_ && options.create) ::mkdir(path.c_str(), 0777);
    data_ = file ? path : path + "/data.mdb";
    check_header(data_);
    unsigned flags = MDB_NOTLS | (file ? MDB_NOSUBDIR : 0) | (write_ ? 0 : MDB_RDONLY);
    // Address space is all that a large map costs: the file grows as it is filled.
    for (size_t map : {size_t(1) << 40, size_t(1) << 36, size_t(1) << 32, size_t(1) << 28}) {
      if (!write_) map = 0;  // as large as the file
      int status = try_open(path, flags, map);
      // Where no lock file can be made nobody writes either.
      if (!write_ && (status == EACCES || status == EROFS)) status = try_open(path, flags | MDB_NOLOCK, map);
      if (status == 0) break;
      if (status == ENOMEM && write_ && map > size_t(1) << 28) continue;
      const bool damaged = status == MDB_INVALID || status == MDB_VERSION_MISMATCH || status == MDB_CORRUPTED;
      const std::string text = str(where_, ": ", api_.strerror(status));
      if (damaged) throw FileError(text);
      throw OsError(text);
    }
    int dead;
    api_.reader_check(env, &dead);  // readers that died without a word would keep pages from being used again
    check_size();
    MDB_txn* txn = nullptr;
    check(api_.txn_begin(env, nullptr, write_ ? 0 : MDB_RDONLY, &txn), "begin");
    try {
      check_pages(txn, options.verify ? UINT64_MAX : kChecked);
    } catch (...) {
      api_.txn_abort(txn);
      close();
      throw;
    }
    int status = api_.dbi_open(txn, options.name.empty() ? nullptr : options.name.c_str(),
                               write_ && !options.name.empty() ? MDB_CREATE : 0, &dbi);
    if (status != 0) {
      api_.txn_abort(txn);
      close();
      if (status == MDB_NOTFOUND) throw KeyError(str(where_, ": there is no database '", options.name, "' in it"));
      check(status, "open");
    }
    check(api_.txn_commit(txn), "open");
  }
  ~Environment() { close(); }
  Environment(const Environment&) = delete;

  // A reading transaction, from those that were used before where there is one.
  MDB_txn* begin_read() {
    MDB_txn* txn = spare_.exchange(nullptr, std::memory_order_acquire);
    if (!txn) {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        txn = idle_.back();
        idle_.pop_back();
      }
    }
    if (txn) {
      if (int status = api_.txn_renew(txn); status != 0) {
        api_.txn_abort(txn);
        check(status, "read");
      }
      return txn;
    }
    check(api_.txn_begin(env, nullptr, MDB_RDONLY, &txn), "read");
    return txn;
  }
  void end_read(MDB_txn* txn) {
    api_.txn_reset(txn);
    MDB_txn* none = nullptr;
    if (spare_.compare_exchange_strong(none, txn, std::memory_order_release, std::memory_order_relaxed)) return;
    std::lock_guard lock(mutex_);
    idle_.push_back(txn);
  }
  void check(int status, const char* what) const {
    if (status == 0) return;
    const std::string text = str(where_, ": ", what, ": ", api_.strerror(status));
    if (status == MDB_CORRUPTED || status == MDB_PAGE_NOTFOUND || status == MDB_INVALID) throw FileError(text);
    if (status == MDB_BAD_VALSIZE)
      throw ValueError(str(where_, ": ", what, ": LMDB takes keys of 1 to ", api_.env_get_maxkeysize(env), " bytes"));
    throw OsError(text);
  }

  const Api& api_;
  const std::string where_;
  const uint64_t generation;
  MDB_env* env = nullptr;
  MDB_dbi dbi = 0;

 private:
  int try_open(const std::string& path, unsigned flags, size_t map) {
    check(api_.env_create(&env), "open");
    if (map) api_.env_set_mapsize(env, map);
    api_.env_set_maxdbs(env, 8);
    int status = api_.env_open(env, path.c_str(), flags, 0666);
    if (status != 0) {
      api_.env_close(env);
      env = nullptr;
    }
    return status;
  }
  // About a tenth of a second's. Values that don't fit into a page take none.
  static constexpr uint64_t kChecked = 1 << 16;
  void check_pages(MDB_txn*& txn, uint64_t most) {
    const Opened opened(data_);
    if (opened.file < 0) return;  // LMDB has it open, and says what is wrong
    // The header of a transaction that somebody else's writing has overtaken is gone: the next one is as good.
    for (int tries = 0; tries < 10; tries++) {
      if (check_lmdb(opened.file, api_.txn_id(txn) - (write_ ? 1 : 0), write_, most, where_)) return;
      api_.txn_abort(std::exchange(txn, nullptr));
      check(api_.txn_begin(env, nullptr, write_ ? 0 : MDB_RDONLY, &txn), "begin");
    }
  }
  // Both meta pages have to be there before LMDB is let near the file.
  void check_header(const std::string& file) {
    struct stat info;
    if (::stat(file.c_str(), &info) != 0 || (write_ && info.st_size == 0)) return;
    const auto page = ::sysconf(_SC_PAGESIZE);
    RL_CHECK(FileError, info.st_size >= 2 * page, where_, ": the file '", file, "' ends at byte ", info.st_size,
             " inside of its header; the database is half-written or cut short");
    if (const Opened opened(file); opened.file >= 0) lmdb_page_bytes(opened.file, where_);
  }
  void check_size() {
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    check(api_.env_info(env, &info), "open");
    check(api_.env_stat(env, &stat), "open");
    if (::stat(data_.c_str(), &file) != 0) return;
    const uint64_t needed = (uint64_t(info.me_last_pgno) + 1) * stat.ms_psize;
    if (uint64_t(file.st_size) >= needed || (write_ && file.st_size == 0)) return;
    // A new database: its pages come with the first write.
    if (info.me_last_pgno <= 1) return;
    close();
    throw FileError(str(where_, ": its header names ", needed, " bytes, but '", data_, "' ends at byte ", file.st_size,
                        "; the database is half-written or cut short"));
  }
  void close() {
    // In a forked child the environment is the parent's: closing it would take the parent's place in the table of readers.
    if (!env || generation != fork_generation()) return;
    if (MDB_txn* txn = spare_.exchange(nullptr)) api_.txn_abort(txn);
    for (MDB_txn* txn : idle_) api_.txn_abort(txn);
    idle_.clear();
    api_.env_close(env);
    env = nullptr;
  }
  std::string data_;
  bool write_;
  std::atomic<MDB_txn*> spare_{nullptr};  // one thread's reads need no lock
  std::mutex mutex_;
  std::vector<MDB_txn*> idle_;
};

class LmdbCursor final : public Cursor {
 public:
  explicit LmdbCursor(std::shared_ptr<Environment> e) : e_(std::move(e)), txn_(e_->begin_read()) {
    if (int status = e_->api_.cursor_open(txn_, e_->dbi, &cursor_); status != 0) {
      e_->end_read(txn_);
      e_->check(status, "cursor");
    }
    first();
  }
  ~LmdbCursor() override {
    if (e_->generation != fork_generation()) return;
    e_->api_.cursor_close(cursor_);
    e_->end_read(txn_);
  }
  bool valid() const override { return valid_; }
  void first() override { go(MDB_FIRST); }
  void last() override { go(MDB_LAST); }
  void next() override { go(MDB_NEXT); }
  void prev() override { go(MDB_PREV); }
  void seek(std::string_view key) override {
    if (key.empty()) return first();  // LMDB knows no such key
    key_ = val(key);
    go(MDB_SET_RANGE);
  }
  std::string_view key() const override { return view(key_); }
  std::string_view value() const override { return view(value_); }

 private:
  void go(MDB_cursor_op op) {
    RL_CHECK(RuntimeError, e_->generation == fork_generation(), e_->where_,
             ": a cursor belongs to the process that made it; make one in this process");
    int status = e_->api_.cursor_get(cursor_, &key_, &value_, op);
    valid_ = status == 0;
    if (status != 0 && status != MDB_NOTFOUND) e_->check(status, "cursor");
    if (valid_) announce(value_);
  }
  std::shared_ptr<Environment> e_;
  MDB_txn* txn_;
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{}, value_{};
  bool valid_ = false;
};

class Lmdb final : public Database {
 public:
  Lmdb(const std::string& path, const DbOptions& options, const std::string& where)
      : path_(path), where_(where), options_(options), env_(std::make_shared<Environment>(path, options, where)) {}

  DbKind kind() const override { return DbKind::Lmdb; }

  bool get(std::string_view key, FunctionRef<void(std::string_view)> use) override {
    if (key.empty()) return false;
    const std::shared_ptr<Environment>& e = here();
    struct Reading {
      Environment& e;
      MDB_txn* txn;
      ~Reading() { e.end_read(txn); }
    } r{*e, e->begin_read()};
    MDB_val k = val(key), v;
    int status = e->api_.get(r.txn, e->dbi, &k, &v);
    if (status == MDB_NOTFOUND) return false;
    e->check(status, "get");
    announce(v);
    use(view(v));
    return true;
  }
  std::unique_ptr<Cursor> cursor() override { return std::make_unique<LmdbCursor>(here()); }

  void write(const Batch& batch, bool sync) override {
    RL_CHECK(RuntimeError, options_.write, where_, ": it was opened to read; open it to write");
    const std::shared_ptr<Environment>& e = here();
    const Api& a = e->api_;
    MDB_txn* txn = nullptr;
    e->check(a.txn_begin(e->env, nullptr, 0, &txn), "write");
    for (const Batch::Change& c : batch.changes()) {
      MDB_val k = val(c.key), v = c.value ? val(*c.value) : MDB_val{};
      int status = c.value ? a.put(txn, e->dbi, &k, &v, 0) : a.del(txn, e->dbi, &k, nullptr);
      if (status == 0 || status == MDB_NOTFOUND) continue;
      a.txn_abort(txn);
      e->check(status, "write");
    }
    e->check(a.txn_commit(txn), "write");
    if (sync) e->check(a.env_sync(e->env, 1), "write");
  }

  int64_t count() override {
    const std::shared_ptr<Environment>& e = here();
    MDB_txn* txn = e->begin_read();
    MDB_stat stat{};
    int status = e->api_.stat(txn, e->dbi, &stat);
    e->end_read(txn);
    e->check(status, "count");
    return int64_t(stat.ms_entries);
  }

 private:
  // The environment of this process.
  const std::shared_ptr<Environment>& here() {
    const uint64_t now = fork_generation();
    if (opened_in_.load(std::memory_order_acquire) == now) return env_;
    std::lock_guard lock(mutex_);
    if (env_->generation != fork_generation()) {
      new std::shared_ptr<Environment>(env_);  // the parent's is left as it is
      DbOptions again = options_;
      again.create = false;
      env_ = std::make_shared<Environment>(path_, again, where_);
    }
    opened_in_.store(now, std::memory_order_release);
    return env_;
  }
  std::string path_, where_;
  DbOptions options_;
  std::mutex mutex_;
  std::shared_ptr<Environment> env_;
  std::atomic<uint64_t> opened_in_{UINT64_MAX};
};

}  // namespace

std::unique_ptr<Database> open_lmdb(const std::string& path, const DbOptions& options, const std::string& where) {
  return std::make_unique<Lmdb>(path, options, where);
}

}  // namespace rushlight::data

#else

namespace rushlight::data {
std::unique_ptr<Database> open_lmdb(const std::string&, const DbOptions&, const std::string& where) {
  fail_missing_library(where, "lmdb");
}
}  // namespace rushlight::data

#endif
