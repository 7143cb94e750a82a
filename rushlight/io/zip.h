// Zip archives as PyTorch writes them: entries stored, each one's bytes at a multiple of 64. Read: stored and deflated entries, zip64.
// Specification: PKWARE APPNOTE 6.3. Not read: encryption, several disks, other compressions.
#pragma once
#include <map>
#include <string>

#include "rushlight/io/file.h"

namespace rushlight::io {

class ZipReader {
 public:
  // `name` is what errors call the file. Throws FileError for anything that is no sound zip archive: overlapping or duplicate entries,
  // names that leave the archive, entries that claim to inflate beyond reason.
  ZipReader(Bytes bytes, std::string name);

  bool has(const std::string& entry) const { return entries_.contains(entry); }
  // The entry's bytes, checked against its checksum unless they shall stay untouched; for a stored entry they are the file's own, kept
  // alive by it.
  Bytes read(const std::string& entry, bool checked = true) const;
  // Copies the entry's first bytes, `most` at the most, and checks all of them.
  void read_into(const std::string& entry, void* to, size_t most) const;
  // The same for what a parser takes, whose values need a hundred times its bytes: deflate may not have shrunk it beyond reason.
  Bytes read_for_parser(const std::string& entry) const;
  std::vector<std::string> names() const;
  size_t size(const std::string& entry) const { return entries_.at(entry).size; }  // REQUIRES: has(entry)
  // The folder all entries lie in ("archive/"), as in every PyTorch file; "" if there is none.
  const std::string& root() const { return root_; }
  const std::string& name() const { return name_; }

 private:
  struct Entry {
    size_t offset = 0, packed = 0, size = 0;
    uint32_t crc = 0;
    bool deflated = false;
  };
  template <class F> void check_crc(const std::string& entry, const Entry& e, F&& crc) const;
  Bytes bytes_;
  std::string name_, root_;
  std::map<std::string, Entry> entries_;
};

class ZipWriter {
 public:
  explicit ZipWriter(Sink sink) : sink_(std::move(sink)) {}
  // Without data: room for it, zeros.
  void add(const std::string& name, const void* data, size_t size);
  void add(const std::string& name, std::string_view text) { add(name, text.data(), text.size()); }
  void finish();
  bool with_crc = true;  // else 0 stands in the place of checksums; only PyTorch and this library read such files

 private:
  struct Entry {
    std::string name;
    size_t offset, size;
    uint32_t crc;
  };
  void write(const std::string& bytes);
  Sink sink_;
  size_t at_ = 0;
  std::vector<Entry> entries_;
};

// Text of a file as it may stand in an error: what is no printable character as \xNN.
std::string printable(const std::string& text);

// True if the bytes begin as a zip file does.
bool looks_like_zip(std::span<const uint8_t> bytes);

}  // namespace rushlight::io
