// Key-value databases: LMDB and LevelDB, by their own libraries, behind one interface. Keys are in the order of their bytes.
//
//   auto db = Database::open("mnist_lmdb", {});
//   for (auto c = db->cursor(); c->valid(); c->next()) use(c->key(), c->value());
//
// Thread safety: a Database may be used from any thread at once, a Cursor or a Batch from one. A cursor sees the database as it was when it was
// made. After a fork the child opens an LMDB anew at first use; a LevelDB belongs to the process that opened it, and raises in others.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rushlight/core/function_ref.h"

namespace rushlight::data {

enum class DbKind : uint8_t { Unknown, Lmdb, LevelDb };
// What lies at a path: a folder with data.mdb, a file that begins as one, or a folder with CURRENT.
DbKind db_kind(const std::string& path);

struct DbOptions {
  DbKind kind = DbKind::Unknown;  // Unknown: what lies there; a new one is LMDB
  bool write = false;
  bool create = false;  // where nothing lies; with `write`
  // LMDB: whether a new one is a folder with data.mdb in it, or a file; and the name of a database in the file.
  bool folder = true;
  std::string name;
  // LevelDB: whether the checksum of each block that is read is compared, which costs half of the speed. LMDB has none: whether all pages are
  // looked at when it is opened, for numbers that would lead LMDB astray; else the first 65536 of them.
  bool verify = false;
};

class Cursor {
 public:
  virtual ~Cursor() = default;
  // On an entry. A new cursor is on the first.
  virtual bool valid() const = 0;
  virtual void first() = 0;
  virtual void last() = 0;
  // To the first entry whose key is not below this.
  virtual void seek(std::string_view key) = 0;
  virtual void next() = 0;
  virtual void prev() = 0;
  // REQUIRES: valid(). They stay until the cursor moves.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

// Writes that happen together or not at all.
class Batch {
 public:
  struct Change {
    std::string key;
    std::optional<std::string> value;  // none: removed
  };
  void put(std::string_view key, std::string_view value) { change(key) = value; }
  void remove(std::string_view key) { change(key) = std::nullopt; }
  // What the batch does to a key; null for nothing.
  const Change* find(std::string_view key) const {
    auto found = index_.find(std::string(key));
    return found == index_.end() ? nullptr : &changes_[found->second];
  }
  const std::vector<Change>& changes() const { return changes_; }
  void clear() {
    changes_.clear();
    index_.clear();
  }

 private:
  std::optional<std::string>& change(std::string_view key) {
    auto [at, fresh] = index_.emplace(key, changes_.size());
    if (fresh) changes_.push_back({std::string(key), std::nullopt});
    return changes_[at->second].value;
  }
  std::vector<Change> changes_;
  std::unordered_map<std::string, size_t> index_;
};

class Database {
 public:
  // Throws OsError where it can't be opened, FileError for a damaged or half-written one, NotImplementedError without the library.
  static std::unique_ptr<Database> open(const std::string& path, const DbOptions& options);
  virtual ~Database() = default;
  virtual DbKind kind() const = 0;
  // Gives the value to `use`, for the time of the call; false if there is none.
  virtual bool get(std::string_view key, FunctionRef<void(std::string_view)> use) = 0;
  virtual std::unique_ptr<Cursor> cursor() = 0;
  // Writes the batch, to the disk if `sync`.
  virtual void write(const Batch& batch, bool sync) = 0;
  // The number of entries. LevelDB counts them one by one.
  virtual int64_t count() = 0;
};

}  // namespace rushlight::data
