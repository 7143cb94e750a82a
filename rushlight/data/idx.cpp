#include <cstring>

#include "rushlight/data/gzip.h"
#include "rushlight/data/sets.h"
#include "rushlight/data/swap.h"

namespace rushlight::data {
namespace {

struct Header {
  IdxInfo info;
  size_t bytes, data;  // of the header, of what follows
};

Header read_header(std::span<const uint8_t> b, const std::string& where) {
  RL_CHECK(FileError, b.size() >= 4 && b[0] == 0 && b[1] == 0, where,
           ": no IDX file: it doesn't begin with two bytes of 0");
  Header h;
  switch (b[2]) {
    case 0x08: h.info.dtype = DType::UInt8; break;
    case 0x09: h.info.dtype = DType::Int8; break;
    case 0x0B: h.info.dtype = DType::Int16; break;
    case 0x0C: h.info.dtype = DType::Int32; break;
    case 0x0D: h.info.dtype = DType::Float32; break;
    case 0x0E: h.info.dtype = DType::Float64; break;
    default: throw FileError(str(where, ": no IDX file: the type at byte 2 is ", unsigned(b[2])));
  }
  const size_t dims = b[3];
  RL_CHECK(FileError, dims >= 1 && dims <= 8, where, ": ", dims, " dimensions at byte 3, expected 1 to 8");
  h.bytes = 4 + 4 * dims;
  RL_CHECK(FileError, b.size() >= h.bytes, where, ": the file ends at byte ", b.size(), " inside of its header");
  for (size_t i = 0; i < dims; i++) h.info.sizes.push_back(big_u32(b.data() + 4 + 4 * i));
  int64_t n, total;
  RL_CHECK(FileError, try_product(h.info.sizes, n) && !__builtin_mul_overflow(n, item_size(h.info.dtype), &total),
           where, ": sizes that no file has: ", h.info.sizes);
  h.data = size_t(total);
  return h;
}

}  // namespace

bool looks_like_idx(std::span<const uint8_t> b) {
  return b.size() >= 8 && b[0] == 0 && b[1] == 0 && (b[2] == 8 || b[2] == 9 || (b[2] >= 0xB && b[2] <= 0xE)) &&
         b[3] >= 1 && b[3] <= 8;
}

IdxInfo idx_info(std::span<const uint8_t> bytes, const std::string& where) {
  io::Bytes front;
  if (looks_like_gzip(bytes)) {
    front = gunzip(bytes, 36, where);
    bytes = front.data;
  }
  return read_header(bytes, where).info;
}

Tensor read_idx(std::span<const uint8_t> bytes, const std::string& where) {
  io::Bytes all;
  if (looks_like_gzip(bytes)) {
    const Header h = read_header(gunzip(bytes, 36, where).data, where);
    // Deflate makes 1032 bytes of one at best.
    RL_CHECK(FileError, h.data / 1032 <= bytes.size(), where, ": ", bytes.size(), " compressed bytes can't hold ",
             h.info.sizes, "; the file is cut short or made to harm");
    all = gunzip(bytes, h.bytes + h.data, where);
    bytes = all.data;
  }
  const Header h = read_header(bytes, where);
  RL_CHECK(FileError, bytes.size() - h.bytes >= h.data, where, ": sizes ", h.info.sizes, " take ", h.data,
           " bytes, but ", bytes.size() - h.bytes, " follow the header; the file is cut short");
  Tensor out = empty_tensor(h.info.sizes, h.info.dtype);
  if (h.data) std::memcpy(out.raw(), bytes.data() + h.bytes, h.data);
  if (std::endian::native == std::endian::little) swap_items(out.raw(), size_t(out.numel()), size_t(out.item_size()));
  return out;
}

}  // namespace rushlight::data
