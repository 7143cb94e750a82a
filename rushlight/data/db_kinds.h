// The kinds of database that Database::open() knows, each in a file of its own.
#pragma once
#include "rushlight/data/db.h"

namespace rushlight::data {

std::unique_ptr<Database> open_lmdb(const std::string& path, const DbOptions& options, const std::string& where);
std::unique_ptr<Database> open_leveldb(const std::string& path, const DbOptions& options, const std::string& where);
// Changes in each forked child.
uint64_t fork_generation();

}  // namespace rushlight::data
