#include "rushlight/io/pickle.h"

#include <array>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "rushlight/core/error.h"

namespace rushlight::io {
namespace {

using K = Pickled::Kind;

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  PickleTree run(size_t* used) {
    while (!step()) {}
    tree_.root = pop("STOP");
    if (used) *used = at_;
    return std::move(tree_);
  }

 private:
  template <class... Ts>
  [[noreturn]] void fail(const Ts&... text) {
    throw UnpicklingError(str(where_, ": ", text..., " (byte ", at_, " of ", bytes_.size(), ")"));
  }
  const uint8_t* take(size_t n, const char* what) {
    if (n > bytes_.size() - at_) fail("ends inside ", what, " of ", n, " bytes; the file is cut short or damaged");
    const uint8_t* p = bytes_.data() + at_;
    at_ += n;
    return p;
  }
  template <class T>
  T number(const char* what) {
    const uint8_t* p = take(sizeof(T), what);
    T v = 0;
    for (size_t i = 0; i < sizeof(T); i++) v |= T(T(p[i]) << (8 * i));
    return v;
  }
  std::string_view line(const char* what) {
    size_t end = at_;
    while (end < bytes_.size() && bytes_[end] != '\n') end++;
    if (end == bytes_.size()) fail("ends inside ", what);
    std::string_view s(reinterpret_cast<const char*>(bytes_.data()) + at_, end - at_);
    at_ = end + 1;
    return s;
  }
  std::string_view chars(size_t n, const char* what) { return {reinterpret_cast<const char*>(take(n, what)), n}; }

  Pickled* make(K k) {
    // Every value takes at least a byte of input; a pickle can't ask for more.
    if (tree_.size() > bytes_.size() + 16) fail("more values than bytes");
    return tree_.make(k);
  }
  void push(Pickled* v) { stack_.push_back(v); }
  // None, booleans, small integers and the empty tuple never change: one node for each is enough.
  void push_shared(Pickled*& held, K k, int64_t i) {
    if (!held) {
      held = make(k);
      held->boolean = i != 0;
      held->integer = i;
    }
    push(held);
  }
  void push_text(K k, std::string_view s, bool old = false) {
    // A few bytes can name memoised strings again and again (STACK_GLOBAL): the sum is bounded, not each.
    if ((text_ += s.size()) > 16 * bytes_.size() + 65536) fail("names that are larger than the pickle");
    Pickled* v = make(k);
    v->text = s;
    v->boolean = old;
    push(v);
  }
  void push_int(int64_t i) {
    if (i >= 0 && i < int64_t(small_.size())) return push_shared(small_[size_t(i)], K::Int, i);
    Pickled* v = make(K::Int);
    v->integer = i;
    push(v);
  }
  void push_bool(bool b) { push_shared(b ? true_ : false_, K::Bool, b); }
  Pickled* pop(const char* op) {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) fail(op, " finds nothing on the stack");
    Pickled* v = stack_.back();
    stack_.pop_back();
    return v;
  }
  Pickled* top(const char* op) {
    Pickled* v = pop(op);
    push(v);
    return v;
  }
  std::vector<Pickled*> pop_mark(const char* op) {
    if (marks_.empty()) fail(op, " without a mark");
    std::vector<Pickled*> items(stack_.begin() + int64_t(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_items(K k, std::vector<Pickled*> items) {
    Pickled* v = make(k);
    v->items = std::move(items);
    push(v);
  }
  void push_pair(K k, Pickled* a, Pickled* b) { push_items(k, {a, b}); }
  void add_to(Pickled* target, const std::vector<Pickled*>& items, K own, const char* op) {
    auto& to = target->is(own) ? target->items : target->appended;
    if (!target->is(own) && !target->is(K::Call) && !target->is(K::Object))
      fail(op, " onto a value that takes no items");
    to.insert(to.end(), items.begin(), items.end());
    if ((kept_ += items.size()) > bytes_.size() + 16) fail("more items than bytes");
  }
  void global(std::string_view module, std::string_view name) { push_text(K::Global, str(module, ".", name)); }
  void memo_put(uint64_t slot) { memo_[slot] = top("PUT"); }
  void memo_get(uint64_t slot) {
    auto found = memo_.find(slot);
    if (found == memo_.end()) fail("GET of memo ", slot, ", which was never put");
    push(found->second);
  }
  void long_integer(size_t n) {
    const uint8_t* p = take(n, "an integer");
    if (n > 8) {
      bool negative = p[n - 1] & 0x80;
      std::string hex = negative ? "-0x" : "0x";
      std::vector<uint8_t> magnitude(p, p + n);
      if (negative) {
        int carry = 1;
        for (uint8_t& b : magnitude) {
          int v = uint8_t(~b) + carry;
          b = uint8_t(v);
          carry = v >> 8;
        }
      }
      for (size_t i = n; i-- > 0;)
        for (int shift : {4, 0}) hex += "0123456789abcdef"[(magnitude[i] >> shift) & 15];
      return push_text(K::BigInt, hex);
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= uint64_t(p[i]) << (8 * i);
    if (n && n < 8 && (p[n - 1] & 0x80)) v |= ~uint64_t(0) << (8 * n);
    push_int(int64_t(v));
  }

  // True at STOP.
  bool step() {
    uint8_t op = *take(1, "an opcode");
    switch (op) {
      case 0x80: take(1, "PROTO"); return false;
      case 0x95: {
        uint64_t size = number<uint64_t>("FRAME");
        if (size > bytes_.size() - at_) fail("a frame of ", size, " bytes; the file is cut short or damaged");
        return false;
      }
      case '.': return true;
      case '(': marks_.push_back(stack_.size()); return false;
      case '0':
        if (!marks_.empty() && marks_.back() == stack_.size()) marks_.pop_back();
        else pop("POP");
        return false;
      case '1': pop_mark("POP_MARK"); return false;
      case '2': push(top("DUP")); return false;
      case 'N': push_shared(none_, K::None, 0); return false;
      case 0x88: push_bool(true); return false;
      case 0x89: push_bool(false); return false;
      case 'K': push_int(number<uint8_t>("BININT1")); return false;
      case 'M': push_int(number<uint16_t>("BININT2")); return false;
      case 'J': push_int(int32_t(number<uint32_t>("BININT"))); return false;
      case 'I':
      case 'L': {
        std::string_view s = line("an integer");
        if (op == 'I' && (s == "00" || s == "01")) return push_bool(s == "01"), false;
        if (s.ends_with('L')) s.remove_suffix(1);
        int64_t v = 0;
        auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
        if (error == std::errc::result_out_of_range) return push_text(K::BigInt, s), false;
        if (error != std::errc() || end != s.data() + s.size())
          fail("expected an integer, got '", s.substr(0, 40), "'");
        return push_int(v), false;
      }
      case 0x8a: long_integer(number<uint8_t>("LONG1")); return false;
      case 0x8b: long_integer(number<uint32_t>("LONG4")); return false;
      case 'G': {
        const uint8_t* p = take(8, "a float");
        uint64_t bits = 0;
        for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
        Pickled* v = make(K::Float);
        std::memcpy(&v->number, &bits, 8);
        return push(v), false;
      }
      case 'F': {
        std::string_view s = line("a float");
        Pickled* v = make(K::Float);
        auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v->number);
        if (error != std::errc() || end != s.data() + s.size()) fail("expected a float, got '", s.substr(0, 40), "'");
        return push(v), false;
      }
      case 'X': push_text(K::Str, chars(number<uint32_t>("BINUNICODE"), "a string")); return false;
      case 0x8c: push_text(K::Str, chars(number<uint8_t>("SHORT_BINUNICODE"), "a string")); return false;
      case 0x8d: push_text(K::Str, chars(number<uint64_t>("BINUNICODE8"), "a string")); return false;
      case 'V': push_text(K::Str, line("a string")); return false;
      case 'S': {
        std::string_view s = line("a string");
        if (s.size() < 2 || s.front() != s.back()) fail("a string without quotes");
        push_text(K::Str, s.substr(1, s.size() - 2), true);
        return false;
      }
      case 'U': push_text(K::Str, chars(number<uint8_t>("SHORT_BINSTRING"), "a string"), true); return false;
      case 'T': push_text(K::Str, chars(number<uint32_t>("BINSTRING"), "a string"), true); return false;
      case 'C': push_text(K::Bytes, chars(number<uint8_t>("SHORT_BINBYTES"), "bytes")); return false;
      case 'B': push_text(K::Bytes, chars(number<uint32_t>("BINBYTES"), "bytes")); return false;
      case 0x8e:
      case 0x96: push_text(K::Bytes, chars(number<uint64_t>("BINBYTES8"), "bytes")); return false;
      case ']': push(make(K::List)); return false;
      case 'l': push_items(K::List, pop_mark("LIST")); return false;
      case 'a': {
        Pickled* item = pop("APPEND");
        add_to(top("APPEND"), {item}, K::List, "APPEND");
        return false;
      }
      case 'e': {
        auto items = pop_mark("APPENDS");
        add_to(top("APPENDS"), items, K::List, "APPENDS");
        return false;
      }
      case ')': push_shared(empty_tuple_, K::Tuple, 0); return false;
      case 't': push_items(K::Tuple, pop_mark("TUPLE")); return false;
      case 0x85:
      case 0x86:
      case 0x87: {
        std::vector<Pickled*> items(size_t(op - 0x84));
        for (size_t i = items.size(); i-- > 0;) items[i] = pop("TUPLE");
        push_items(K::Tuple, std::move(items));
        return false;
      }
      case '}': push(make(K::Dict)); return false;
      case 'd': {
        auto items = pop_mark("DICT");
        if (items.size() % 2) fail("DICT of an odd number of values");
        push_items(K::Dict, std::move(items));
        return false;
      }
      case 's': {
        Pickled *value = pop("SETITEM"), *key = pop("SETITEM");
        add_to(top("SETITEM"), {key, value}, K::Dict, "SETITEM");
        return false;
      }
      case 'u': {
        auto items = pop_mark("SETITEMS");
        if (items.size() % 2) fail("SETITEMS of an odd number of values");
        add_to(top("SETITEMS"), items, K::Dict, "SETITEMS");
        return false;
      }
      case 0x8f: push(make(K::Set)); return false;
      case 0x90: {
        auto items = pop_mark("ADDITEMS");
        add_to(top("ADDITEMS"), items, K::Set, "ADDITEMS");
        return false;
      }
      case 0x91: push_items(K::Set, pop_mark("FROZENSET")); return false;
      case 'c': {
        std::string_view module = line("a global"), name = line("a global");
        global(module, name);
        return false;
      }
      case 0x93: {
        Pickled *name = pop("STACK_GLOBAL"), *module = pop("STACK_GLOBAL");
        if (!name->is(K::Str) || !module->is(K::Str)) fail("STACK_GLOBAL of values that are no strings");
        global(module->text, name->text);
        return false;
      }
      case 'R': {
        Pickled *args = pop("REDUCE"), *callable = pop("REDUCE");
        // PyTorch's script archives write an enum's member so.
        bool member = callable->is(K::Global) && callable->text.starts_with("__torch__.");
        if (!args->is(K::Tuple) && !member) fail("REDUCE with arguments that are no tuple");
        push_pair(K::Call, callable, args);
        return false;
      }
      case 0x81: {
        Pickled *args = pop("NEWOBJ"), *cls = pop("NEWOBJ");
        push_pair(K::Object, cls, args);
        return false;
      }
      case 0x92: {
        pop("NEWOBJ_EX");
        Pickled *args = pop("NEWOBJ_EX"), *cls = pop("NEWOBJ_EX");
        push_pair(K::Object, cls, args);
        return false;
      }
      case 'i': {
        std::string_view module = line("INST"), name = line("INST");
        auto args = pop_mark("INST");
        push_items(K::Tuple, std::move(args));
        Pickled* tuple = pop("INST");
        global(module, name);
        push_pair(K::Object, pop("INST"), tuple);
        return false;
      }
      case 'o': {
        auto items = pop_mark("OBJ");
        if (items.empty()) fail("OBJ without a class");
        Pickled* cls = items[0];
        push_items(K::Tuple, {items.begin() + 1, items.end()});
        push_pair(K::Object, cls, pop("OBJ"));
        return false;
      }
      case 'b': {
        Pickled* state = pop("BUILD");
        Pickled* target = top("BUILD");
        if (!target->is(K::Call) && !target->is(K::Object)) fail("BUILD of a value that takes no state");
        target->state = state;
        return false;
      }
      case 'P': {
        push_text(K::Str, line("PERSID"));
        push_items(K::Persistent, {pop("PERSID")});
        return false;
      }
      case 'Q': push_items(K::Persistent, {pop("BINPERSID")}); return false;
      case 'p':
      case 'g': {
        std::string_view s = line("a memo number");
        uint64_t slot = 0;
        auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), slot);
        if (error != std::errc() || end != s.data() + s.size())
          fail("expected a memo number, got '", s.substr(0, 40), "'");
        op == 'p' ? memo_put(slot) : memo_get(slot);
        return false;
      }
      case 'q': memo_put(number<uint8_t>("BINPUT")); return false;
      case 'r': memo_put(number<uint32_t>("LONG_BINPUT")); return false;
      case 'h': memo_get(number<uint8_t>("BINGET")); return false;
      case 'j': memo_get(number<uint32_t>("LONG_BINGET")); return false;
      case 0x94: memo_put(memo_.size()); return false;
      default: fail("unknown pickle opcode ", int(op));
    }
  }

  std::span<const uint8_t> bytes_;
  const std::string& where_;
  size_t at_ = 0, kept_ = 0, text_ = 0;
  Pickled *none_ = nullptr, *true_ = nullptr, *false_ = nullptr, *empty_tuple_ = nullptr;
  std::array<Pickled*, 256> small_ = {};
  PickleTree tree_;
  std::vector<Pickled*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Pickled*> memo_;
};

void put_le(std::string& out, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++) out += char(v >> (8 * i));
}

}  // namespace

PickleTree unpickle(std::span<const uint8_t> bytes, const std::string& where, size_t* used) {
  return Reader(bytes, where).run(used);
}

void Pickler::integer(int64_t v) {
  if (v >= 0 && v < 256) {
    out_ += 'K';
    put_le(out_, uint64_t(v), 1);
  } else if (v >= 0 && v < 65536) {
    out_ += 'M';
    put_le(out_, uint64_t(v), 2);
  } else if (v >= INT32_MIN && v <= INT32_MAX) {
    out_ += 'J';
    put_le(out_, uint64_t(v), 4);
  } else {
    out_ += "\x8a\x08";
    put_le(out_, uint64_t(v), 8);
  }
}
void Pickler::number(double v) {
  uint64_t bits;
  std::memcpy(&bits, &v, 8);
  out_ += 'G';
  for (int i = 7; i >= 0; i--) out_ += char(bits >> (8 * i));
}
void Pickler::text(std::string_view s) {
  RL_CHECK(ValueError, s.size() <= UINT32_MAX, "save: a string of ", s.size(),
           " bytes; protocol 2 holds at most 4 GiB");
  out_ += 'X';
  put_le(out_, s.size(), 4);
  out_ += s;
}
void Pickler::bytes(
    std::string_view s) {  // protocol 2 has no bytes: a call that decodes a string, as CPython writes them
  global("_codecs", "encode");
  std::string utf8;
  for (unsigned char c : s) {
    if (c < 0x80) utf8 += char(c);
    else (utf8 += char(0xC0 | c >> 6)) += char(0x80 | (c & 63));
  }
  text(utf8);
  text("latin1");
  tuple(2);
  reduce();
}
void Pickler::global(std::string_view module, std::string_view name) {
  out_ += 'c';
  ((out_ += module) += '\n') += name;
  out_ += '\n';
}
void Pickler::tuple(size_t n) {
  if (n == 0) out_ += ')';
  else if (n <= 3) out_ += char(0x84 + n);
  else out_ += 't';
}
uint32_t Pickler::put() {
  if (next_ < 256) {
    out_ += 'q';
    put_le(out_, next_, 1);
  } else {
    out_ += 'r';
    put_le(out_, next_, 4);
  }
  return next_++;
}
void Pickler::get(uint32_t slot) {
  if (slot < 256) {
    out_ += 'h';
    put_le(out_, slot, 1);
  } else {
    out_ += 'j';
    put_le(out_, slot, 4);
  }
}

}  // namespace rushlight::io
