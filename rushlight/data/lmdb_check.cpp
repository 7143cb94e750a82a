// Checks the pages of an LMDB before LMDB follows them: it trusts what it reads, so one wrong number is a crash there.
// The layout is that of LMDB 0.9's mdb.c on 64-bit systems ("MDB_page", "MDB_node", "MDB_db", "MDB_meta"), numbers in the machine's order.
#include "rushlight/data/lmdb_check.h"

#include <unistd.h>

#include <bit>
#include <cstring>
#include <span>
#include <vector>

#include "rushlight/core/error.h"

namespace rushlight::data {
namespace {

constexpr uint64_t kNone = UINT64_MAX;  // the root of an empty tree
constexpr size_t kPageHead = 16, kNodeHead = 8, kTreeBytes = 48;
constexpr unsigned kDeepest = 32;  // LMDB's CURSOR_STACK
enum PageFlags : uint16_t { kBranch = 1, kLeaf = 2, kMeta = 8, kDirty = 0x10, kFixed = 0x20, kInValue = 0x40 };
enum NodeFlags : uint16_t { kElsewhere = 1, kTree = 2, kMany = 4 };
constexpr uint32_t kMagic = 0xBEEFC0DE;

template <class T> T number_at(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// The record of a tree: MDB_db.
struct Tree {
  explicit Tree(const uint8_t* p)
      : flags(number_at<uint16_t>(p + 4)),
        depth(number_at<uint16_t>(p + 6)),
        fixed_bytes(number_at<uint32_t>(p)),
        root(number_at<uint64_t>(p + 40)) {}
  uint16_t flags, depth;
  uint32_t fixed_bytes;  // of each value, where all are of one length
  uint64_t root;
};

class Checker {
 public:
  Checker(int file, size_t page_bytes, uint64_t pages, uint64_t most, const std::string& where)
      : file_(file), page_bytes_(page_bytes), pages_(pages), left_(most), where_(where), seen_(pages) {}

  void check(const Tree& tree) {
    if (tree.root == kNone) return;
    if (tree.depth == 0 || tree.depth > kDeepest) fail(tree.root, "its tree has ", tree.depth, " levels");
    check_page(tree.root, 1, tree);
  }
  // The pages that may be used again: each entry is a list of them, in falling order.
  void check_free(const Tree& tree) {
    free_ = true;
    check(tree);
    free_ = false;
  }

 private:
  template <class... A> [[noreturn]] void fail(uint64_t page, const A&... what) {
    throw FileError(
        str(where_, ": page ", page, " at byte ", page * page_bytes_, ": ", what..., "; the database is damaged"));
  }
  std::vector<uint8_t> read(uint64_t page, size_t bytes) {
    std::vector<uint8_t> data(bytes);
    for (size_t at = 0; at < bytes;) {
      ssize_t got = ::pread(file_, data.data() + at, bytes - at, off_t(page * page_bytes_ + at));
      if (got <= 0) fail(page, "the file ends before it");
      at += size_t(got);
    }
    return data;
  }

  void check_page(uint64_t number, unsigned level, const Tree& tree) {
    if (number < 2 || number >= pages_) fail(number, "the file has ", pages_, " pages");
    if (seen_[number]) fail(number, "it is in the trees twice");
    seen_[number] = true;
    if (left_ == 0) return;
    left_--;
    const std::vector<uint8_t> page = read(number, page_bytes_);
    const bool leaf = level == tree.depth;
    const auto flags = number_at<uint16_t>(page.data() + 10);
    if (number_at<uint64_t>(page.data()) != number)
      fail(number, "it says that it is page ", number_at<uint64_t>(page.data()));
    if ((flags & ~(kFixed | kDirty)) != (leaf ? kLeaf : kBranch))
      fail(number, "expected a ", leaf ? "leaf" : "branch", ", got flags ", flags);
    check_nodes(number, page, leaf, level, tree);
  }

  // `page` may be one of those that lie in a value.
  void check_nodes(uint64_t number, std::span<const uint8_t> page, bool leaf, unsigned level, const Tree& tree) {
    const auto flags = number_at<uint16_t>(page.data() + 10);
    const size_t lower = number_at<uint16_t>(page.data() + 12), upper = number_at<uint16_t>(page.data() + 14);
    if (lower < kPageHead || lower % 2 || upper < lower || upper > page.size())
      fail(number, "its free space is from ", lower, " to ", upper, " of ", page.size());
    const size_t count = (lower - kPageHead) / 2;
    if (count < (leaf ? 1 : 2)) fail(number, "it has ", count, " entries");
    if (flags & kFixed) {
      const size_t bytes = number_at<uint16_t>(page.data() + 8);
      if (!leaf || bytes == 0 || bytes != tree.fixed_bytes || kPageHead + count * bytes > page.size())
        fail(number, "it has ", count, " values of ", bytes, " bytes");
      return;
    }
    for (size_t i = 0; i < count; i++) {
      const size_t at = number_at<uint16_t>(page.data() + kPageHead + 2 * i);
      if (at < upper || at % 2 || at + kNodeHead > page.size()) fail(number, "entry ", i, " lies at ", at);
      const uint8_t* node = page.data() + at;
      const uint64_t low = number_at<uint16_t>(node), high = number_at<uint16_t>(node + 2);
      const auto what = number_at<uint16_t>(node + 4);
      const size_t key = number_at<uint16_t>(node + 6), room = page.size() - at - kNodeHead;
      if (key > room) fail(number, "entry ", i, " has a key of ", key, " bytes");
      if (!leaf) {
        check_page(low | high << 16 | uint64_t(what) << 32, level + 1, tree);
        continue;
      }
      if (key == 0 && !(tree.flags & kInner)) fail(number, "entry ", i, " has no key");
      if ((tree.flags & kWholeKeys) && key != 4 && key != 8) fail(number, "entry ", i, " has a key of ", key, " bytes");
      check_value(number, i, {node + kNodeHead + key, room - key}, size_t(low | high << 16), what, tree);
    }
  }

  void check_value(uint64_t number, size_t i, std::span<const uint8_t> room, size_t bytes, unsigned what,
                   const Tree& tree) {
    std::vector<uint8_t> elsewhere;
    std::span<const uint8_t> value;
    if (what & kElsewhere) {
      if (room.size() < 8 || what != kElsewhere) fail(number, "entry ", i, " has flags ", what);
      const auto page = number_at<uint64_t>(room.data());
      const uint64_t needs = (kPageHead + bytes + page_bytes_ - 1) / page_bytes_;
      if (page < 2 || page >= pages_ || needs > pages_ - page)
        fail(number, "entry ", i, " has a value of ", bytes, " bytes at page ", page, " of ", pages_);
      if (!free_) return;
      elsewhere = read(page, kPageHead + bytes);
      value = std::span(elsewhere).subspan(kPageHead);
    } else {
      if (bytes > room.size()) fail(number, "entry ", i, " has a value of ", bytes, " bytes");
      value = room.first(bytes);
    }
    if (free_) return check_list(number, i, value);
    if (what & kTree) {
      if (bytes != kTreeBytes) fail(number, "entry ", i, " has a tree's record of ", bytes, " bytes");
      Tree inner(value.data());
      if (what & kMany) inner.flags |= kInner;
      check(inner);
    } else if (what & kMany) {
      if (!(tree.flags & kSorted)) fail(number, "entry ", i, " has flags ", what);
      if (bytes < kPageHead) fail(number, "entry ", i, " has a page of ", bytes, " bytes");
      Tree inner = tree;
      inner.flags = kInner;
      inner.fixed_bytes = number_at<uint16_t>(value.data() + 8);
      const auto page_flags = number_at<uint16_t>(value.data() + 10);
      if ((page_flags & ~(kFixed | kDirty)) != (kInValue | kLeaf))
        fail(number, "entry ", i, " has a page with flags ", page_flags);
      check_nodes(number, value, true, 1, inner);
    }
  }
  void check_list(uint64_t number, size_t i, std::span<const uint8_t> value) {
    if (value.size() < 8 || value.size() % 8) fail(number, "entry ", i, " is no list of pages");
    const auto count = number_at<uint64_t>(value.data());
    if (count > value.size() / 8 - 1) fail(number, "entry ", i, " lists ", count, " pages");
    uint64_t last = pages_;
    for (uint64_t k = 1; k <= count; k++) {
      const auto page = number_at<uint64_t>(value.data() + 8 * k);
      if (page < 2 || page >= last) fail(number, "entry ", i, " lists page ", page);
      last = page;
    }
  }

  static constexpr uint16_t kSorted = 4;      // MDB_DUPSORT
  static constexpr uint16_t kWholeKeys = 8;   // MDB_INTEGERKEY
  static constexpr uint16_t kInner = 0x4000;  // ours: the keys are the values of one key, and may be empty
  int file_;
  size_t page_bytes_;
  uint64_t pages_, left_;  // pages of the file; how many more are read
  const std::string& where_;
  std::vector<bool> seen_;
  bool free_ = false;
};

}  // namespace

size_t lmdb_page_bytes(int file, const std::string& where) {
  size_t bytes = 0;
  for (off_t at = 0; at >= 0;) {
    uint8_t head[152];
    const bool second = at > 0;
    if (::pread(file, head, sizeof head, at) != ssize_t(sizeof head))
      return 0;  // a new one, or cut: see check_header()
    if (!(number_at<uint16_t>(head + 10) & kMeta) || number_at<uint32_t>(head + 16) != kMagic) return 0;
    const auto own = number_at<uint32_t>(head + kPageHead + 24);
    RL_CHECK(FileError, std::has_single_bit(own) && own >= 256 && own <= 32768 && (!second || own == bytes), where,
             ": its header at byte ", at, " names pages of ", own, " bytes; the database is damaged");
    bytes = own;
    at = second ? -1 : off_t(own);
  }
  return bytes;
}

bool check_lmdb(int file, uint64_t transaction, bool write, uint64_t most, const std::string& where) {
  const size_t page_bytes = lmdb_page_bytes(file, where);
  if (page_bytes == 0) return true;
  for (off_t at : {off_t(0), off_t(page_bytes)}) {
    uint8_t head[152];
    if (::pread(file, head, sizeof head, at) != ssize_t(sizeof head)) return true;
    const uint8_t* meta = head + kPageHead;
    if (number_at<uint64_t>(meta + 128) != transaction) continue;
    const Tree free(meta + 24), main(meta + 72);
    const auto last = number_at<uint64_t>(meta + 120);
    const off_t end = ::lseek(file, 0, SEEK_END);
    // LMDB reads by what the header says; check_size() has compared it with the file.
    RL_CHECK(FileError, last >= 1 && last < uint64_t(end) / page_bytes + 1, where, ": its header names ", last,
             " pages; the database is damaged");
    Checker checker(file, page_bytes, last + 1, most, where);
    if (write) checker.check_free(free);
    checker.check(main);
    return true;
  }
  return false;
}

}  // namespace rushlight::data
