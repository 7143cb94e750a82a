// Pointwise nodes in one loop over pieces of their tensors that stay in the cache: each step is its record's row over a piece.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "rushlight/dispatch/functor_dtype.h"
#include "rushlight/dispatch/run.h"
#include "rushlight/graph/executor/group.h"
#include "rushlight/graph/passes/groups.h"
#include "rushlight/kernels/loops.h"

namespace rushlight::graph {
namespace {

constexpr int64_t kPiece = 8192;  // bytes: a few of them fit into the first-level cache
constexpr size_t kMostBuffers = 12, kMostInputs = 16, kMostOutputs = 16, kMostSteps = 32;

class PointwiseGroup final : public Group {
 public:
  explicit PointwiseGroup(const Node& group) {
    std::unordered_map<const Value*, Place> places;
    inputs_ = group.inputs().size();
    for (size_t i = 0; i < inputs_; i++) places[group.input(i)] = {Place::Input, int(i)};
    const Block& body = *group.blocks()[0];
    outputs_ = body.outputs().size();
    if (inputs_ > kMostInputs || outputs_ > kMostOutputs) return;
    std::unordered_map<const Value*, const Node*> last;
    for (const Node* n : body)
      for (const Value* v : n->inputs()) last[v] = n;
    std::vector<int> free;
    for (const Node* n : body) {
      if (!is_pointwise(*n)) return;
      Step s{n->op->def().kernel.pointwise};
      for (size_t i = 0; i < n->inputs().size(); i++) {
        const Value* v = n->input(i);
        const IValue* c = constant_of(v);
        s.args.push_back(c ? *c : IValue());
        if (i >= size_t(s.info->inputs)) continue;
        if (c) s.from.push_back({Place::Number, int(numbers_.size())}), numbers_.push_back(c->to_double());
        else if (auto p = places.find(v); p != places.end()) s.from.push_back(p->second);
        else return;
      }
      s.from.resize(size_t(s.info->inputs), {Place::Number, -1});
      for (const Place& p : s.from)
        if (p.kind == Place::Number && p.at < 0) return;
      auto given = std::find(body.outputs().begin(), body.outputs().end(), n->output());
      if (given != body.outputs().end()) {
        s.to = {Place::Output, int(given - body.outputs().begin())};
      } else {
        // Not over an argument: a row's tail is computed twice.
        if (free.empty()) free.push_back(buffers_++);
        s.to = {Place::Buffer, free.back()};
        free.pop_back();
      }
      for (const Value* v : n->inputs())
        if (auto p = places.find(v); p != places.end() && p->second.kind == Place::Buffer && last[v] == n &&
                                     std::find(free.begin(), free.end(), p->second.at) == free.end())
          free.push_back(p->second.at);
      places[n->output()] = s.to;
      steps_.push_back(std::move(s));
    }
    for (const Value* v : body.outputs())
      if (auto p = places.find(v); p == places.end() || p->second.kind != Place::Output) return;
    ready_ = size_t(buffers_) + numbers_.size() <= kMostBuffers && steps_.size() <= kMostSteps;
    for (DType d : {DType::Float32, DType::Float64}) rows_[d == DType::Float64] = rows_for(d);
  }
  bool ready() const { return ready_; }

  bool run(const Tensor* const* inputs, IValue* results, uint32_t known) override {
    const Tensor& first = *inputs[0];
    DType d = first.dtype();
    if ((d != DType::Float32 && d != DType::Float64) || first.numel() == 0) return false;
    for (size_t i = 0; i < inputs_; i++)
      if (inputs[i]->dtype() != d || inputs[i]->sizes() != first.sizes() || !inputs[i]->is_contiguous() ||
          inputs[i]->impl()->wrapped_number)
        return false;
    const std::vector<Row>& rows = rows_[d == DType::Float64];
    if (rows.empty()) return false;
    char *from[kMostInputs], *to[kMostOutputs];
    for (size_t i = 0; i < inputs_; i++) from[i] = static_cast<char*>(inputs[i]->raw());
    for (size_t k = 0; k < outputs_; k++) {
      if (!can_write_over(results[k], first.sizes(), {}, d, known >> k & 1))
        results[k] = IValue(empty_tensor(first.sizes(), d));
      to[k] = static_cast<char*>(results[k].tensor().raw());
    }
    int64_t size = item_size(d), n = first.numel();
    auto piece_of = [&](int64_t begin, int64_t end) {
      // Room for what no caller sees; small tensors take a corner of it.
      alignas(64) char room[kMostBuffers * size_t(kPiece)];
      int64_t piece = std::min(kPiece / size, end - begin);
      size_t apart = size_t((piece * size + 63) / 64 * 64);
      char* values = room + size_t(buffers_) * apart;
      for (size_t k = 0; k < numbers_.size(); k++) fill(d, values + k * apart, numbers_[k], piece);
      for (int64_t at = begin; at < end; at += piece) {
        int64_t count = std::min(piece, end - at);
        auto place = [&](const Place& p) -> char* {
          switch (p.kind) {
            case Place::Input: return from[p.at] + at * size;
            case Place::Output: return to[p.at] + at * size;
            case Place::Buffer: return room + size_t(p.at) * apart;
            default: return values + size_t(p.at) * apart;
          }
        };
        for (size_t k = 0; k < steps_.size(); k++) {
          const void* in[kMaxOperands];
          for (size_t i = 0; i < steps_[k].from.size(); i++) in[i] = place(steps_[k].from[i]);
          pointwise_row(*rows[k].entry, rows[k].functor, place(steps_[k].to), in, steps_[k].info->inputs, count);
        }
      }
    };
    if (n >= 2 * kGrain) parallel_for(0, n, kGrain, piece_of);
    else piece_of(0, n);
    return true;
  }

 private:
  struct Place {
    enum Kind : uint8_t { Input, Output, Buffer, Number } kind = Number;
    int at = -1;
  };
  struct Step {
    const PointwiseInfo* info;
    std::vector<IValue> args = {};  // tensors are None
    std::vector<Place> from = {};
    Place to = {};
  };
  struct Row {
    const PointwiseInfo::Entry* entry;
    alignas(16) char functor[kFunctorBytes] = {};
  };
  // Of all steps; empty where a step has none for the dtype.
  std::vector<Row> rows_for(DType d) const {
    if (d == DType::Float32)
      for (double v : numbers_)
        if (std::isinf(float(v)) && !std::isinf(v)) return {};  // what that means is the operator's to say
    std::vector<Row> rows;
    for (const Step& s : steps_) {
      const PointwiseInfo::Entry& e = s.info->entry(d);
      if (!e.row[0] || e.compute != d || e.result != d) return {};
      rows.push_back({&e});
      if (!e.make) continue;
      try {
        MakingFunctor making(d);
        e.make(rows.back().functor, s.args.data());
      } catch (const Error&) { return {}; }  // the operator says what is wrong
    }
    return rows;
  }
  static void fill(DType d, void* to, double v, int64_t n) {
    if (d == DType::Float32) std::fill_n(static_cast<float*>(to), n, float(v));
    else std::fill_n(static_cast<double*>(to), n, v);
  }

  std::vector<Step> steps_;
  std::vector<double> numbers_;
  std::vector<Row> rows_[2];  // for float32, float64
  size_t inputs_ = 0, outputs_ = 0;
  int buffers_ = 0;
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<Group> make_pointwise_group(const Node& group) {
  auto made = std::make_unique<PointwiseGroup>(group);
  return made->ready() ? std::move(made) : nullptr;
}

}  // namespace rushlight::graph
