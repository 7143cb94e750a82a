// Embeddings whose rows are integers of 8 or 4 bits, each row with a scale of its own.
#include "rushlight/fn/embedding.h"

#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/embedding_bag.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

IValue prepack(const Tensor& weight) {
  return packed(
      "quantized.EmbeddingPackedParamsBase",
      IValue::tuple({1, IValue(Tensors{weight}), IValue(std::vector<double>{}), IValue(std::vector<int64_t>{8})}));
}
Tensor unpack(const IValue& w) { return embedding_of(w).weight; }
Tensor look_up(const IValue& w, const Tensor& indices, bool) {
  return embedding(dequantize(embedding_of(w).weight), indices);
}
Tensor bag(const IValue& w, const Tensor& indices, const Tensor& offsets, bool, int64_t mode, bool,
           const Tensor& factors, const Tensor& mapping, bool include_last) {
  RL_CHECK(NotImplementedError, !mapping.defined(),
           "quantized::embedding_bag_byte: not implemented for pruned weights");
  return std::get<0>(
      embedding_bag(dequantize(embedding_of(w).weight), indices, offsets, false, mode, false, factors, include_last));
}

}  // namespace

void define_embedding(OpLibrary& m) {
  std::string w = class_of("Embedding");
  define<prepack>(m, "embedding_bag_prepack(Tensor weight) -> " + w + " W_prepack");
  define<unpack>(m, "embedding_bag_unpack(" + w + " W_prepack) -> Tensor W_origin");
  define<look_up>(m, "embedding_byte(" + w + " weight, Tensor indices, bool pruned_weights=False) -> Tensor");
  define<bag>(
      m, "embedding_bag_byte(" + w +
             " weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool "
             "pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool "
             "include_last_offset=False) -> Tensor");
}

}  // namespace rushlight::quantized
