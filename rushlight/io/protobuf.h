// Protocol buffers: their wire format, read and written by ourselves. Specification: protobuf.dev/programming-guides/encoding. Nothing of
// what .proto files say is known here: a message is a struct whose members stand in a table,
//
//   struct Node {
//     std::vector<std::string_view> inputs;
//     std::string_view op;
//     static constexpr auto fields() { return std::tuple(wire::field(1, &Node::inputs), wire::field(4, &Node::op)); }
//   };
//   Node n = wire::parse<Node>(bytes, "load 'm.onnx'");   // its texts lie in `bytes`
//   std::string out = wire::serialize(n);
//
// or is gone through by hand with Reader and Writer. Bytes may be hostile: lengths are checked before they are used, messages and groups
// nest 100 deep at most, and what a table's structs take is limited by the size of the input. Damage is a FileError with its offset.
#pragma once
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "rushlight/core/error.h"

namespace rushlight::io::wire {

constexpr int kMaxDepth = 100;

enum class Type : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Group = 3, EndGroup = 4, Fixed32 = 5 };
const char* name_of(Type t);

// A field as it stands there. Which of its views is meant, the reader's caller knows.
struct Field {
  uint32_t number = 0;
  Type type = Type::Varint;
  uint64_t number_value = 0;  // of Varint, Fixed64 and Fixed32
  std::string_view bytes;     // of Bytes; of Group: what stands between its ends
  size_t offset = 0;          // of the field, from the start of the whole input

  bool is_bytes() const { return type == Type::Bytes; }
  int64_t as_int() const { return int64_t(number_value); }
  // sint32, sint64.
  int64_t as_zigzag() const { return int64_t(number_value >> 1) ^ -int64_t(number_value & 1); }
  float as_float() const { return std::bit_cast<float>(uint32_t(number_value)); }
  double as_double() const { return std::bit_cast<double>(number_value); }
};

// What all messages of one input share: its name in errors, where it begins, and the memory that may yet be taken for it.
struct Input {
  Input(std::string_view bytes, std::string where)
      : where(std::move(where)), begin(bytes.data()), memory(bytes.size() * 3 + (32u << 20)) {}
  std::string where;  // "load 'm.onnx'"
  const char* begin;
  size_t memory;
  [[noreturn]] void fail(size_t offset, const std::string& what) const {
    throw FileError(str(where, ": damaged at byte ", offset, ": ", what));
  }
  void take(size_t bytes, size_t offset) {
    if (bytes > memory) fail(offset, "it asks for far more memory than it has bytes");
    memory -= bytes;
  }
};

// The fields of one message, in order. The bytes and `input` outlive it.
class Reader {
 public:
  Reader(std::string_view bytes, Input& input, int depth = 0)
      : at_(bytes.data()), end_(at_ + bytes.size()), input_(&input), depth_(depth) {
    if (depth > kMaxDepth) input.fail(offset(), str("messages nest more than ", kMaxDepth, " deep"));
  }
  // False at the end. Throws FileError where the bytes are no field.
  bool next(Field& f);
  // The message in a field. Throws where the field is none.
  Reader message(const Field& f) const;
  // Calls take(value) for each number of a repeated field, packed or not; `as`: how one is written.
  template <class F> void numbers(const Field& f, Type as, F&& take) const;

  Input& input() const { return *input_; }
  int depth() const { return depth_; }
  size_t offset() const { return size_t(at_ - input_->begin); }
  [[noreturn]] void fail(const Field& f, const std::string& what) const {
    input_->fail(f.offset, str("field ", f.number, ": ", what));
  }
  [[noreturn]] void wrong_type(const Field& f, Type expected) const {
    fail(f, str("expected ", name_of(expected), ", got ", name_of(f.type)));
  }

 private:
  uint64_t varint();
  uint64_t fixed(int bytes);
  bool field(Field& f);
  const char *at_, *end_;
  Input* input_;
  int depth_;
};

class Writer {
 public:
  void varint(uint32_t number, uint64_t v) { tag(number, Type::Varint), raw_varint(v); }
  void fixed32(uint32_t number, uint32_t v) { tag(number, Type::Fixed32), little_endian(v, 4); }
  void fixed64(uint32_t number, uint64_t v) { tag(number, Type::Fixed64), little_endian(v, 8); }
  void bytes(uint32_t number, std::string_view v) { tag(number, Type::Bytes), raw_varint(v.size()), out += v; }
  void begin_group(uint32_t number) { tag(number, Type::Group); }
  void end_group(uint32_t number) { tag(number, Type::EndGroup); }
  // A message whose fields `write` writes here.
  template <class F> void message(uint32_t number, F&& write) {
    Writer inner;
    write(inner);
    bytes(number, inner.out);
  }
  void raw_varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) out += char(v | 0x80);
    out += char(v);
  }
  void little_endian(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) out += char(v >> (8 * i));
  }
  static uint64_t zigzag(int64_t v) { return uint64_t(v) << 1 ^ uint64_t(v >> 63); }
  std::string out;

 private:
  void tag(uint32_t number, Type t) { raw_varint(uint64_t(number) << 3 | uint64_t(t)); }
};

template <class F> void Reader::numbers(const Field& f, Type as, F&& take) const {
  if (f.type == as) return take(f.number_value);
  if (!f.is_bytes()) wrong_type(f, as);
  Reader packed(f.bytes, *input_, depth_);
  while (packed.at_ != packed.end_)
    take(as == Type::Varint ? packed.varint() : packed.fixed(as == Type::Fixed64 ? 8 : 4));
}

// ---- messages as structs ---------------------------------------------------------------------------------------------
//
// Members: bool, integers and enums (varints), float (fixed 32), double (fixed 64), std::string_view or std::string, a message; a
// std::optional of these, which tells a field that is absent from one that is 0; a std::vector of these for a repeated field, whose numbers are
// read packed or not and written as `packed` says; a std::unique_ptr of a message for one that may hold itself.
// A std::vector<std::string_view> named by unknown() gets the fields that no table names, and is written as it is.

template <class M, class T> struct Member {
  uint32_t number;
  T M::* member;
  bool packed;
};
template <class M, class T> constexpr Member<M, T> field(uint32_t number, T M::* member, bool packed = false) {
  return {number, member, packed};
}

template <class T> inline constexpr bool is_text =
    std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;
template <class T> inline constexpr bool is_number = std::is_arithmetic_v<T> || std::is_enum_v<T>;
template <class T> constexpr Type type_of_number() {
  return std::is_same_v<T, float> ? Type::Fixed32 : std::is_same_v<T, double> ? Type::Fixed64 : Type::Varint;
}
template <class T> T number_of(uint64_t v) {
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<float>(uint32_t(v));
  else if constexpr (std::is_same_v<T, double>) return std::bit_cast<double>(v);
  else if constexpr (std::is_same_v<T, bool>) return v != 0;
  else return static_cast<T>(v);
}

template <class M> void read(Reader r, M& into);

template <class T> void read_member(const Reader& r, const Field& f, T& into) {
  if constexpr (is_number<T>) {
    if (f.type != type_of_number<T>()) r.wrong_type(f, type_of_number<T>());
    into = number_of<T>(f.number_value);
  } else if constexpr (is_text<T>) {
    if (!f.is_bytes()) r.wrong_type(f, Type::Bytes);
    if constexpr (std::is_same_v<T, std::string>) r.input().take(f.bytes.size(), f.offset);
    into = T(f.bytes);
  } else {
    read(r.message(f), into);
  }
}
template <class T> void read_member(const Reader& r, const Field& f, std::optional<T>& into) {
  if (!into) into.emplace();
  read_member(r, f, *into);
}
template <class T> void read_member(const Reader& r, const Field& f, std::unique_ptr<T>& into) {
  if (!into) {
    r.input().take(sizeof(T), f.offset);
    into = std::make_unique<T>();
  }
  read_member(r, f, *into);
}
template <class T> void read_member(const Reader& r, const Field& f, std::vector<T>& into) {
  // A vector that grows holds its items twice while it does.
  auto add = [&](T v) {
    r.input().take(2 * sizeof(T), f.offset);
    into.push_back(std::move(v));
  };
  if constexpr (is_number<T>) {
    r.numbers(f, type_of_number<T>(), [&](uint64_t v) { add(number_of<T>(v)); });
  } else {
    T item{};
    read_member(r, f, item);
    add(std::move(item));
  }
}

// Fields that come twice: the later number or text counts, messages are joined, as the specification says.
template <class M> void read(Reader r, M& into) {
  for (Field f;;) {
    const size_t begin = r.offset();
    if (!r.next(f)) return;
    bool known = std::apply(
        [&](const auto&... m) {
          return ((m.number == f.number && (read_member(r, f, into.*(m.member)), true)) || ...);
        },
        M::fields());
    if constexpr (requires { into.unknown(); })
      if (!known) {
        r.input().take(2 * sizeof(std::string_view), f.offset);
        into.unknown().emplace_back(r.input().begin + begin, r.offset() - begin);
      }
    (void)known, (void)begin;
  }
}
// `where` begins the texts of errors. Throws FileError.
template <class M> M parse(std::string_view bytes, std::string where) {
  Input input(bytes, std::move(where));
  M out{};
  read(Reader(bytes, input), out);
  return out;
}

template <class M> void write(Writer& w, const M& m);

template <class T> void write_member(Writer& w, uint32_t number, const T& v) {
  if constexpr (std::is_same_v<T, float>) w.fixed32(number, std::bit_cast<uint32_t>(v));
  else if constexpr (std::is_same_v<T, double>) w.fixed64(number, std::bit_cast<uint64_t>(v));
  else if constexpr (is_number<T>) w.varint(number, uint64_t(int64_t(v)));
  else if constexpr (is_text<T>) w.bytes(number, v);
  else w.message(number, [&](Writer& inner) { write(inner, v); });
}
template <class T> void write_field(Writer& w, uint32_t number, bool, const T& v) {
  // A message that is there always is written; of the others what isn't their default.
  if constexpr (is_number<T>) {
    if (v != T{}) write_member(w, number, v);
  } else if constexpr (is_text<T>) {
    if (!v.empty()) write_member(w, number, v);
  } else {
    write_member(w, number, v);
  }
}
template <class T> void write_field(Writer& w, uint32_t number, bool, const std::optional<T>& v) {
  if (v) write_member(w, number, *v);
}
template <class T> void write_field(Writer& w, uint32_t number, bool, const std::unique_ptr<T>& v) {
  if (v) write_member(w, number, *v);
}
template <class T> void write_field(Writer& w, uint32_t number, bool packed, const std::vector<T>& all) {
  if constexpr (is_number<T>)
    if (packed) {
      Writer inner;
      for (T v : all) {
        if constexpr (type_of_number<T>() == Type::Varint) inner.raw_varint(uint64_t(int64_t(v)));
        else if constexpr (std::is_same_v<T, float>) inner.little_endian(std::bit_cast<uint32_t>(v), 4);
        else inner.little_endian(std::bit_cast<uint64_t>(v), 8);
      }
      if (!all.empty()) w.bytes(number, inner.out);
      return;
    }
  for (const auto& v : all) write_member<T>(w, number, v);
}
template <class M> void write(Writer& w, const M& m) {
  std::apply([&](const auto&... f) { (write_field(w, f.number, f.packed, m.*(f.member)), ...); }, M::fields());
  if constexpr (requires { m.unknown(); })
    for (std::string_view field : m.unknown()) w.out += field;
}
template <class M> std::string serialize(const M& m) {
  Writer w;
  write(w, m);
  return std::move(w.out);
}

}  // namespace rushlight::io::wire
