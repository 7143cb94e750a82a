// How the arguments of a call are bound to the parameters of an overload, and which overload is tried first: one place for Python's calls,
// torch.ops and scripts. What an argument is, and what may stand where, the front ends say.
#pragma once
#include <array>

#include "rushlight/dispatch/op.h"

namespace rushlight {

// What keeps a call from an overload. Arguments are counted: those by position, then those by keyword.
struct Misfit {
  enum class Kind : uint8_t { None, TooMany, Type, Unknown, Twice, Missing };
  Kind kind = Kind::None;
  int parameter = -1, argument = -1;  // -1 where there is none
  explicit operator bool() const { return kind != Kind::None; }
};

// What `find` says of a keyword besides the parameter that it names.
constexpr int kUnknownName = -1;
constexpr int kBound = -2;    // the front end took it itself
constexpr int kRefused = -3;  // the same, and its value doesn't fit

// A Call has:
//   int positional(), named()       the numbers of arguments by position and by keyword
//   int places(), place(i)          the parameters that may be given by position: how many, which
//   bool spreads()                  whether several arguments by position may together be the list in the last place
//   int spread(argument)            how many of those from there on are that list, as in x.view(2, 3); 0: the argument stands alone
//   bool take(p, argument, count)   whether it may stand for parameter p; `count` is what spread said, 0 for one alone
//   int find(argument)              the parameter that its keyword names, or one of the above
//   bool filled(p), void fill(p), int missing()   what has an argument; the first that lacks one and has no default, or -1
template <class Call>
[[gnu::always_inline]] inline Misfit bind(Call& c) {
  using enum Misfit::Kind;
  const int given = c.positional(), places = c.places();
  if (given > places && !c.spreads()) return {TooMany, -1, places};
  const int list = c.spreads() ? places - 1 : -1;
  for (int i = 0, at = 0; at < given; i++) {
    if (i == places) return {TooMany, -1, at};
    const int p = c.place(i), n = i == list ? c.spread(at) : 0;
    if (!c.take(p, at, n)) return {Type, p, at};
    c.fill(p);
    at += n ? n : 1;
  }
  for (int k = given, end = given + c.named(); k < end; k++) {
    const int p = c.find(k);
    if (p == kBound) continue;
    if (p == kRefused) return {Type, -1, k};
    if (p < 0) return {Unknown, -1, k};
    if (c.filled(p)) return {Twice, p, k};
    if (!c.take(p, k, 0)) return {Type, p, k};
    c.fill(p);
  }
  if (int p = c.missing(); p >= 0) return {Missing, p, -1};
  return {};
}

// The keywords that stand for an argument of PyTorch's own operators besides its name in the schema: Python's `input`, and numpy's. Null: none.
std::array<const char*, 3> other_names(std::string_view argument);

// What fits more narrowly is tried first: a tensor before a number, an int before a list of ints.
uint64_t looseness(const Schema& schema);

}  // namespace rushlight
