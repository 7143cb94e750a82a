// The binary form of messages: protobuf's wire format, proto2, by the codec of rushlight/io/protobuf.h.
#include <bit>
#include <cstring>
#include <utility>

#include "rushlight/caffe2/message.h"
#include "rushlight/io/protobuf.h"

namespace rushlight::caffe2 {

namespace wire = io::wire;

namespace {

wire::Type type_of(const FieldType& f) {
  return f.is_whole()                  ? wire::Type::Varint
         : f.kind == FieldKind::Float  ? wire::Type::Fixed32
         : f.kind == FieldKind::Double ? wire::Type::Fixed64
                                       : wire::Type::Bytes;
}

int64_t whole(const FieldType& f, uint64_t v) {
  switch (f.kind) {
    case FieldKind::Bool: return v != 0;
    case FieldKind::Uint32: return int64_t(uint32_t(v));
    case FieldKind::Int32:
    case FieldKind::Enum: return int32_t(uint32_t(v));
    default: return int64_t(v);
  }
}
double real(const FieldType& f, uint64_t v) {
  return f.kind == FieldKind::Float ? double(std::bit_cast<float>(uint32_t(v))) : std::bit_cast<double>(v);
}

void read(wire::Reader r, Message& m, std::string& unknown) {
  const MessageType& t = m.type();
  wire::Input& input = r.input();
  size_t held = 0;
  for (wire::Field f;;) {
    const size_t begin = r.offset();
    if (m.held() > held) input.take(m.held() - std::exchange(held, m.held()), begin);
    if (!r.next(f)) return;
    int i = t.find_number(int(f.number));
    const FieldType* type = i >= 0 ? &t.fields[size_t(i)] : nullptr;
    bool packed = type && type->repeated && f.is_bytes() && type_of(*type) != wire::Type::Bytes;
    if (!type || (f.type != type_of(*type) && !packed)) {
      input.take(r.offset() - begin, f.offset);
      unknown.append(input.begin + begin, r.offset() - begin);
    } else if (type->kind == FieldKind::Message) {
      MessageRef child = type->repeated ? m.add(type->name) : m.child(i);
      child->touch();
      wire::Reader inner = r.message(f);
      child->merge_wire([&](Message& c, std::string& rest) { read(inner, c, rest); });
    } else if (type->is_text()) {
      input.take(f.bytes.size() + sizeof(std::string), f.offset);
      if (type->repeated) m.add(type->name, std::string(f.bytes));
      else m.set_value(i, std::string(f.bytes));
    } else if (!type->repeated) {
      if (type->is_real()) m.set_value(i, real(*type, f.number_value));
      else m.set_value(i, whole(*type, f.number_value));
    } else {
      auto all = [&](auto& list, auto&& value) {
        r.numbers(f, type_of(*type), [&](uint64_t v) {
          if (list.size() == list.capacity()) input.take(sizeof(list[0]) * (list.size() + 1), f.offset);
          list.push_back(value(v));
        });
      };
      if (type->kind == FieldKind::Float)
        all(m.mutable_floats(type->name), [](uint64_t v) { return std::bit_cast<float>(uint32_t(v)); });
      else if (type->kind == FieldKind::Double)
        all(m.mutable_doubles(type->name), [](uint64_t v) { return std::bit_cast<double>(v); });
      else all(m.mutable_wholes(type->name), [&](uint64_t v) { return whole(*type, v); });
    }
  }
}

template <class T>
void put(wire::Writer& w, const FieldType& f, const T& v) {
  auto number = uint32_t(f.number);
  if constexpr (std::is_same_v<T, int64_t>) w.varint(number, uint64_t(v));
  else if constexpr (std::is_floating_point_v<T>) {
    if (f.kind == FieldKind::Float) w.fixed32(number, std::bit_cast<uint32_t>(float(v)));
    else w.fixed64(number, std::bit_cast<uint64_t>(double(v)));
  } else if constexpr (std::is_same_v<T, std::string>) {
    w.bytes(number, v);
  } else {
    w.bytes(number, v->serialize());
  }
}

template <class T>
void put_packed(wire::Writer& w, const FieldType& f, const std::vector<T>& all) {
  wire::Writer inner;
  for (T v : all) {
    if constexpr (std::is_same_v<T, int64_t>) inner.raw_varint(uint64_t(v));
    else if constexpr (std::is_same_v<T, float>) inner.little_endian(std::bit_cast<uint32_t>(v), 4);
    else inner.little_endian(std::bit_cast<uint64_t>(v), 8);
  }
  w.bytes(uint32_t(f.number), inner.out);
}

}  // namespace

void Message::merge_binary(std::string_view bytes, const std::string& where) {
  touch();
  wire::Input input(bytes, where);
  read(wire::Reader(bytes, input), *this, unknown_);
}

void Message::parse(std::string_view bytes, const std::string& where) {
  clear();
  merge_binary(bytes, where);
  std::string gone = missing();
  RL_CHECK(FileError, gone.empty(), where, ": a ", type_.name, " without its required fields ", gone);
}

std::string Message::serialize() const {
  wire::Writer w;
  for (size_t i = 0; i < slots_.size(); i++) {
    const FieldType& f = type_.fields[i];
    if (!f.repeated && !slots_[i].set) continue;
    std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::monostate>) {
          } else if constexpr (std::is_same_v<T, std::vector<int64_t>> || std::is_same_v<T, std::vector<float>> ||
                               std::is_same_v<T, std::vector<double>>) {
            if (!f.packed) {
              for (auto item : v) put(w, f, item);
            } else if (!v.empty()) {
              put_packed(w, f, v);
            }
          } else if constexpr (requires { v.begin(); } && !std::is_same_v<T, std::string>) {
            for (const auto& item : v) put(w, f, item);
          } else {
            put(w, f, v);
          }
        },
        slots_[i].value);
  }
  w.out += unknown_;
  return std::move(w.out);
}

}  // namespace rushlight::caffe2
