#include "rushlight/data/db.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstring>

#include "rushlight/core/error.h"
#include "rushlight/data/db_kinds.h"

namespace rushlight::data {
namespace {

bool exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

// The number that LMDB writes at byte 16 of its first page.
bool begins_as_lmdb(const std::string& file) {
  std::FILE* f = std::fopen(file.c_str(), "rbe");
  if (!f) return false;
  unsigned char head[20];
  const bool whole = std::fread(head, 1, sizeof head, f) == sizeof head;
  std::fclose(f);
  uint32_t magic;
  std::memcpy(&magic, head + 16, 4);
  return whole && magic == 0xBEEFC0DE;
}

}  // namespace

DbKind db_kind(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return DbKind::Unknown;
  if (!S_ISDIR(info.st_mode)) return begins_as_lmdb(path) ? DbKind::Lmdb : DbKind::Unknown;
  if (exists(path + "/data.mdb")) return DbKind::Lmdb;
  return exists(path + "/CURRENT") ? DbKind::LevelDb : DbKind::Unknown;
}

std::unique_ptr<Database> Database::open(const std::string& path, const DbOptions& options) {
  const std::string where = str("open_db '", path, "'");
  DbKind kind = db_kind(path);
  RL_CHECK(OsError, kind != DbKind::Unknown || (options.write && options.create), where, ": ",
           exists(path) ? "neither LMDB (data.mdb) nor LevelDB (CURRENT) lies there" : "no such file or folder",
           options.write ? "" : "; to make one, open it to write");
  RL_CHECK(ValueError, kind == DbKind::Unknown || options.kind == DbKind::Unknown || options.kind == kind, where,
           ": a database of the other kind lies there");
  if (kind == DbKind::Unknown) kind = options.kind == DbKind::Unknown ? DbKind::Lmdb : options.kind;
  return kind == DbKind::Lmdb ? open_lmdb(path, options, where) : open_leveldb(path, options, where);
}

}  // namespace rushlight::data
