// Convolutions and their like as one program for each shape that comes.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "rushlight/graph/executor/group.h"
#include "rushlight/graph/passes/groups.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight::graph {
namespace {

using Kind = NetworkLayer::Kind;

// Those of a parameter that is a value; null for others.
const Dims* sizes_of(const NetworkLayer::Parameter& p, const NetworkSpec& spec) {
  return p.value < 0 ? nullptr : &spec.sizes(p.value);
}
// Whether what a step takes as parameters has the sizes that it needs; those of weights become its window's.
bool fit_parameters(NetworkStep& s, const NetworkSpec& spec, const Dims& in) {
  if (s.layer.kind == Kind::Conv) {
    const Dims *weight = sizes_of(s.layer.weight, spec), *bias = sizes_of(s.layer.bias, spec);
    if (bias && bias->size() != 1) return false;
    if (weight) return set_weight(s, *weight, bias ? std::optional((*bias)[0]) : std::nullopt);
    return !bias || (*bias)[0] == s.weight[0];
  }
  if (s.layer.kind != Kind::BatchNorm) return true;
  if (in.size() < 2 || (!s.weight.empty() && s.weight[0] != in[1])) return false;
  for (const auto& p : {s.layer.weight, s.layer.bias, s.layer.mean, s.layer.variance})
    if (const Dims* sizes = sizes_of(p, spec); sizes && (sizes->size() != 1 || (*sizes)[0] != in[1])) return false;
  return true;
}

// Multiplications of a linear layer that a program is made for; others are as fast without, and start sooner.
constexpr int64_t kLeastWork = 1 << 20;

// The sizes of a step's result; false where its input has not the sizes that it needs.
bool fit(NetworkStep s, NetworkLayer& l, const NetworkSpec& spec) {
  const Dims& in = spec.sizes(l.a);
  if (!fit_parameters(s, spec, in)) return false;
  l.window = s.layer.window;
  ConvProblem& w = l.window;
  if (s.spatial && in.size() != size_t(s.spatial) + 2) return false;
  for (int64_t size : in)
    if (size < 1) return false;
  if (l.kind == Kind::Linear) {
    if (in.empty() || in.back() != w.in) return false;
    l.sizes = in;
    l.sizes.back() = w.out;
    return product(in) >= (kLeastWork + w.out - 1) / w.out;
  }
  if (l.kind != Kind::Conv && l.kind != Kind::MaxPool && l.kind != Kind::MeanPool) {
    l.sizes = in;
    return in.size() >= 2 && in.size() <= 5;
  }
  if (l.kind == Kind::Conv && in[1] != w.in * w.groups) return false;
  l.sizes = in;
  if (l.kind == Kind::Conv) l.sizes[1] = s.weight[0];
  w.batch = in[0];
  for (int d = 0; d < w.spatial; d++) {
    int64_t size = w.input[d] = in[size_t(d) + 2];
    if (s.adaptive) {
      if (size % w.output[d]) return false;
      w.kernel[d] = w.stride[d] = size / w.output[d];
    } else {
      int64_t reach = size + 2 * w.padding[d] - (w.kernel[d] - 1) * w.dilation[d] - 1;
      if (reach < 0) return false;
      w.output[d] = (reach + (s.ceil ? w.stride[d] - 1 : 0)) / w.stride[d] + 1;
      if (s.ceil && (w.output[d] - 1) * w.stride[d] >= size + w.padding[d]) w.output[d]--;
    }
    l.sizes[size_t(d) + 2] = w.output[d];
  }
  return true;
}

// All values as rows of their last dimension.
void in_rows(NetworkSpec& spec) {
  auto rows = [](Dims& d) { d = {product(d) / d.back(), d.back()}; };
  for (Dims& d : spec.inputs) rows(d);
  for (NetworkLayer& l : spec.layers) rows(l.sizes);
}

class NetworkGroup final : public Group {
 public:
  explicit NetworkGroup(const Node& group) {
    std::unordered_map<const Value*, int> numbers;
    for (const Value* v : group.inputs()) numbers.emplace(v, int(numbers.size()));
    inputs_ = numbers.size();
    const Block& body = *group.blocks()[0];
    for (const Node* n : body) {
      auto step = network_step(*n);
      if (!step) return;
      for (int k = 0; k < step->tensors; k++) {
        auto found = numbers.find(n->input(size_t(k)));
        if (found == numbers.end()) return;
        (k ? step->layer.b : step->layer.a) = found->second;
      }
      NetworkLayer& l = step->layer;
      for (NetworkLayer::Parameter* p : {&l.weight, &l.bias, &l.mean, &l.variance}) {
        if (p->value < 0) continue;
        auto found = numbers.find(n->input(size_t(p->value)));
        if (found == numbers.end() || found->second >= int(inputs_)) return;
        p->value = found->second;
        varies_ = true;
      }
      is_linear_ |= l.kind == Kind::Linear;
      steps_.push_back(std::move(*step));
      numbers.emplace(n->output(), int(numbers.size()));
    }
    for (const Value* v : body.outputs()) {
      auto found = numbers.find(v);
      if (found == numbers.end()) return;
      outputs_.push_back(found->second);
    }
    ready_ = true;
    // For the shapes of an example that was traced the program is made now.
    std::vector<Dims> sizes;
    for (const Value* v : group.inputs())
      if (v->facts && v->facts->dtype == DType::Float32 && v->facts->sizes) sizes.push_back(*v->facts->sizes);
    if (sizes.size() == inputs_ && !varies_) compile(std::move(sizes), num_threads());
  }
  ~NetworkGroup() override {
    for (Program* p = programs_.load(); p;) {
      std::unique_ptr<Program> gone(p);
      p = p->next;
    }
  }
  bool ready() const { return ready_; }

  bool run(const Tensor* const* inputs, IValue* results, uint32_t) override {
    for (size_t i = 0; i < inputs_; i++)
      if (inputs[i]->dtype() != DType::Float32) return false;
    int threads = in_parallel_region() ? 1 : num_threads();
    Program* program = find(inputs, threads);
    if (!program) {
      std::vector<Dims> sizes;
      for (size_t i = 0; i < inputs_; i++) sizes.push_back(inputs[i]->sizes());
      if (varies_ && is_new(sizes)) return false;
      program = compile(std::move(sizes), threads);
    }
    if (!program || !program->network) return false;
    constexpr size_t kFew = 8;
    void *few[2 * kFew], **from = few, **to = few + kFew;
    std::vector<void*> many;
    if (std::max(inputs_, outputs_.size()) > kFew) {
      many.resize(inputs_ + outputs_.size());
      from = many.data();
      to = from + inputs_;
    }
    for (size_t i = 0; i < inputs_; i++) {
      if (!inputs[i]->is_contiguous()) return false;
      from[i] = inputs[i]->raw();
    }
    for (size_t k = 0; k < outputs_.size(); k++) {
      Tensor out = empty_tensor(program->sizes[k], DType::Float32);
      to[k] = out.raw();
      results[k] = IValue(std::move(out));
    }
    program->network->run(from, to);
    return true;
  }

 private:
  // For one list of shapes. Null network: nothing takes them.
  struct Program {
    std::vector<Dims> inputs, sizes;
    int threads = 1;
    std::unique_ptr<Network> network;
    Program* next = nullptr;
  };
  // Beyond it, the nodes run one by one: a program costs some ten milliseconds and, for each convolution, some 50 KB.
  static constexpr int kMostPrograms = 16;

  Program* find(const Tensor* const* inputs, int threads) const {
    return find([&](size_t i) -> const Dims& { return inputs[i]->sizes(); }, threads);
  }
  template <class F>
  Program* find(const F& sizes, int threads) const {
    for (Program* p = programs_.load(std::memory_order_acquire); p; p = p->next) {
      bool same = p->threads == threads;
      for (size_t i = 0; same && i < inputs_; i++) same = p->inputs[i] == sizes(i);
      if (same) return p;
    }
    return nullptr;
  }
  // A model that still has its parameters may be run once, or with images of all sizes: what came before gets a program.
  bool is_new(const std::vector<Dims>& sizes) {
    std::lock_guard lock(mutex_);
    if (std::find(seen_.begin(), seen_.end(), sizes) != seen_.end()) return false;
    if (seen_.size() < kMostPrograms) seen_.push_back(sizes);
    return true;
  }
  Program* compile(std::vector<Dims> sizes, int threads) {
    std::lock_guard lock(mutex_);
    if (Program* made = find([&](size_t i) -> const Dims& { return sizes[i]; }, threads)) return made;
    if (count_ == kMostPrograms) return nullptr;
    count_++;
    auto p = std::make_unique<Program>();
    p->threads = threads;
    NetworkSpec spec;
    spec.inputs = std::move(sizes);
    spec.outputs = outputs_;
    bool fits = true;
    for (const NetworkStep& s : steps_) {
      NetworkLayer l = s.layer;
      if (s.tensors == 2 && spec.sizes(l.a) != spec.sizes(l.b)) {
        // Channels times a number each, as squeeze-and-excitation has them; oneDNN broadcasts the second.
        const Dims &a = spec.sizes(l.a), &b = spec.sizes(l.b);
        fits = a.size() == b.size();
        for (size_t d = 0; fits && d < a.size(); d++) fits = a[d] == b[d] || b[d] == 1;
      }
      if (!fits || !(fits = fit(s, l, spec))) break;
      spec.layers.push_back(std::move(l));
    }
    p->inputs = spec.inputs;
    if (fits) {
      for (int v : outputs_) p->sizes.push_back(spec.sizes(v));
      if (is_linear_) in_rows(spec);
      p->network = compile_network(spec, packed_);
      // What the steps and the compilation left is of no use to a run: blocks of other sizes, and a MB or two of the heap.
      if (p->network) cpu_allocator().trim();
    }
    p->next = programs_.load(std::memory_order_relaxed);
    programs_.store(p.get(), std::memory_order_release);
    return p.release();
  }

  size_t inputs_ = 0;
  std::vector<NetworkStep> steps_;
  std::vector<int> outputs_;
  std::atomic<Program*> programs_{nullptr};  // only grows while the group lives: found without a lock
  std::shared_ptr<PackedWeights> packed_;
  std::mutex mutex_;
  std::vector<std::vector<Dims>> seen_;
  int count_ = 0;
  bool varies_ = false;     // parameters are inputs
  bool is_linear_ = false;  // linear layers and functions behind them
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<Group> make_network_group(const Node& group) {
  auto made = std::make_unique<NetworkGroup>(group);
  return made->ready() ? std::move(made) : nullptr;
}

}  // namespace rushlight::graph
