#include "rushlight/kernels/expr.h"

#include <cmath>
#include <utility>

#include "rushlight/core/error.h"

namespace rushlight {
namespace {
thread_local Formula* recording = nullptr;

// How a step is written.
struct Spelling {
  const char* name;
  bool sign;
};
constexpr Spelling kSpellings[] = {{"x", false},
                                   {"", false},
                                   {"", false},
                                   {"select", false},
#define RL_SIGN(name, sign) {#sign, true},
#define RL_CALL(name, ...) {#name, false},
                                   RL_OPERATORS(RL_SIGN) RL_COMPARISONS(RL_SIGN) RL_UNARY_OPERATORS(RL_SIGN)  //
                                   RL_MATH1(RL_CALL) RL_MATH2(RL_CALL)                                        //
                                   RL_SPECIAL_MATH1(RL_CALL) RL_SPECIAL_MATH2(RL_CALL) RL_SPECIAL_FLOAT_MATH2(RL_CALL)
#undef RL_SIGN
#undef RL_CALL
};

// How many arguments are steps.
int count_args(const Formula::Step& s) {
  if (s.fn == Fn::input) return 0;
  int n = 0;
  while (n < 3 && s.args[n] >= 0) n++;
  return n;
}

std::string number_text(const Scalar& v) {
  if (v.is_bool()) return v.to<bool>() ? "true" : "false";
  if (v.is_complex()) {
    auto z = v.to<complex128>();
    return str("(", z.real(), ", ", z.imag(), ")");
  }
  double d = v.to_double();
  return std::abs(d) < 1e15 && d == std::trunc(d) ? str(int64_t(d)) : str(d);
}
}  // namespace

struct FormulaWriter {
  static int32_t write(Formula::Step step) {
    RL_INVARIANT(recording);
    recording->steps_.push_back(std::move(step));
    return int32_t(recording->steps_.size()) - 1;
  }
};

Formula::Recording::Recording(Formula& into) : before_(std::exchange(recording, &into)) {}
Formula::Recording::~Recording() { recording = before_; }

namespace detail {
int32_t write_step(int32_t kind, int32_t a, int32_t b, int32_t c) {
  return FormulaWriter::write({.fn = Fn(kind >> 8), .dtype = DType(kind & 0xFF), .args = {a, b, c}, .value = {}});
}
namespace {
int32_t write_value(DType d, const Scalar& v) {
  return FormulaWriter::write({.fn = Fn::constant, .dtype = d, .args = {-1, -1, -1}, .value = v});
}
}  // namespace
int32_t write_number(DType d, double v) { return write_value(d, v); }
int32_t write_number(DType d, int64_t v) { return write_value(d, d == DType::Bool ? Scalar(v != 0) : Scalar(v)); }
int32_t write_number(DType d, complex128 v) { return write_value(d, v); }
}  // namespace detail

std::string Formula::text() const {
  std::vector<int> uses(steps_.size());
  uses[size_t(result_)] = 1;
  for (size_t at = steps_.size(); at-- > 0;)
    for (int i = 0; uses[at] && i < count_args(steps_[at]); i++) uses[size_t(steps_[at].args[i])]++;
  std::vector<std::string> texts(steps_.size());
  std::vector<bool> infix(steps_.size());
  std::string out;
  int named = 0;
  for (size_t at = 0; at < steps_.size(); at++) {
    const Step& s = steps_[at];
    const Spelling& spelling = kSpellings[int(s.fn)];
    int count = count_args(s);
    auto arg = [&](int i, bool nested) {
      size_t of = size_t(s.args[i]);
      return nested && infix[of] ? "(" + texts[of] + ")" : texts[of];
    };
    std::string& text = texts[at];
    if (s.fn == Fn::input) {
      text = str("x", s.args[0]);
    } else if (s.fn == Fn::constant) {
      text = number_text(s.value);
    } else if (s.fn == Fn::negative) {
      text = "-" + arg(0, true);
    } else if (spelling.sign && count == 1) {
      text = spelling.name + arg(0, true);
    } else if (spelling.sign) {
      text = arg(0, true) + " " + spelling.name + " " + arg(1, true);
      infix[at] = true;
    } else {
      text = s.fn == Fn::cast ? std::string(name_of(s.dtype)) : spelling.name;
      text += "(";
      for (int i = 0; i < count; i++) text += (i ? ", " : "") + arg(i, false);
      text += ")";
    }
    if (uses[at] > 1 && s.fn != Fn::input && s.fn != Fn::constant) {
      std::string name = str("y", named++);
      out += name + " = " + text + "; ";
      text = name;
      infix[at] = false;
    }
  }
  return out + texts[size_t(result_)];
}

}  // namespace rushlight
