#include "rushlight/caffe2/message.h"

#include <bit>
#include <cstring>
#include <limits>

namespace rushlight::caffe2 {
namespace {

bool is_whole(const FieldType& f) { return f.is_whole(); }
bool is_real(const FieldType& f) { return f.is_real(); }
bool is_text(const FieldType& f) { return f.is_text(); }
bool is_message(const FieldType& f) { return f.kind == FieldKind::Message; }

Message::Value empty_list(const FieldType& f) {
  switch (f.kind) {
    case FieldKind::Float: return std::vector<float>();
    case FieldKind::Double: return std::vector<double>();
    case FieldKind::String:
    case FieldKind::Bytes: return std::vector<std::string>();
    case FieldKind::Message: return std::vector<MessageRef>();
    default: return std::vector<int64_t>();
  }
}

}  // namespace

MessageRef make_message(std::string_view type) { return make_ref<Message>(message_type(type)); }

Message::Message(const MessageType& type) : type_(type) {}

Message::~Message() { clear(); }

int Message::index(std::string_view field) const {
  int i = type_.find(field);
  RL_CHECK(KeyError, i >= 0, type_.name, " has no field ", field);
  return i;
}

const Message::Slot& Message::unset() {
  static const Slot none;
  return none;
}
Message::Slot& Message::make(int i) {
  if (slots_.size() <= size_t(i)) {
    slots_.reserve(size_t(i) + 1);
    slots_.resize(size_t(i) + 1);
  }
  return slots_[size_t(i)];
}

int Message::index(std::string_view field, bool fits(const FieldType&)) const {
  int i = index(field);
  RL_CHECK(TypeError, fits(type_.fields[size_t(i)]), type_.name, ".", field, " is of another type");
  return i;
}

int64_t Message::whole(std::string_view field) const {
  int i = index(field, is_whole);
  const auto* v = std::get_if<int64_t>(&value(i));
  return v ? *v : type_.fields[size_t(i)].int_default;
}
double Message::real(std::string_view field) const {
  const auto* v = std::get_if<double>(&value(index(field, is_real)));
  return v ? *v : 0;
}
const std::string& Message::text(std::string_view field) const {
  int i = index(field, is_text);
  const auto* v = std::get_if<std::string>(&value(i));
  return v ? *v : type_.fields[size_t(i)].text_default;
}
const Message* Message::message_or_null(std::string_view field) const {
  const Slot& s = slot(index(field, is_message));
  const auto* v = std::get_if<MessageRef>(&s.value);
  return v && s.set ? v->get() : nullptr;
}

template <class T>
static const std::vector<T>& read_list(const Message::Value& v) {
  static const std::vector<T> none;
  const auto* list = std::get_if<std::vector<T>>(&v);
  return list ? *list : none;
}
const std::vector<int64_t>& Message::wholes(std::string_view f) const { return read_list<int64_t>(value(index(f))); }
const std::vector<float>& Message::floats(std::string_view f) const { return read_list<float>(value(index(f))); }
const std::vector<double>& Message::doubles(std::string_view f) const { return read_list<double>(value(index(f))); }
const std::vector<std::string>& Message::texts(std::string_view f) const {
  return read_list<std::string>(value(index(f)));
}
const std::vector<MessageRef>& Message::messages(std::string_view f) const {
  return read_list<MessageRef>(value(index(f)));
}

Message& Message::set(std::string_view field, int64_t v) {
  int i = index(field);
  if (type_.fields[size_t(i)].is_real()) set_value(i, double(v));
  else set_value(i, v);
  return *this;
}
Message& Message::set(std::string_view field, double v) {
  set_value(index(field), v);
  return *this;
}
Message& Message::set(std::string_view field, std::string v) {
  set_value(index(field), std::move(v));
  return *this;
}
template <class T>
std::vector<T>& Message::list(std::string_view field) {
  touch();
  auto* v = std::get_if<std::vector<T>>(&mutable_list(index(field)));
  RL_CHECK(TypeError, v, type_.name, ".", field, " is a list of another type");
  return *v;
}

Message& Message::add(std::string_view field, std::string v) {
  list<std::string>(field).push_back(std::move(v));
  return *this;
}
MessageRef Message::add(std::string_view field) {
  int i = index(field);
  auto m = make_ref<Message>(*type_.fields[size_t(i)].message);
  append_message(field, m);
  return m;
}
void Message::append_message(std::string_view field, MessageRef m) {
  adopt(m);
  list<MessageRef>(field).push_back(std::move(m));
}

std::vector<int64_t>& Message::mutable_wholes(std::string_view field) { return list<int64_t>(field); }
std::vector<float>& Message::mutable_floats(std::string_view field) { return list<float>(field); }
std::vector<double>& Message::mutable_doubles(std::string_view field) { return list<double>(field); }
std::vector<std::string>& Message::mutable_texts(std::string_view field) { return list<std::string>(field); }
std::vector<MessageRef>& Message::mutable_messages(std::string_view field) { return list<MessageRef>(field); }

Message::Value& Message::mutable_list(int i) {
  const FieldType& f = type_.fields[size_t(i)];
  RL_CHECK(TypeError, f.repeated, type_.name, ".", f.name, " is no repeated field");
  Slot& s = make(i);
  if (s.value.index() == 0) s.value = empty_list(f);
  return s.value;
}

void Message::set_value(int i, Value v) {
  const FieldType& f = type_.fields[size_t(i)];
  bool fits = f.is_whole()  ? std::holds_alternative<int64_t>(v)
              : f.is_real() ? std::holds_alternative<double>(v)
              : f.is_text() ? std::holds_alternative<std::string>(v)
                            : std::holds_alternative<MessageRef>(v);
  RL_CHECK(TypeError, !f.repeated && fits, type_.name, ".", f.name, ": a value of another type");
  if (f.kind == FieldKind::Float) v = double(float(std::get<double>(v)));
  touch();
  clear(i);
  make(i) = {true, std::move(v)};
}

MessageRef Message::child(int i) {
  Slot& s = make(i);
  if (s.value.index() == 0) {
    auto m = make_ref<Message>(*type_.fields[size_t(i)].message);
    m->parent_ = this;
    m->place_ = i;
    s.value = m;
  }
  return std::get<MessageRef>(s.value);
}
const MessageRef& Message::message(std::string_view field) {
  int i = index(field);
  RL_CHECK(TypeError, is_message(type_.fields[size_t(i)]), type_.name, ".", field, " is no message");
  child(i);
  return std::get<MessageRef>(slots_[size_t(i)].value);
}

void Message::clear(int i) {
  if (size_t(i) >= slots_.size()) return;
  Slot& s = slots_[size_t(i)];
  if (auto* m = std::get_if<MessageRef>(&s.value)) (*m)->parent_ = nullptr;
  if (auto* all = std::get_if<std::vector<MessageRef>>(&s.value))
    for (const MessageRef& m : *all) m->parent_ = nullptr;
  s = {};
}

void Message::touch() {
  for (Message* m = this; m->parent_; m = m->parent_) {
    if (m->place_ < 0) continue;
    Slot& s = m->parent_->slots_[size_t(m->place_)];
    if (s.set) break;
    s.set = true;
  }
}

void Message::clear() {
  for (size_t i = 0; i < slots_.size(); i++) clear(int(i));
  unknown_.clear();
}

void Message::copy_from(const Message& o) {
  if (&o == this) return;
  MessageRef kept = o.copy();  // o may be part of this
  clear();
  merge_from(*kept);
}

MessageRef Message::copy() const {
  auto m = make_ref<Message>(type_);
  m->merge_from(*this);
  return m;
}

void Message::merge_from(const Message& o) {
  RL_CHECK(TypeError, &o.type_ == &type_, "expected a ", type_.name, ", got a ", o.type_.name);
  touch();
  for (size_t i = 0; i < o.slots_.size(); i++) {
    const Slot& from = o.slots_[i];
    const FieldType& f = type_.fields[i];
    if (f.repeated) {
      if (from.value.index() == 0) continue;
      Value& to = mutable_list(int(i));
      std::visit(
          [&](const auto& items) {
            using L = std::decay_t<decltype(items)>;
            if constexpr (std::is_same_v<L, std::vector<MessageRef>>) {
              std::vector<MessageRef> copies;  // o may be this
              for (const MessageRef& m : items) copies.push_back(m->copy());
              auto& mine = std::get<L>(to);
              for (MessageRef& m : copies) {
                adopt(m);
                mine.push_back(std::move(m));
              }
            } else if constexpr (requires {
                                   items.size();
                                   items.front();
                                 } && !std::is_same_v<L, std::string>) {
              L copies = items;
              auto& mine = std::get<L>(to);
              mine.insert(mine.end(), copies.begin(), copies.end());
            }
          },
          from.value);
    } else if (from.set) {
      if (f.kind == FieldKind::Message) {
        MessageRef mine = child(int(i));
        slots_[i].set = true;
        mine->merge_from(*std::get<MessageRef>(from.value));
      } else {
        make(int(i)) = from;
      }
    }
  }
  unknown_ += o.unknown_;
}

void Message::merge_from(Message&& o) {
  touch();
  for (size_t i = 0; i < o.slots_.size(); i++) {
    Slot& from = o.slots_[i];
    if (value(int(i)).index()) continue;
    if (auto* m = std::get_if<MessageRef>(&from.value); m && from.set) (*m)->parent_ = this, (*m)->place_ = int(i);
    else if (m) continue;
    if (auto* all = std::get_if<std::vector<MessageRef>>(&from.value))
      for (const MessageRef& m : *all) adopt(m);
    make(int(i)) = std::exchange(from, {});
  }
  merge_from(static_cast<const Message&>(o));
}

bool Message::equals(const Message& o) const {
  if (&o == this) return true;
  if (&o.type_ != &type_ || unknown_ != o.unknown_) return false;
  for (size_t i = 0; i < std::max(slots_.size(), o.slots_.size()); i++) {
    const FieldType& f = type_.fields[i];
    const Slot &mine = slot(int(i)), &its = o.slot(int(i));
    if (f.repeated && f.kind == FieldKind::Message) {
      const auto &a = read_list<MessageRef>(mine.value), &b = read_list<MessageRef>(its.value);
      if (a.size() != b.size()) return false;
      for (size_t k = 0; k < a.size(); k++)
        if (!a[k]->equals(*b[k])) return false;
    } else if (f.repeated) {
      Value none = empty_list(f);
      const Value& a = mine.value.index() ? mine.value : none;
      const Value& b = its.value.index() ? its.value : none;
      if (a != b) return false;
    } else if (mine.set != its.set) {
      return false;
    } else if (mine.set) {
      if (f.kind == FieldKind::Message) {
        if (!std::get<MessageRef>(mine.value)->equals(*std::get<MessageRef>(its.value))) return false;
      } else if (mine.value != its.value) {
        return false;
      }
    }
  }
  return true;
}

std::string Message::missing(const std::string& prefix) const {
  std::string out;
  auto note = [&](const std::string& more) {
    if (!more.empty()) out += (out.empty() ? "" : ", ") + more;
  };
  for (size_t i = 0; i < type_.fields.size(); i++) {
    const FieldType& f = type_.fields[i];
    const Slot& s = slot(int(i));
    if (f.required && !s.set) note(prefix + f.name);
    if (f.kind != FieldKind::Message) continue;
    if (f.repeated) {
      const auto& all = read_list<MessageRef>(s.value);
      for (size_t k = 0; k < all.size(); k++) note(all[k]->missing(str(prefix, f.name, "[", k, "].")));
    } else if (s.set) {
      note(std::get<MessageRef>(s.value)->missing(prefix + f.name + "."));
    }
  }
  return out;
}

}  // namespace rushlight::caffe2
