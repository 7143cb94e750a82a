#include "rushlight/data/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "rushlight/core/error.h"

namespace rushlight::data {

bool looks_like_gzip(std::span<const uint8_t> b) { return b.size() >= 3 && b[0] == 0x1F && b[1] == 0x8B && b[2] == 8; }

io::Bytes gunzip(std::span<const uint8_t> bytes, size_t most, const std::string& where) {
  struct Stream : z_stream {
    Stream() : z_stream{} { RL_CHECK(OutOfMemory, inflateInit2(this, 16 + MAX_WBITS) == Z_OK, "zlib gets no memory"); }
    ~Stream() { inflateEnd(this); }
  } z;
  std::vector<uint8_t> out;
  size_t used = 0, made = 0;
  for (int status = Z_OK; made < most;) {
    if (status == Z_STREAM_END) {  // several files, one behind the other, count as one
      if (used == bytes.size() || !looks_like_gzip(bytes.subspan(used))) break;
      inflateReset(&z);
    }
    // Memory grows with what is there, not with what is claimed.
    if (made == out.size()) out.resize(std::min(most, std::max<size_t>(out.size() * 2, 1 << 16)));
    const size_t room = std::min<size_t>(out.size() - made, 1 << 30),
                 left = std::min<size_t>(bytes.size() - used, 1 << 30);
    z.next_in = const_cast<Bytef*>(bytes.data() + used);
    z.avail_in = uInt(left);
    z.next_out = out.data() + made;
    z.avail_out = uInt(room);
    status = inflate(&z, Z_NO_FLUSH);
    used += left - z.avail_in;
    made += room - z.avail_out;
    RL_CHECK(FileError, status != Z_BUF_ERROR && (status != Z_OK || z.avail_in || used < bytes.size() || !z.avail_out),
             where, ": the file ends at byte ", bytes.size(), " inside of its compressed data; it is cut short");
    RL_CHECK(FileError, status == Z_OK || status == Z_STREAM_END, where, ": damaged gzip data at byte ", used,
             z.msg ? str(" (", z.msg, ")") : "");
  }
  out.resize(made);
  return io::own_bytes(std::move(out));
}

}  // namespace rushlight::data
