// Pickle, parsed and never run: opcodes of protocols 0 to 5 become a tree; what would be a call is a node that says so.
// Specification: CPython's Lib/pickletools.py.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/io/file.h"

namespace rushlight::io {

// A value of a pickle. Values may share parts and even contain themselves; the PickleTree owns them all.
struct Pickled {
  enum class Kind : uint8_t {
    None,
    Bool,
    Int,
    BigInt,
    Float,
    Bytes,
    Str,
    List,
    Tuple,
    Set,
    Dict,        // items; of a Dict: key, value, key, value
    Global,      // text: "module.name"
    Call,        // items[0] called with items[1] (a Tuple); `state` and appended parts are kept
    Object,      // items[0].__new__ with items[1]
    Persistent,  // items[0]: the id
  };
  Kind kind = Kind::None;
  bool boolean = false;  // of a Str: Python 2 wrote it, in no known encoding
  int64_t integer = 0;
  double number = 0;
  std::string text;  // Str, Bytes, Global; digits of a BigInt
  std::vector<Pickled*> items;
  std::vector<Pickled*> appended;  // to a Call or Object: list items, or key, value pairs
  Pickled* state = nullptr;        // from BUILD
  bool is(Kind k) const { return kind == k; }
  bool is_global(std::string_view name) const { return kind == Kind::Global && text == name; }
};

class PickleTree {
 public:
  Pickled* root = nullptr;
  Pickled* make(Pickled::Kind k) {
    values_.push_back(std::make_unique<Pickled>());
    values_.back()->kind = k;
    return values_.back().get();
  }
  size_t size() const { return values_.size(); }
  // In the order in which the pickle made them.
  template <class F> void each(F&& f) const {
    for (const auto& v : values_) f(*v);
  }

 private:
  std::vector<std::unique_ptr<Pickled>> values_;
};

// Reads one pickle from the front of `bytes`; `used` gets the bytes it took. `where` names it in errors: "load 'm.pt': entry 'data.pkl'".
// Throws UnpicklingError naming the byte. Memory stays within a constant times the input's size.
PickleTree unpickle(std::span<const uint8_t> bytes, const std::string& where, size_t* used = nullptr);

// Writes protocol 2, as torch.save does. Calls append opcodes; the caller keeps them in a pickle's order.
class Pickler {
 public:
  Pickler() { out_ = "\x80\x02"; }
  void none() { out_ += 'N'; }
  void boolean(bool v) { out_ += v ? '\x88' : '\x89'; }
  void integer(int64_t v);
  void number(double v);
  void text(std::string_view s);
  void bytes(std::string_view s);
  void global(std::string_view module, std::string_view name);
  void mark() { out_ += '('; }
  void empty_list() { out_ += ']'; }
  void appends() { out_ += 'e'; }  // since the mark
  void empty_dict() { out_ += '}'; }
  void setitems() { out_ += 'u'; }
  void empty_tuple() { out_ += ')'; }
  void tuple(size_t n);  // n <= 3: the last n; else since the mark
  void reduce() { out_ += 'R'; }
  void new_object() { out_ += '\x81'; }
  void build() { out_ += 'b'; }
  void persistent_id() { out_ += 'Q'; }
  // Remembers the top of the stack; `get` brings it back.
  uint32_t put();
  void get(uint32_t slot);
  std::string finish() { return std::move(out_ += '.'); }

 private:
  std::string out_;
  uint32_t next_ = 0;
};

}  // namespace rushlight::io
