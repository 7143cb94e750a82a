// einsum and tensordot: products summed over named dimensions, as one batched matrix product a pair of operands.
#include <algorithm>
#include <map>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/bmm.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/mm.h"
#include "rushlight/fn/movedim.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"

namespace rushlight {
namespace {

// Labels are letters, or numbers from here on for the dimensions of an ellipsis, counted from the last.
constexpr int kEllipsis = 256;
using Labels = std::vector<int>;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The labels of one term; an ellipsis stands for `hidden` dimensions.
Labels labels_of(std::string_view term, int64_t hidden, const char* what, size_t which) {
  Labels out;
  bool seen = false;
  for (size_t i = 0; i < term.size(); i++) {
    char c = term[i];
    if (c == ' ') continue;
    if (c == '.') {
      RL_CHECK(RuntimeError, term.substr(i, 3) == "..." && !seen, "einsum(): found '.' for ", what, " ", which,
               " that is not part of any ellipsis");
      seen = true;
      i += 2;
      for (int64_t k = hidden; k-- > 0;) out.push_back(kEllipsis + int(k));
      continue;
    }
    RL_CHECK(RuntimeError, is_letter(c), "einsum(): invalid subscript given at index ", i,
             " in the equation string, subscripts must be in [a-zA-Z]");
    out.push_back(c);
  }
  return out;
}

struct Operand {
  Tensor tensor;
  Labels labels;
  int64_t find(int label) const {
    for (size_t i = 0; i < labels.size(); i++)
      if (labels[i] == label) return int64_t(i);
    return -1;
  }
};

// A label twice in one operand is its diagonal.
void take_diagonals(Operand& o) {
  for (size_t i = 0; i < o.labels.size(); i++)
    for (size_t j = i + 1; j < o.labels.size(); j++) {
      if (o.labels[i] != o.labels[j]) continue;
      RL_CHECK(RuntimeError, o.tensor.size(int64_t(i)) == o.tensor.size(int64_t(j)), "einsum(): subscript ",
               char(o.labels[i]), " is repeated for an operand but the sizes don't match, ", o.tensor.size(int64_t(j)),
               " != ", o.tensor.size(int64_t(i)));
      int label = o.labels[i];
      o.tensor = diagonal(o.tensor, 0, int64_t(i), int64_t(j));  // the diagonal becomes the last dimension
      o.labels.erase(o.labels.begin() + int64_t(j));
      o.labels.erase(o.labels.begin() + int64_t(i));
      o.labels.push_back(label);
      i = size_t(-1);
      break;
    }
}

// Dimensions in the order of `order`; a label that the operand lacks becomes one of size 1.
Tensor arranged(const Operand& o, const Labels& order) {
  Tensor t = o.tensor;
  std::vector<int64_t> dims;
  int64_t next = t.dim();
  for (int label : order) {
    int64_t at = o.find(label);
    if (at < 0) {
      t = unsqueeze(t, next);
      at = next++;
    }
    dims.push_back(at);
  }
  return permute(t, dims);
}

Operand sum_out(Operand o, const std::vector<int64_t>& dims) {
  if (dims.empty()) return o;
  Labels kept;
  for (size_t i = 0; i < o.labels.size(); i++)
    if (std::find(dims.begin(), dims.end(), int64_t(i)) == dims.end()) kept.push_back(o.labels[i]);
  return {sum(o.tensor, IntArrayRef(dims), false), kept};
}

// The product of two operands, summed over the labels that `later` does not name.
Operand contract(Operand a, Operand b, const Labels& later) {
  auto wanted = [&](int label) { return std::find(later.begin(), later.end(), label) != later.end(); };
  auto alone = [&](const Operand& o, const Operand& other) {
    std::vector<int64_t> dims;
    for (size_t i = 0; i < o.labels.size(); i++)
      if (!wanted(o.labels[i]) && (other.find(o.labels[i]) < 0 || other.tensor.size(other.find(o.labels[i])) == 1) &&
          o.tensor.size(int64_t(i)) != 1) {
        // Broadcast against size 1 there: summing first is the same.
        dims.push_back(int64_t(i));
      }
    return dims;
  };
  auto dims_a = alone(a, b), dims_b = alone(b, a);
  a = sum_out(std::move(a), dims_a);
  b = sum_out(std::move(b), dims_b);
  DType common = promote_types(a.tensor.dtype(), b.tensor.dtype());  // sums of integers are int64
  a.tensor = to(a.tensor, common);
  b.tensor = to(b.tensor, common);
  Labels batch, left, right, summed;
  for (int label : a.labels) {
    int64_t other = b.find(label);
    if (other < 0) left.push_back(label);
    else if (wanted(label)) batch.push_back(label);
    else summed.push_back(label);
  }
  for (int label : b.labels)
    if (a.find(label) < 0) right.push_back(label);
  auto extent = [&](int label) {
    int64_t i = a.find(label), j = b.find(label);
    int64_t x = i < 0 ? 1 : a.tensor.size(i), y = j < 0 ? 1 : b.tensor.size(j);
    RL_CHECK(RuntimeError, x == y || x == 1 || y == 1,
             "einsum(): operands do not broadcast with remapped shapes [original->remapped]: sizes ", x, " and ", y,
             " of one subscript differ. Hint: operands of shapes ", a.tensor.sizes(), " and ", b.tensor.sizes(),
             "; give dimensions of different sizes different letters");
    return x == 1 ? y : x;
  };
  auto sizes = [&](const Labels& labels) {
    Dims out;
    for (int label : labels) out.push_back(extent(label));
    return out;
  };
  Dims nb = sizes(batch), nl = sizes(left), nr = sizes(right), ns = sizes(summed);
  auto shaped = [&](const Operand& o, const Labels& first, const Labels& second, int64_t rows, int64_t columns) {
    Labels order = batch;
    order.insert(order.end(), first.begin(), first.end());
    order.insert(order.end(), second.begin(), second.end());
    Tensor t = arranged(o, order);
    // Size 1 against more: seen as often as the other operand has it.
    Dims full;
    for (int label : order) full.push_back(extent(label));
    return reshape(expand(t, full), {product(nb), rows, columns});
  };
  Tensor out =
      bmm(shaped(a, left, summed, product(nl), product(ns)), shaped(b, summed, right, product(ns), product(nr)));
  Dims full = nb;
  for (int64_t n : nl) full.push_back(n);
  for (int64_t n : nr) full.push_back(n);
  Labels labels = batch;
  labels.insert(labels.end(), left.begin(), left.end());
  labels.insert(labels.end(), right.begin(), right.end());
  return {reshape(out, full), labels};
}

Tensor einsum(std::string_view equation, TensorList tensors, const std::optional<IntArrayRef>&) {
  RL_CHECK(RuntimeError, !tensors.empty(), "einsum(): must provide at least one operand");
  size_t arrow = equation.find("->");
  std::string_view inputs = equation.substr(0, arrow);
  std::vector<std::string_view> terms;
  for (size_t start = 0;;) {
    size_t comma = inputs.find(',', start);
    terms.push_back(inputs.substr(start, comma == std::string_view::npos ? comma : comma - start));
    if (comma == std::string_view::npos) break;
    start = comma + 1;
  }
  RL_CHECK(RuntimeError, terms.size() <= tensors.size(),
           "einsum(): fewer operands were provided than specified in the equation. Hint: it has ", terms.size(),
           " terms before the arrow, and there are ", tensors.size(), " tensors");
  RL_CHECK(RuntimeError, terms.size() == tensors.size(),
           "einsum(): more operands were provided than specified in the equation. Hint: it has ", terms.size(),
           " terms before the arrow, and there are ", tensors.size(), " tensors");
  std::vector<Operand> operands;
  std::map<int, int> uses;
  int64_t most_hidden = 0;
  for (size_t i = 0; i < terms.size(); i++) {
    int64_t letters = 0;
    for (char c : terms[i]) letters += is_letter(c);
    bool ellipsis = terms[i].find("...") != std::string_view::npos;
    int64_t hidden = ellipsis ? tensors[i].dim() - letters : 0;
    RL_CHECK(RuntimeError, ellipsis ? hidden >= 0 : letters == tensors[i].dim(),
             "einsum(): the number of subscripts in the equation (", letters,
             ellipsis ? ") is more than the number of dimensions (" : ") does not match the number of dimensions (",
             tensors[i].dim(), ") for operand ", i, ellipsis ? "" : " and no ellipsis was given", ". Hint: '", terms[i],
             "' stands for the operand of shape ", tensors[i].sizes(), "; write a letter for each dimension, or ...");
    most_hidden = std::max(most_hidden, hidden);
    operands.push_back({tensors[i], labels_of(terms[i], hidden, "operand", i)});
    for (int label : operands.back().labels) uses[label]++;
    take_diagonals(operands.back());
  }
  Labels output;
  if (arrow != std::string_view::npos) {
    output = labels_of(equation.substr(arrow + 2), most_hidden, "the output", 0);
    for (size_t i = 0; i < output.size(); i++) {
      RL_CHECK(RuntimeError, std::count(output.begin(), output.end(), output[i]) == 1, "einsum(): output subscript ",
               char(output[i]), " appears more than once in the output");
      RL_CHECK(RuntimeError, uses.count(output[i]), "einsum(): output subscript ", char(output[i]),
               " does not appear in the equation for any input operand");
    }
  } else {  // the ellipsis, then what is named once, in the order of the alphabet
    for (int64_t k = most_hidden; k-- > 0;) output.push_back(kEllipsis + int(k));
    for (auto [label, count] : uses)
      if (label < kEllipsis && count == 1) output.push_back(label);
  }
  Operand result = operands[0];
  for (size_t i = 1; i < operands.size(); i++) {
    Labels later = output;
    for (size_t k = i + 1; k < operands.size(); k++)
      later.insert(later.end(), operands[k].labels.begin(), operands[k].labels.end());
    result = contract(std::move(result), operands[i], later);
  }
  std::vector<int64_t> rest;
  for (size_t i = 0; i < result.labels.size(); i++)
    if (std::find(output.begin(), output.end(), result.labels[i]) == output.end()) rest.push_back(int64_t(i));
  result = sum_out(std::move(result), rest);
  return arranged(result, output);
}

Tensor tensordot(const Tensor& given, const Tensor& with, IntArrayRef dims_self, IntArrayRef dims_other) {
  Tensor self = given, other = with;
  RL_CHECK(RuntimeError, dims_self.size() == dims_other.size(), "both dimension lists should have same length");
  std::vector<bool> used_a(size_t(self.dim()) + 1), used_b(size_t(other.dim()) + 1);
  std::vector<int64_t> order_a, order_b;
  int64_t shared = 1;
  Dims sizes;
  std::vector<int64_t> wrapped_a, wrapped_b;
  for (size_t i = 0; i < dims_self.size(); i++) {
    wrapped_a.push_back(wrap_dim(dims_self[i], self.dim()));
    wrapped_b.push_back(wrap_dim(dims_other[i], other.dim()));
    int64_t x = self.size(wrapped_a[i]), y = other.size(wrapped_b[i]);
    RL_CHECK(RuntimeError, x == y || x == 1 || y == 1, "contracted dimensions need to match, but first has size ", x,
             " in dim ", dims_self[i], " and second has size ", y, " in dim ", dims_other[i]);
    // Size 1 against more counts for each of them.
    if (x != y && x == 1) other = sum(other, IntArrayRef(wrapped_b[i]), true, other.dtype());
    if (x != y && y == 1) self = sum(self, IntArrayRef(wrapped_a[i]), true, self.dtype());
    shared *= std::min(x, y);
    used_a[size_t(wrapped_a[i])] = used_b[size_t(wrapped_b[i])] = true;
  }
  int64_t rows = 1, columns = 1;
  for (int64_t d = 0; d < self.dim(); d++)
    if (!used_a[size_t(d)]) order_a.push_back(d), sizes.push_back(self.size(d)), rows *= self.size(d);
  order_a.insert(order_a.end(), wrapped_a.begin(), wrapped_a.end());
  order_b = wrapped_b;
  for (int64_t d = 0; d < other.dim(); d++)
    if (!used_b[size_t(d)]) order_b.push_back(d), sizes.push_back(other.size(d)), columns *= other.size(d);
  Tensor a = reshape(permute(self, order_a), {rows, shared}), b = reshape(permute(other, order_b), {shared, columns});
  return reshape(mm(a, b), sizes);
}

}  // namespace

OP(einsum, {.schema = "einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor",
            .doc = "Products summed over the labels that the output does not name. >>> torch.einsum('ij,jk', "
                   "torch.ones(2, 3), torch.ones(3, 1))\ntensor([[3.],\n        [3.]])",
            .kernel = composite<einsum>(),
            .forms = kFunction});
OP(tensordot,
   {.schema = "tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
    .doc = "Sums products over pairs of dimensions."
           " >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 2), dims=1)\ntensor([[3., 3.],\n        [3., 3.]])",
    .kernel = composite<tensordot>(),
    .forms = kFunction | kOut});

}  // namespace rushlight
