// multinomial: indices drawn by weight, bit for bit PyTorch's CPU.
#include <algorithm>
#include <numeric>

#include "rushlight/core/generator.h"
#include "rushlight/fn/all.h"
#include "rushlight/fn/argmax.h"
#include "rushlight/fn/div.h"
#include "rushlight/fn/empty_like.h"
#include "rushlight/fn/exponential_.h"
#include "rushlight/fn/isfinite.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/topk.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

bool holds(const Tensor& conditions) { return item(all(conditions)).to<bool>(); }

TensorSpec multinomial_meta(const Tensor& self, int64_t samples, bool replacement, Generator*) {
  RL_CHECK(RuntimeError, self.dim() == 1 || self.dim() == 2, "prob_dist must be 1 or 2 dim");
  RL_CHECK(RuntimeError, is_floating(self.dtype()),
           "multinomial only supports floating-point dtypes for input, got: ", self.dtype());
  RL_CHECK(RuntimeError, samples > 0, "cannot sample n_sample <= 0 samples");
  RL_CHECK(RuntimeError, replacement || samples <= self.sizes().back(),
           "cannot sample n_sample > prob_dist.size(-1) samples without replacement. Hint: multinomial: ", samples,
           " of ", self.sizes().back(), "; pass replacement=True, or take fewer");
  return {.sizes = self.dim() == 2 ? Dims{self.sizes()[0], samples} : Dims{samples},
          .dtype = DType::Int64,
          .device = self.device()};
}
void multinomial_cpu(const Tensor& self, int64_t samples, bool replacement, Generator* generator, const Tensor& given) {
  int64_t categories = self.sizes().back(), rows = self.dim() == 2 ? self.sizes()[0] : 1;
  RL_CHECK(RuntimeError, holds(logical_and(isfinite(self), self >= 0.0)),
           "probability tensor contains either `inf`, `nan` or element < 0. Hint: logits become weights by softmax");
  RL_CHECK(RuntimeError, holds(sum(self, IntArrayRef(int64_t(-1))) > 0.0),
           "invalid multinomial distribution (sum of probabilities <= 0). Hint: each row needs a weight above 0; "
           "logits become weights "
           "by softmax");
  if (!replacement || samples == 1) {
    // The largest of weight / exponential(1): an exponential race (Efraimidis, Spirakis 2006), as PyTorch draws.
    Tensor race = div(self, exponential_(empty_like(self), 1, generator));
    return copy_elements(given, samples == 1 ? argmax(race, -1, true) : std::get<1>(topk(race, samples)));
  }
  // Inverse of the cumulative distribution.
  Tensor weights = dense(self, DType::Float64);
  Generator& g = generator ? *generator : default_generator();
  std::lock_guard lock(g.mutex());
  std::vector<double> cumulative(static_cast<size_t>(categories));
  fill_in_order(given, [&](const Tensor& out) {
    for (int64_t r = 0; r < rows; r++) {
      const double* w = weights.data<double>() + r * categories;
      std::partial_sum(w, w + categories, cumulative.begin());
      for (int64_t k = 0; k < samples; k++) {
        double at = double(g.random64() & ((1ull << 53) - 1)) * 0x1p-53 * cumulative.back();
        int64_t chosen = std::upper_bound(cumulative.begin(), cumulative.end(), at) - cumulative.begin();
        while (chosen == categories || w[chosen] == 0) chosen--;  // rounding ran past the end
        out.data<int64_t>()[r * samples + k] = chosen;
      }
    }
  });
}

}  // namespace

OP(multinomial,
   {.schema =
        "multinomial(Tensor self, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor",
    .doc = "Indices drawn by weight."
           " >>> torch.multinomial(torch.tensor([0., 1.]), 3, replacement=True)\ntensor([1, 1, 1])",
    .kernel = structured<multinomial_meta, multinomial_cpu>(),
    .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
