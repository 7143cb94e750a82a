#include "rushlight/io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "rushlight/core/error.h"
#include "rushlight/io/crc32.h"

namespace rushlight::io {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kAlignment = 64;
// What all deflated entries together may unfold to: 256 MiB, or 64 times the file where that is more. Deflate reaches 1032 : 1, but only on
// a file of one repeated byte; weights hardly shrink at all.
constexpr size_t kAlwaysInflated = size_t(256) << 20, kMostExpansion = 64;
constexpr size_t kAlwaysParsed = size_t(4) << 20, kMostParsed = 16;

template <class T>
T get(std::span<const uint8_t> b, size_t at) {
  T v = 0;
  for (size_t i = 0; i < sizeof(T); i++) v |= T(T(b[at + i]) << (8 * i));
  return v;
}
void put(std::string& out, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++) out += char(v >> (8 * i));
}

bool safe_name(const std::string& n) {
  if (n.empty() || n[0] == '/' || n.find('\\') != std::string::npos || n.find('\0') != std::string::npos) return false;
  for (size_t at = 0; at <= n.size();) {
    size_t end = std::min(n.find('/', at), n.size());
    if (n.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

std::string printable(const std::string& name) {
  std::string out;
  for (unsigned char c : name) {
    if (c >= 32 && c != 127) out += char(c);
    else ((out += "\\x") += "0123456789abcdef"[c >> 4]) += "0123456789abcdef"[c & 15];
  }
  return out;
}

bool looks_like_zip(std::span<const uint8_t> b) {
  return b.size() >= 4 && (get<uint32_t>(b, 0) == kLocal || get<uint32_t>(b, 0) == kEnd);
}

ZipReader::ZipReader(Bytes bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) {
  std::span<const uint8_t> b = bytes_.data;
#define RL_ZIP(condition, ...) RL_CHECK(FileError, condition, "load '", name_, "': ", __VA_ARGS__)
  RL_ZIP(b.size() > 0, "the file is empty");
  RL_ZIP(b.size() >= 22, "the file is too short for a zip archive (", b.size(), " bytes)");
  size_t end = std::string::npos;
  for (size_t at = b.size() - 22, low = b.size() > 22 + 65535 ? b.size() - 22 - 65535 : 0;; at--) {
    if (get<uint32_t>(b, at) == kEnd && at + 22 + get<uint16_t>(b, at + 20) == b.size()) {
      end = at;
      break;
    }
    if (at == low) break;
  }
  RL_ZIP(end != std::string::npos, "no zip directory at the end of the file; it is no zip archive or it is cut short");
  uint64_t count = get<uint16_t>(b, end + 10), size = get<uint32_t>(b, end + 12), start = get<uint32_t>(b, end + 16);
  uint64_t limit = end;
  if (end >= 20 && get<uint32_t>(b, end - 20) == kLocator64) {
    uint64_t at = get<uint64_t>(b, end - 12);
    RL_ZIP(at <= end - 20 && end - 20 - at >= 56 && get<uint32_t>(b, at) == kEnd64,
           "the zip64 directory is not where its locator says");
    count = get<uint64_t>(b, at + 32);
    size = get<uint64_t>(b, at + 40);
    start = get<uint64_t>(b, at + 48);
    limit = at;
  }
  RL_ZIP(start <= limit && size <= limit - start, "the zip directory lies outside of the file");
  RL_ZIP(count <= size / 46, "the zip directory claims ", count, " entries in ", size, " bytes");

  std::vector<std::pair<size_t, size_t>> extents;
  size_t inflated = 0;
  const size_t most_inflated = std::max(kAlwaysInflated, kMostExpansion * b.size());
  uint64_t at = start;
  for (uint64_t i = 0; i < count; i++) {
    RL_ZIP(start + size - at >= 46 && get<uint32_t>(b, at) == kCentral, "directory entry ", i, " of ", count,
           " is damaged (byte ", at, ")");
    uint16_t flags = get<uint16_t>(b, at + 8), method = get<uint16_t>(b, at + 10);
    Entry e;
    e.crc = get<uint32_t>(b, at + 16);
    uint64_t packed = get<uint32_t>(b, at + 20), full = get<uint32_t>(b, at + 24), local = get<uint32_t>(b, at + 42);
    size_t name_size = get<uint16_t>(b, at + 28), extra_size = get<uint16_t>(b, at + 30),
           comment_size = get<uint16_t>(b, at + 32);
    RL_ZIP(start + size - at >= 46 + name_size + extra_size + comment_size, "directory entry ", i, " of ", count,
           " runs past the directory");
    std::string entry(reinterpret_cast<const char*>(b.data()) + at + 46, name_size);
    for (size_t x = at + 46 + name_size, stop = x + extra_size; x + 4 <= stop;) {
      size_t id = get<uint16_t>(b, x), length = get<uint16_t>(b, x + 2), field = x + 4;
      RL_ZIP(length <= stop - field, "entry '", entry, "' has a damaged extra field");
      if (id == 1) {
        size_t field_end = field + length;
        for (uint64_t* v : {&full, &packed, &local}) {
          if (*v != 0xFFFFFFFFu) continue;
          RL_ZIP(field + 8 <= field_end, "entry '", entry, "' has a damaged zip64 field");
          *v = get<uint64_t>(b, field);
          field += 8;
        }
      }
      x += 4 + length;
    }
    at += 46 + name_size + extra_size + comment_size;
    RL_ZIP(safe_name(entry), "entry name '", printable(entry), "' leaves the archive");
    if (entry.back() == '/') continue;
    RL_ZIP(!(flags & 1), "entry '", entry, "' is encrypted");
    RL_ZIP(method == 0 || method == 8, "entry '", entry, "' is compressed by method ", method,
           "; only stored and deflated ones are read");
    RL_ZIP(method == 8 || packed == full, "stored entry '", entry, "' has two sizes: ", packed, " and ", full);
    RL_ZIP(local <= b.size() && b.size() - local >= 30 && get<uint32_t>(b, local) == kLocal, "entry '", entry,
           "' does not begin at byte ", local, " as the directory says");
    uint64_t data = local + 30 + get<uint16_t>(b, local + 26) + get<uint16_t>(b, local + 28);
    RL_ZIP(data <= start && packed <= start - data, "entry '", entry, "' of ", packed,
           " bytes runs into the directory; the file is damaged");
    if (method == 8) {
      inflated = full > most_inflated - inflated ? most_inflated + 1 : inflated + full;
      RL_ZIP(inflated <= most_inflated, "its compressed entries claim to unfold to more than ", most_inflated >> 20,
             " MiB; refused as a zip bomb");
    }
    e.offset = data;
    e.packed = packed;
    e.size = full;
    e.deflated = method == 8;
    extents.emplace_back(local, data + packed);
    RL_ZIP(entries_.emplace(entry, e).second, "two entries are named '", entry, "'");
  }
  std::sort(extents.begin(), extents.end());
  for (size_t i = 1; i < extents.size(); i++)
    RL_ZIP(extents[i].first >= extents[i - 1].second, "entries overlap at byte ", extents[i].first);

  if (!entries_.empty()) {
    std::string first = entries_.begin()->first;
    root_ = first.substr(0, first.find('/') + 1);
    for (const auto& [n, e] : entries_)
      if (!n.starts_with(root_)) root_.clear();
  }
#undef RL_ZIP
}

Bytes ZipReader::read_for_parser(const std::string& entry) const {
  auto found = entries_.find(entry);
  size_t most = std::max(kAlwaysParsed, kMostParsed * bytes_.data.size());
  RL_CHECK(FileError, found == entries_.end() || found->second.size <= most, "load '", name_, "': entry '", entry,
           "' claims to unfold to ", found->second.size >> 20, " MiB, more than ", kMostParsed,
           " times the file; refused as a zip bomb");
  return read(entry);
}

template <class F> void ZipReader::check_crc(const std::string& entry, const Entry& e, F&& crc) const {
  // PyTorch writes 0 where it was told not to compute one, or not to write the data.
  RL_CHECK(FileError, e.crc == 0 || crc() == e.crc, "load '", name_, "': entry '", entry,
           "' does not match its checksum; the file is damaged");
}

Bytes ZipReader::read(const std::string& entry, bool checked) const {
  auto found = entries_.find(entry);
  RL_CHECK(FileError, found != entries_.end(), "load '", name_, "': there is no entry '", entry, "'");
  const Entry& e = found->second;
  const uint8_t* packed = bytes_.data.data() + e.offset;
  Bytes out = {{packed, e.size}, bytes_.owner};
  if (e.deflated) {
    std::vector<uint8_t> full(std::max<size_t>(e.size, 1));  // zlib wants an address even for no bytes
    z_stream z = {};
    RL_CHECK(OutOfMemory, inflateInit2(&z, -MAX_WBITS) == Z_OK, "zlib: out of memory");
    z.next_in = const_cast<Bytef*>(packed);
    z.next_out = full.data();
    size_t in_left = e.packed, out_left = e.size;
    int status = Z_OK;
    while (status == Z_OK) {
      z.avail_in = uInt(std::min<size_t>(in_left, 1u << 30));
      z.avail_out = uInt(std::min<size_t>(out_left, 1u << 30));
      size_t gave = z.avail_in, room = z.avail_out;
      status = inflate(&z, Z_NO_FLUSH);
      in_left -= gave - z.avail_in;
      out_left -= room - z.avail_out;
      if (status == Z_OK && gave == z.avail_in && room == z.avail_out) status = Z_DATA_ERROR;
    }
    inflateEnd(&z);
    RL_CHECK(FileError, status == Z_STREAM_END && out_left == 0, "load '", name_, "': entry '", entry,
             "' does not unfold to the ", e.size, " bytes it claims; the file is damaged");
    full.resize(e.size);
    out = own_bytes(std::move(full));
  }
  if (checked) check_crc(entry, e, [&] { return crc32_of(out.data.data(), out.data.size()); });
  return out;
}

void ZipReader::read_into(const std::string& entry, void* to, size_t most) const {
  auto found = entries_.find(entry);
  if (found == entries_.end() || found->second.deflated || found->second.size > most) {
    Bytes bytes = read(entry);
    if (most) std::memcpy(to, bytes.data.data(), std::min(most, bytes.data.size()));
    return;
  }
  // A piece after the other, so that what was copied is still in the cache when its checksum is taken.
  const Entry& e = found->second;
  const uint8_t* from = bytes_.data.data() + e.offset;
  uint32_t crc = 0;
  for (size_t at = 0; at < e.size;) {
    size_t n = std::min<size_t>(e.size - at, size_t(256) << 10);
    uint8_t* piece = static_cast<uint8_t*>(to) + at;
    std::memcpy(piece, from + at, n);
    if (e.crc) crc = crc32_of(piece, n, crc);
    at += n;
  }
  check_crc(entry, e, [&] { return crc; });
}

std::vector<std::string> ZipReader::names() const {
  std::vector<std::string> out;
  for (const auto& [n, e] : entries_) out.push_back(n);
  return out;
}

void ZipWriter::write(const std::string& bytes) {
  sink_(bytes.data(), bytes.size());
  at_ += bytes.size();
}

void ZipWriter::add(const std::string& name, const void* data, size_t size) {
  Entry e{name, at_, size, with_crc && data ? crc32_of(data, size) : 0};
  bool wide = size >= 0xFFFFFFFFu;
  std::string zip64;
  if (wide) {
    put(zip64, 1, 2);
    put(zip64, 16, 2);
    put(zip64, size, 8);
    put(zip64, size, 8);
  }
  // An extra field "FB" of the size that brings the data to a multiple of 64.
  size_t before = at_ + 30 + name.size() + zip64.size() + 4;
  size_t pad = (kAlignment - before % kAlignment) % kAlignment;
  std::string head;
  put(head, kLocal, 4);
  put(head, wide ? 45 : 0, 2);
  put(head, 0x0800, 2);  // names are UTF-8
  put(head, 0, 2);
  put(head, 0, 2);
  put(head, 0, 2);
  put(head, e.crc, 4);
  put(head, wide ? 0xFFFFFFFFu : size, 4);
  put(head, wide ? 0xFFFFFFFFu : size, 4);
  put(head, name.size(), 2);
  put(head, zip64.size() + 4 + pad, 2);
  head += name + zip64 + "FB";
  put(head, pad, 2);
  head += std::string(pad, 'Z');
  write(head);
  if (data || size == 0) {
    sink_(data, size);
  } else {
    std::vector<char> nothing(std::min<size_t>(size, size_t(1) << 20));
    for (size_t left = size; left;) {
      size_t n = std::min(left, nothing.size());
      sink_(nothing.data(), n);
      left -= n;
    }
  }
  at_ += size;
  entries_.push_back(std::move(e));
}

void ZipWriter::finish() {
  size_t start = at_;
  for (const Entry& e : entries_) {
    bool wide = e.size >= 0xFFFFFFFFu || e.offset >= 0xFFFFFFFFu;
    std::string zip64;
    if (wide) {
      put(zip64, 1, 2);
      put(zip64, 24, 2);
      put(zip64, e.size, 8);
      put(zip64, e.size, 8);
      put(zip64, e.offset, 8);
    }
    std::string out;
    put(out, kCentral, 4);
    put(out, wide ? 45 : 0, 2);
    put(out, wide ? 45 : 0, 2);
    put(out, 0x0800, 2);
    put(out, 0, 2);
    put(out, 0, 4);
    put(out, e.crc, 4);
    put(out, wide ? 0xFFFFFFFFu : e.size, 4);
    put(out, wide ? 0xFFFFFFFFu : e.size, 4);
    put(out, e.name.size(), 2);
    put(out, zip64.size(), 2);
    put(out, 0, 8);
    put(out, 0, 2);
    put(out, wide ? 0xFFFFFFFFu : e.offset, 4);
    write(out + e.name + zip64);
  }
  size_t size = at_ - start, count = entries_.size();
  std::string out;
  if (count >= 0xFFFF || start >= 0xFFFFFFFFu || size >= 0xFFFFFFFFu) {
    size_t end64 = at_;
    put(out, kEnd64, 4);
    put(out, 44, 8);
    put(out, 45, 2);
    put(out, 45, 2);
    put(out, 0, 8);
    put(out, count, 8);
    put(out, count, 8);
    put(out, size, 8);
    put(out, start, 8);
    put(out, kLocator64, 4);
    put(out, 0, 4);
    put(out, end64, 8);
    put(out, 1, 4);
  }
  put(out, kEnd, 4);
  put(out, 0, 4);
  put(out, std::min<size_t>(count, 0xFFFF), 2);
  put(out, std::min<size_t>(count, 0xFFFF), 2);
  put(out, std::min<size_t>(size, 0xFFFFFFFFu), 4);
  put(out, std::min<size_t>(start, 0xFFFFFFFFu), 4);
  put(out, 0, 2);
  write(out);
}

}  // namespace rushlight::io
