#include "rushlight/io/protobuf.h"

namespace rushlight::io::wire {

const char* name_of(Type t) {
  switch (t) {
    case Type::Varint: return "a varint";
    case Type::Fixed64: return "8 bytes";
    case Type::Bytes: return "bytes";
    case Type::Group: return "a group";
    case Type::EndGroup: return "the end of a group";
    case Type::Fixed32: return "4 bytes";
  }
  return "nothing";
}

uint64_t Reader::varint() {
  uint64_t v = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) input_->fail(offset(), "a number is cut short");
    auto byte = static_cast<unsigned char>(*at_++);
    v |= shift < 64 ? uint64_t(byte & 0x7f) << shift : 0;
    if (byte < 0x80) {
      if (shift == 63 && byte > 1) break;
      return v;
    }
  }
  input_->fail(offset(), "a number of more than 64 bits");
}

uint64_t Reader::fixed(int bytes) {
  if (end_ - at_ < bytes) input_->fail(offset(), "a number is cut short");
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++) v |= uint64_t(static_cast<unsigned char>(at_[i])) << (8 * i);
  at_ += bytes;
  return v;
}

// One field; of a group only its beginning.
bool Reader::field(Field& f) {
  if (at_ == end_) return false;
  f.offset = offset();
  uint64_t tag = varint(), number = tag >> 3;
  if (number == 0 || number >= 1u << 29) input_->fail(f.offset, str("no field has the number ", number));
  f.number = uint32_t(number);
  f.type = Type(tag & 7);
  f.bytes = {};
  switch (f.type) {
    case Type::Varint: f.number_value = varint(); return true;
    case Type::Fixed64: f.number_value = fixed(8); return true;
    case Type::Fixed32: f.number_value = fixed(4); return true;
    case Type::Bytes: {
      uint64_t size = varint(), left = uint64_t(end_ - at_);
      if (size > left)
        fail(f, str("it says ", size, " bytes, and ", left, " are left; the file is damaged or cut short"));
      f.bytes = {at_, size_t(size)};
      at_ += size;
      return true;
    }
    case Type::Group:
    case Type::EndGroup: return true;
  }
  fail(f, str("the wire type ", tag & 7, " doesn't exist"));
}

bool Reader::next(Field& f) {
  if (!field(f)) return false;
  if (f.type == Type::EndGroup) fail(f, "a group ends that did not begin");
  if (f.type != Type::Group) return true;
  // Groups in it are passed over without recursion; each must end with its own number.
  const char* begin = at_;
  std::vector<uint32_t> open{f.number};
  for (Field inner;;) {
    const char* before = at_;
    if (!field(inner)) fail(f, "a group without an end");
    if (inner.type == Type::Group) {
      open.push_back(inner.number);
      if (int(open.size()) + depth_ > kMaxDepth) fail(inner, str("groups nest more than ", kMaxDepth, " deep"));
    } else if (inner.type == Type::EndGroup) {
      if (inner.number != open.back()) fail(inner, str("it ends a group, and the open one is ", open.back()));
      open.pop_back();
      if (!open.empty()) continue;
      f.bytes = {begin, size_t(before - begin)};
      return true;
    }
  }
}

Reader Reader::message(const Field& f) const {
  if (f.type != Type::Bytes && f.type != Type::Group) wrong_type(f, Type::Bytes);
  return Reader(f.bytes, *input_, depth_ + 1);
}

}  // namespace rushlight::io::wire
