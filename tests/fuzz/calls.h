// Calls of operators as data: read from a line of text, made at random, changed at random, and turned into arguments.
//
// A line is an operator and a value for each argument of its schema:
//   embedding f32[10,3] i64[2,4]<0,9> -1 false false
// Values: `-` None, 3, true, 0.5f, 1+2j, "text", (1,2) and (0.5f,1f) lists, cpu, meta, gen; f32[2,3] a tensor, with strides @1,2,
// values =0,1,2 or a range of values <0,9; {f32[2] -} a list of tensors.
#pragma once
#include <string>
#include <vector>

#include "rushlight/dispatch/op.h"

namespace fuzz {

using namespace rushlight;

class Random {  // splitmix64
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return int64_t(next() % uint64_t(n)); }
  bool chance(int percent) { return below(100) < percent; }
  template <class List>
  auto pick(const List& list) {
    return *(std::begin(list) + below(int64_t(std::size(list))));
  }

 private:
  uint64_t state_;
};

struct TensorValue {
  bool defined = true, meta = false, requires_grad = false;
  DType dtype = DType::Float32;
  std::vector<int64_t> sizes, strides;  // no strides: contiguous
  int64_t offset = 0;
  int shares = -1;  // the number of the tensor, counted from the call's first, whose memory this one is in
  std::vector<int64_t> values;
  int64_t low = 0, high = 3;  // of integers
  Layout layout = Layout::Strided;
  int special = 0;  // percentage of values that are infinite, NaN or at the ends of their dtype's range
  uint64_t seed = 1;
};

struct Value {
  enum class Kind {
    None,
    Int,
    Bool,
    Double,
    Complex,
    String,
    Ints,
    Doubles,
    Bools,
    Device,
    Generator,
    Tensor,
    Tensors
  };
  Kind kind = Kind::None;
  int64_t i = 0;
  double d = 0, imag = 0;
  std::string text;
  std::vector<int64_t> ints;
  std::vector<double> doubles;
  std::vector<TensorValue> tensors;  // one for a Tensor
};

struct Call {
  const Op* op = nullptr;
  std::vector<Value> args;
  std::string text() const;
  // Fresh arguments, the same at each call.
  std::vector<IValue> make() const;
};

// False if the line doesn't fit the operator's schema (any more).
bool parse_call(const std::string& line, Call& call);
// Anything of the right types.
Call random_call(const Op& op, Random& random);
// One argument becomes another, most likely a wrong one.
void change(Call& call, Random& random);

}  // namespace fuzz
