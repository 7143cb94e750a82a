// Messages of the Caffe2 formats: NetDef, OperatorDef, TensorProto, MetaNetDef, ... as values that know their fields.
//
//   MessageRef net = make_message("NetDef");
//   net->parse(bytes, "predict_net.pb");
//   for (const MessageRef& op : net->messages("op")) use(op->text("type"));
//
// The table of messages is `schema.cpp`; binary and text form, comparison, Python's classes and C++'s accessors all go by it. Fields that
// the table does not have are kept in binary form and written again.
// Thread safety: const functions of one message may run at once.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "rushlight/core/error.h"
#include "rushlight/core/ref.h"

namespace rushlight::caffe2 {

struct MessageType;
class Message;
using MessageRef = Ref<Message>;

struct EnumType {
  std::string name;  // "TensorProto.DataType"
  std::vector<std::pair<std::string, int64_t>> values;
  const std::string* name_of(int64_t number) const;
  const int64_t* number_of(std::string_view name) const;
};

enum class FieldKind : uint8_t { Int32, Int64, Uint32, Bool, Enum, Float, Double, String, Bytes, Message };

struct FieldType {
  int number = 0;
  std::string name;
  FieldKind kind = FieldKind::Int64;
  bool repeated = false, required = false, packed = false;
  const MessageType* message = nullptr;
  const EnumType* enums = nullptr;
  bool has_default = false;
  int64_t int_default = 0;
  std::string text_default;
  bool is_whole() const { return kind <= FieldKind::Enum; }
  bool is_real() const { return kind == FieldKind::Float || kind == FieldKind::Double; }
  bool is_text() const { return kind == FieldKind::String || kind == FieldKind::Bytes; }
};

struct MessageType {
  std::string name;  // "OperatorDef", "TensorProto.Segment"
  std::vector<FieldType> fields;
  std::vector<const EnumType*> enums;  // those that belong to it
  // -1 if there is none.
  int find(std::string_view field) const;
  int find_number(int number) const;
};

const std::vector<const MessageType*>& message_types();
const std::vector<const EnumType*>& enum_types();
// Throws KeyError.
const MessageType& message_type(std::string_view name);

class Message final : public RefCounted {
 public:
  using Value =
      std::variant<std::monostate, int64_t, double, std::string, MessageRef, std::vector<int64_t>, std::vector<float>,
                   std::vector<double>, std::vector<std::string>, std::vector<MessageRef>>;
  explicit Message(const MessageType& type);
  ~Message() override;
  Message(const Message&) = delete;

  const MessageType& type() const { return type_; }
  bool is(std::string_view name) const { return type_.name == name; }

  // ---- by the field's name; KeyError for one that the message lacks, TypeError for one of another kind. A field that is not set reads
  // as its default.
  bool has(std::string_view field) const { return has(index(field)); }
  int64_t whole(std::string_view field) const;
  double real(std::string_view field) const;
  const std::string& text(std::string_view field) const;
  const MessageRef& message(
      std::string_view field);  // made where it is not set, and not yet part of this message: see touch()
  const Message* message_or_null(std::string_view field) const;
  const std::vector<int64_t>& wholes(std::string_view field) const;
  const std::vector<float>& floats(std::string_view field) const;
  const std::vector<double>& doubles(std::string_view field) const;
  const std::vector<std::string>& texts(std::string_view field) const;
  const std::vector<MessageRef>& messages(std::string_view field) const;

  Message& set(std::string_view field, int64_t v);
  Message& set(std::string_view field, int v) { return set(field, int64_t(v)); }
  Message& set(std::string_view field, bool v) { return set(field, int64_t(v)); }
  Message& set(std::string_view field, double v);
  Message& set(std::string_view field, std::string v);
  Message& set(std::string_view field, const char* v) { return set(field, std::string(v)); }
  Message& add(std::string_view field, std::string v);
  MessageRef add(std::string_view field);
  std::vector<int64_t>& mutable_wholes(std::string_view field);
  std::vector<float>& mutable_floats(std::string_view field);
  std::vector<double>& mutable_doubles(std::string_view field);
  std::vector<std::string>& mutable_texts(std::string_view field);
  std::vector<MessageRef>& mutable_messages(std::string_view field);
  void append_message(std::string_view field, MessageRef m);

  // ---- by the field's place in the type
  int index(std::string_view field) const;
  int index(std::string_view field, bool fits(const FieldType&)) const;
  bool has(int i) const { return slot(i).set; }
  const Value& value(int i) const { return slot(i).value; }
  // The list of a repeated field, empty lists included.
  Value& mutable_list(int i);
  // Of a field that is not repeated; what is given must be of the field's kind.
  void set_value(int i, Value v);
  MessageRef child(int i);
  void adopt(const MessageRef& m) { m->parent_ = this; }
  void clear(int i);
  // This message has been changed: where it stands in another as a field that was not set, it is one now.
  void touch();

  void clear();
  void copy_from(const Message& o);
  void merge_from(const Message& o);
  void merge_from(Message&& o);  // what this lacks is taken, not copied
  MessageRef copy() const;
  bool equals(const Message& o) const;
  // The required fields that are missing, "a, b.c"; empty if there are none.
  std::string missing(const std::string& prefix = {}) const;

  // Binary form. parse() replaces what was there; throws FileError that names the byte, and FileError for required fields that are missing.
  void parse(std::string_view bytes, const std::string& where);
  void merge_binary(std::string_view bytes, const std::string& where);
  std::string serialize() const;
  // Text form. Throws FileError that names line and column.
  void parse_text(std::string_view text, const std::string& where);
  std::string to_text() const;
  // Bytes, besides what the fields' values hold.
  size_t held() const { return sizeof(Message) + 16 + slots_.capacity() * sizeof(Slot); }
  // For the reader of the binary form: read(message, the fields that nobody knows).
  template <class F> void merge_wire(F&& read) { read(*this, unknown_); }

 private:
  struct Slot {
    bool set = false;
    Value value;
  };
  template <class T> std::vector<T>& list(std::string_view field);
  const Slot& slot(int i) const { return size_t(i) < slots_.size() ? slots_[size_t(i)] : unset(); }
  static const Slot& unset();
  Slot& make(int i);
  const MessageType& type_;
  std::vector<Slot> slots_;  // as far as the last field that was set: most messages have few
  std::string unknown_;
  Message* parent_ = nullptr;
  int place_ = -1;  // the parent's field that this is, where it isn't set yet
};

MessageRef make_message(std::string_view type);
inline MessageRef parse_message(std::string_view type, std::string_view bytes, const std::string& where) {
  MessageRef m = make_message(type);
  m->parse(bytes, where);
  return m;
}

// How deep messages may lie in each other, in both forms.
constexpr int kMaxMessageDepth = 100;

}  // namespace rushlight::caffe2
