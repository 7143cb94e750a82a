// What keeps LMDB from following a damaged page. For rushlight/data only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace rushlight::data {

// Bytes of a page; 0 for a file that is no LMDB, or a new one. Throws FileError for headers that can't be meant.
size_t lmdb_page_bytes(int file, const std::string& where);

// Walks the trees of a transaction that is open: every page, entry and number of a page that LMDB would follow. With `write` the lists of free
// pages too. Reads at most `most` pages. False where the file has no such transaction
// (any more). Throws FileError naming the page.
bool check_lmdb(int file, uint64_t transaction, bool write, uint64_t most, const std::string& where);

}  // namespace rushlight::data
