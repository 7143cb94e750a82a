// What a parsed pickle means, once for Python's objects and for IValues: which callables stand for which values, what is shared, and what
// may contain itself. How a value is made is the Maker's business.
//
// A Maker derives from PickleInterpreter<Maker, Out, Hint>; Hint is what it knows of the value that is expected, {} where nothing. It has
//   none(), boolean(b), integer(i, hint), big_integer(text), number(d), text(text, hint), bytes(text), complex(re, im)
//   dtype(d), layout(l), device(d), tensor(Tensor, is_parameter, attributes), storage(Storage, dtype)
//   tuple(v, hint), list(v, items, hint), set(items, frozen), dict(v, pairs, ordered, hint), size(items)
//       which ask value() for what is inside, with depth + 1; these and the following take the depth last
//   global(v), object(v), other_call(v)   what the Maker's own classes say
//   check(out, hint)                      throws where an object isn't what is expected
#pragma once
#include <unordered_map>

#include "rushlight/io/checkpoint.h"

namespace rushlight::io {

constexpr int kMaxPickleDepth = 500;

template <class Maker, class Out, class Hint>
class PickleInterpreter {
 public:
  // `tensors` outlives it. `name`: the file's, for errors.
  PickleInterpreter(TensorLoader& tensors, std::string name) : name_(std::move(name)), tensors_(tensors) {}

  // What the pickle shares stays shared: unfolded, a short pickle could ask for more than any memory.
  Out value(const Pickled& v, const Hint& hint = {}, int depth = 0) {
    RL_CHECK(UnpicklingError, depth < kMaxPickleDepth, "load '", name_, "': nested more than ", kMaxPickleDepth,
             " deep");
    switch (v.kind) {
      case K::None: return maker().none();
      case K::Bool: return maker().boolean(v.boolean);
      case K::Int: return maker().integer(v.integer, hint);
      case K::Float: return maker().number(v.number);
      default: break;
    }
    const Hint key = v.is(K::Object) ? Hint{} : hint;  // an object is one, whatever is expected of it
    auto [at, end] = made_.equal_range(&v);
    for (; at != end; ++at) {
      if (!(at->second.hint == key)) continue;
      RL_CHECK(UnpicklingError, at->second.done, "load '", name_, "': a value that contains itself before it is made");
      maker().check(at->second.out, hint);
      return at->second.out;
    }
    made_.emplace(&v, Made{key, {}, false});
    Out out = make(v, hint, depth);
    maker().check(out, hint);
    remember(v, out);
    return out;
  }

 protected:
  using K = Pickled::Kind;
  // For values that may contain themselves: called before what is inside is made.
  void remember(const Pickled& v, const Out& out) {
    auto [at, end] = made_.equal_range(&v);
    for (; at != end; ++at)
      if (!at->second.done) at->second.out = out, at->second.done = true;
  }
  const Pickled& argument(const Pickled& call, size_t i) const {
    RL_CHECK(UnpicklingError, i < call.items[1]->items.size(), "load '", name_, "': ", call.items[0]->text,
             " with too few arguments");
    return *call.items[1]->items[i];
  }
  template <class... Ts>
  [[noreturn]] void fail(const Ts&... text) const {
    throw UnpicklingError(str("load '", name_, "': ", text...));
  }
  // The only argument, a list of items; none at all is an empty one.
  const std::vector<Pickled*>& items_of(const Pickled& call) const {
    static const std::vector<Pickled*> none;
    if (call.items[1]->items.empty()) return none;
    const Pickled& given = argument(call, 0);
    if (!given.is(K::List) && !given.is(K::Tuple) && !given.is(K::Set))
      fail(call.items[0]->text, " of what is no list");
    return given.items;
  }
  std::string name_;

 private:
  Maker& maker() { return static_cast<Maker&>(*this); }
  double number_of(const Pickled& v) const {
    if (v.is(K::Float)) return v.number;
    if (v.is(K::Int)) return double(v.integer);
    fail("expected a number");
  }

  Out make(const Pickled& v, const Hint& hint, int depth) {
    switch (v.kind) {
      case K::BigInt: return maker().big_integer(v.text);
      case K::Str:
        if constexpr (requires { maker().old_text(v.text); })
          if (v.boolean) return maker().old_text(v.text);
        return maker().text(v.text, hint);
      case K::Bytes: return maker().bytes(v.text);
      case K::Tuple: return maker().tuple(v, hint, depth);
      case K::List: return maker().list(v, v.items, hint, depth);
      case K::Set: return maker().set(v.items, false, depth);
      case K::Dict: return maker().dict(v, v.items, false, hint, depth);
      case K::Global: {
        DType d;
        std::string_view text = v.text;
        if (text.starts_with("torch.") && dtype_from_name(text.substr(6), d)) return maker().dtype(d);
        if (text == "torch.strided") return maker().layout(Layout::Strided);
        return maker().global(v);
      }
      case K::Persistent: {
        const Pickled& id = *v.items[0];
        if (tensors_.has_numbered_tensors()) {
          // A class beside its source text, or a tensor's number.
          if (id.is(K::Tuple) && !id.items.empty()) return value(*id.items[0], hint, depth + 1);
          return maker().tensor(tensors_.numbered_tensor(number_text(id)), false, nullptr, depth);
        }
        std::optional<DType> dtype;
        Ref<Storage> s = tensors_.storage(v, dtype);
        return maker().storage(std::move(s), dtype);
      }
      case K::Call:
      case K::Object: {
        bool parameter = false;
        const Pickled* attributes = nullptr;
        if (auto t = tensors_.tensor(v, &parameter, &attributes))
          return maker().tensor(std::move(*t), parameter, attributes, depth);
        return v.is(K::Call) ? call(v, depth) : maker().object(v, depth);
      }
      default: fail("a value of an unknown kind");
    }
  }

  Out call(const Pickled& v, int depth) {
    if (!v.items[0]->is(K::Global)) return maker().other_call(v, depth);
    const std::string& f = v.items[0]->text;
    auto builtin = [&](std::string_view name) { return f == str("builtins.", name) || f == str("__builtin__.", name); };
    if (std::optional<Layout> layout = layout_of(v)) return maker().layout(*layout);
    if (f == "collections.OrderedDict") {
      std::vector<Pickled*> pairs;
      if (!v.items[1]->items.empty())  // protocols before 2 list the pairs
        for (const Pickled* pair : items_of(v))
          if (pair->items.size() == 2) pairs.insert(pairs.end(), pair->items.begin(), pair->items.end());
      pairs.insert(pairs.end(), v.appended.begin(), v.appended.end());
      return maker().dict(v, pairs, true, {}, depth);
    }
    if (f == "torch.Size") return maker().size(items_of(v), depth);
    if (f == "torch.device") {
      const Pickled& type = argument(v, 0);
      const Pickled* index = v.items[1]->items.size() > 1 ? &argument(v, 1) : nullptr;
      if (!type.is(K::Str) || (index && !index->is(K::Int) && !index->is(K::None))) fail("a device that has no name");
      return maker().device(
          Device::parse(index && index->is(K::Int) ? str(type.text, ":", index->integer) : type.text));
    }
    if (builtin("set")) return maker().set(items_of(v), false, depth);
    if (builtin("frozenset")) return maker().set(items_of(v), true, depth);
    if (builtin("complex")) return maker().complex(number_of(argument(v, 0)), number_of(argument(v, 1)));
    if (f == "_codecs.encode" && v.items[1]->items.size() == 2 && argument(v, 1).text == "latin1")
      return maker().bytes(latin1(argument(v, 0)));
    return maker().other_call(v, depth);
  }

  // Protocol 2 writes bytes as text whose characters are the bytes.
  std::string latin1(const Pickled& v) const {
    std::string out;
    for (size_t i = 0; i < v.text.size(); i++) {
      unsigned char c = static_cast<unsigned char>(v.text[i]);
      if (c >= 0x80) {
        bool fits = (c == 0xC2 || c == 0xC3) && i + 1 < v.text.size();
        if (!fits) fail("bytes that are written as text of other characters");
        c = static_cast<unsigned char>((c & 3) << 6 | (static_cast<unsigned char>(v.text[++i]) & 0x3F));
      }
      out += char(c);
    }
    return out;
  }

  struct Made {
    Hint hint;
    Out out;
    bool done;
  };
  std::unordered_multimap<const Pickled*, Made> made_;

 protected:
  TensorLoader& tensors_;
};

}  // namespace rushlight::io
