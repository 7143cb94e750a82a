// Networks as oneDNN primitives over one block of memory.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "rushlight/kernels/network.h"
#include "rushlight/kernels/onednn.h"

namespace rushlight {
namespace {

using namespace onednn;
using Kind = NetworkLayer::Kind;
using Function = NetworkLayer::Function;

constexpr int kBinaryAdd = 0x1fff0, kBinaryMul = 0x1fff1;
constexpr int kPoolMax = 0x1ff, kPoolAll = 0x2ff, kPoolInside = 0x3ff;
constexpr int kArgSrc1 = 2, kArgMean = 49, kArgVariance = 50, kArgScale = 51, kArgShift = 52;
constexpr unsigned kGlobalStats = 1, kUseScale = 2, kUseShift = 4, kThenRelu = 8;

// A description of memory, destroyed with its owner.
class Desc {
 public:
  Desc() = default;
  explicit Desc(Handle h) : handle_(h) {}
  Desc(Desc&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Desc& operator=(Desc&& o) noexcept {
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~Desc() {
    if (handle_) dnnl().memory_desc_destroy(handle_);
  }
  Desc copy() const {
    Handle h = nullptr;
    ok(dnnl().memory_desc_clone(&h, handle_), "memory_desc_clone");
    return Desc(h);
  }
  // Of a primitive's tensor.
  static Desc of(Handle pd, int query, int index = 0) {
    Handle h = nullptr;
    ok(dnnl().memory_desc_clone(&h, dnnl().primitive_desc_query_md(pd, query, index)), "memory_desc_clone");
    return Desc(h);
  }
  static Desc dense(const Dims& sizes) { return Desc(dense_desc(int(sizes.size()), sizes.begin(), kF32)); }
  static Desc any(const Dims& sizes) { return Desc(any_desc(int(sizes.size()), sizes.begin(), kF32)); }
  Handle get() const { return handle_; }
  size_t bytes() const { return dnnl().memory_desc_get_size(handle_); }
  bool operator==(const Desc& o) const { return dnnl().memory_desc_equal(handle_, o.handle_); }

 private:
  Handle handle_ = nullptr;
};

struct PrimitiveDesc {
  Handle handle = nullptr;
  ~PrimitiveDesc() {
    if (handle) dnnl().primitive_desc_destroy(handle);
  }
};

struct Packed final : PackedWeights {
  struct Item {
    size_t layer;
    Desc desc;
    std::unique_ptr<Scratch> data;
  };
  std::vector<Item> items;
};

struct Unsupported {};
void need(Status status) {
  if (status != 0) throw Unsupported();
}

int algorithm(Function f) {
  switch (f) {
    case Function::Relu: return 0x20;
    case Function::Tanh: return 0x21;
    case Function::Elu: return 0x22;
    case Function::HardSigmoid: return 0x28;
    case Function::Logistic: return 0x29;
    case Function::GeluTanh: return 0x2b;
    case Function::Swish: return 0x2c;
    case Function::Clip: return 0x2f;
    case Function::Gelu: return 0x31;
    case Function::HardSwish: return 0x34;
  }
  throw Unsupported();
}

class OneDnnNetwork final : public Network {
 public:
  OneDnnNetwork(const NetworkSpec& spec, Packed& packed) : spec_(spec), packed_(packed) {
    plan_fusion();
    for (size_t i = 0; i < spec.inputs.size(); i++)
      set(int(i), add_buffer(Desc::dense(spec.inputs[i]), Place::Input, int(i)));
    for (size_t i = 0; i < spec.layers.size(); i++) {
      if (joined_[i] >= 0) continue;
      const NetworkLayer& l = spec.layers[i];
      switch (l.kind) {
        case Kind::Conv: conv(i); break;
        case Kind::Linear: linear(i); break;
        case Kind::MaxPool:
        case Kind::MeanPool: pool(i); break;
        case Kind::BatchNorm: batch_norm(i); break;
        case Kind::Function: function(i); break;
        case Kind::Add:
        case Kind::Mul: binary(i); break;
      }
    }
    for (size_t k = 0; k < spec.outputs.size(); k++) output(k);
    place();
    alternatives_.clear();
    primitive_made();
  }
  ~OneDnnNetwork() override {
    for (Context& c : free_)
      for (Handle m : c.memories) dnnl().memory_destroy(m);
  }

  size_t bytes() const override { return bytes_; }

  void run(void* const* inputs, void* const* outputs) override {
    const Dnnl& f = dnnl();
    primitive_used();
    use_threads();
    Scratch arena(bytes_);
    Context c = take();
    for (size_t i = 0; i < buffers_.size(); i++) {
      const Buffer& b = buffers_[i];
      if (b.place == Place::Constant) continue;
      void* at = b.place == Place::Arena   ? static_cast<char*>(arena.data()) + b.at
                 : b.place == Place::Input ? inputs[b.at]
                                           : outputs[b.at];
      if (at != c.where[i]) f.memory_set_data_handle(c.memories[i], c.where[i] = at);
    }
    Handle s = stream();
    size_t at = 0;
    for (const Step& step : steps_) {
      ok(f.primitive_execute(step.primitive.get(), s, int(step.args.size()), c.args.data() + at), "execute");
      at += step.args.size();
    }
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(c));
  }

 private:
  enum class Place : uint8_t { Arena, Input, Output, Constant };
  struct Buffer {
    Desc desc;
    Place place;
    size_t at;                 // offset in the arena, or number of the input or output
    void* constant = nullptr;  // of a Constant
    size_t bytes = 0;
    int first = -1, last = -1;  // steps
  };
  struct Destroy {
    void operator()(void* primitive) const { dnnl().primitive_destroy(primitive); }
  };
  struct Step {
    std::unique_ptr<void, Destroy> primitive;
    std::vector<std::pair<int, int>> args;  // oneDNN's number, buffer
  };
  // What a run needs for itself: memory objects, bound to the addresses of its last run.
  struct Context {
    std::vector<Handle> memories;
    std::vector<void*> where;
    std::vector<ExecArg> args;
  };

  Context take() {
    {
      std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        Context c = std::move(free_.back());
        free_.pop_back();
        return c;
      }
    }
    Context c;
    for (const Buffer& b : buffers_) {
      Handle m = nullptr;
      ok(dnnl().memory_create(&m, b.desc.get(), dnnl().engine, b.constant), "memory_create");
      c.memories.push_back(m);
      c.where.push_back(b.constant);
    }
    for (const Step& s : steps_)
      for (auto [arg, buffer] : s.args) c.args.push_back({arg, c.memories[size_t(buffer)]});
    return c;
  }

  // ---- values

  int inputs() const { return int(spec_.inputs.size()); }
  int result_of(size_t layer) const { return inputs() + int(layer); }
  int add_buffer(Desc desc, Place place, int at = 0, void* constant = nullptr) {
    size_t bytes = desc.bytes();
    buffers_.push_back({std::move(desc), place, size_t(at), constant, bytes});
    return int(buffers_.size()) - 1;
  }
  void set(int value, int buffer) {
    if (where_.size() <= size_t(value)) where_.resize(size_t(value) + 1, -1);
    where_[size_t(value)] = buffer;
  }
  int buffer(int value) const { return where_[size_t(value)]; }
  const Desc& desc(int buffer) const { return buffers_[size_t(buffer)].desc; }
  // Nothing reads the value after the layer, and its memory is ours.
  bool ends_at(int value, size_t layer) const {
    return buffers_[size_t(buffer(value))].place == Place::Arena && last_use_[size_t(value)] <= int(layer);
  }
  // What may follow a step that writes into the buffer of `value` must not find a copy of it from before.
  void overwritten(int value) {
    std::erase_if(alternatives_, [&](const auto& a) { return a.first == value; });
  }

  void add_step(Handle pd, std::vector<std::pair<int, int>> args) {
    Handle primitive = nullptr;
    need(dnnl().primitive_create(&primitive, pd));
    Step s{std::unique_ptr<void, Destroy>(primitive), std::move(args)};
    Desc scratch = Desc::of(pd, kQueryScratchpad);
    steps_.push_back(std::move(s));
    if (scratch.bytes()) steps_.back().args.emplace_back(kArgScratchpad, add_buffer(std::move(scratch), Place::Arena));
  }
  int reordered(int from, Desc to, Place place = Place::Arena, int at = 0) {
    PrimitiveDesc pd;
    const Dnnl& f = dnnl();
    need(f.reorder_primitive_desc_create(&pd.handle, desc(from).get(), f.engine, to.get(), f.engine, f.attributes));
    int made = add_buffer(std::move(to), place, at);
    add_step(pd.handle, {{kArgSrc, from}, {kArgDst, made}});
    return made;
  }
  // The buffer that has the value in that layout.
  int buffer_as(int value, const Desc& wanted) {
    int now = buffer(value);
    if (desc(now) == wanted) return now;
    for (auto [v, other] : alternatives_)
      if (v == value && desc(other) == wanted) return other;
    int made = reordered(now, wanted.copy());
    alternatives_.emplace_back(value, made);
    return made;
  }

  // ---- layers

  static bool is_relu(const NetworkLayer& l) {
    return l.kind == Kind::Function && l.function == Function::Relu && l.alpha == 0;
  }
  // Functions and one addition become part of the convolution or linear layer before them, where that is the last of what they need.
  void plan_fusion() {
    size_t layers = spec_.layers.size();
    joined_.assign(layers, -1);
    following_.resize(layers);
    std::vector<std::vector<int>> users(size_t(inputs()) + layers);
    last_use_.assign(users.size(), -1);
    for (size_t i = 0; i < layers; i++)
      for (int v : {spec_.layers[i].a, spec_.layers[i].b})
        if (v >= 0) users[size_t(v)].push_back(int(i));
    for (int v : spec_.outputs) users[size_t(v)].push_back(int(layers));
    auto made_at = [&](int value) {  // the layer that gives it, after fusion
      if (value < inputs()) return -1;
      int layer = value - inputs();
      return joined_[size_t(layer)] >= 0 ? joined_[size_t(layer)] : layer;
    };
    for (size_t i = 0; i < layers; i++) {
      int value = result_of(i);
      if (spec_.layers[i].kind == Kind::BatchNorm && users[size_t(value)].size() == 1) {
        int user = users[size_t(value)][0];
        if (user == int(layers) || !is_relu(spec_.layers[size_t(user)])) continue;
        joined_[size_t(user)] = int(i);
        following_[i].push_back(size_t(user));
      }
      if (spec_.layers[i].kind != Kind::Conv && spec_.layers[i].kind != Kind::Linear) continue;
      bool added = false;
      while (users[size_t(value)].size() == 1) {
        int user = users[size_t(value)][0];
        if (user == int(layers)) break;
        const NetworkLayer& u = spec_.layers[size_t(user)];
        if (u.kind == Kind::Add) {
          int other = u.a == value ? u.b : u.a;
          if (added || made_at(other) >= int(i) || spec_.sizes(other) != spec_.sizes(value)) break;
          added = true;
        } else if (u.kind != Kind::Function) {
          break;
        }
        joined_[size_t(user)] = int(i);
        following_[i].push_back(size_t(user));
        value = result_of(size_t(user));
      }
    }
    for (size_t v = 0; v < users.size(); v++)
      for (int u : users[v]) {
        int at = u < int(layers) && joined_[size_t(u)] >= 0 ? joined_[size_t(u)] : u;
        last_use_[v] = std::max(last_use_[v], at);
      }
  }

  // What follows a layer as part of it.
  struct Following {
    Handle attributes = nullptr, post = nullptr;
    int other = -1;  // the value that is added
    int value;       // the result of the last

    Following(const OneDnnNetwork& of, size_t layer) : value(of.result_of(layer)) {
      const Dnnl& f = dnnl();
      constexpr int user_scratchpad = 1;
      need(f.primitive_attr_create(&attributes));
      need(f.primitive_attr_set_scratchpad_mode(attributes, user_scratchpad));
      need(f.post_ops_create(&post));
      for (size_t next : of.following_[layer]) {
        const NetworkLayer& n = of.spec_.layers[next];
        if (n.kind == Kind::Add) {
          other = n.a == value ? n.b : n.a;
          need(f.post_ops_append_sum(post, 1, 0, 0));
        } else {
          need(f.post_ops_append_eltwise(post, algorithm(n.function), n.alpha, n.beta));
        }
        value = of.result_of(next);
      }
      need(f.primitive_attr_set_post_ops(attributes, post));
    }
    Following(const Following&) = delete;
    ~Following() {
      if (post) dnnl().post_ops_destroy(post);
      if (attributes) dnnl().primitive_attr_destroy(attributes);
    }
  };
  // The layer's step, whose result is that of what follows it.
  void add_fused(size_t i, Handle pd, std::vector<std::pair<int, int>> args, const Following& then) {
    Desc result = Desc::of(pd, kQueryDst);
    int to;
    if (then.other < 0) {
      to = add_buffer(std::move(result), Place::Arena);
    } else {  // the sum is taken where the other summand lies
      to = buffer(then.other);
      if (!ends_at(then.other, i) || !(desc(to) == result)) to = reordered(to, std::move(result));
      overwritten(then.other);
    }
    args.emplace_back(kArgDst, to);
    add_step(pd, std::move(args));
    set(then.value, to);
  }

  void linear(size_t i) {
    const Dnnl& f = dnnl();
    const NetworkLayer& l = spec_.layers[i];
    Following then(*this, i);
    Dims sizes = {l.window.in, l.window.out};
    int64_t strides[] = {l.turned ? l.window.out : 1, l.turned ? 1 : l.window.in};
    Desc dst = Desc::dense(l.sizes), any_weight = Desc::any(sizes), row = l.bias ? Desc::dense({1, sizes[1]}) : Desc();
    PrimitiveDesc pd;
    int from = buffer_as(l.a, Desc::dense(spec_.sizes(l.a)));
    need(f.matmul_primitive_desc_create(&pd.handle, f.engine, desc(from).get(), any_weight.get(), row.get(), dst.get(),
                                        then.attributes));
    std::vector<std::pair<int, int>> args = {{kArgSrc, from}};
    args.emplace_back(kArgWeights, packed(i, Desc(strided_desc(2, sizes.begin(), kF32, strides)),
                                          Desc::of(pd.handle, kQueryWeights)));
    if (l.bias) args.emplace_back(kArgBias, parameter(l.bias, row));
    add_fused(i, pd.handle, std::move(args), then);
  }

  void conv(size_t i) {
    const Dnnl& f = dnnl();
    const NetworkLayer& l = spec_.layers[i];
    const ConvProblem& p = l.window;
    Following then(*this, i);

    Dims weight = {p.out, p.in}, strides, dilates, before, after;
    if (p.groups > 1) weight.insert(0, p.groups);
    for (int d = 0; d < p.spatial; d++) {
      weight.push_back(p.kernel[d]);
      strides.push_back(p.stride[d]);
      dilates.push_back(p.dilation[d] - 1);
      before.push_back(p.padding[d]);
      after.push_back((p.output[d] - 1) * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] + 1 - p.input[d] -
                      p.padding[d]);
    }
    Desc src = Desc::any(spec_.sizes(l.a)), dst = Desc::any(l.sizes), any_weight = Desc::any(weight),
         bias = l.bias ? Desc::dense({p.groups * p.out}) : Desc();
    PrimitiveDesc pd;
    need(f.convolution_forward_primitive_desc_create(
        &pd.handle, f.engine, kForwardInference, kConvolutionDirect, src.get(), any_weight.get(), bias.get(), dst.get(),
        strides.begin(), dilates.begin(), before.begin(), after.begin(), then.attributes));
    std::vector<std::pair<int, int>> args;
    args.emplace_back(kArgSrc, buffer_as(l.a, Desc::of(pd.handle, kQuerySrc)));
    args.emplace_back(kArgWeights, weight_of(i, weight, Desc::of(pd.handle, kQueryWeights)));
    if (l.bias) args.emplace_back(kArgBias, parameter(l.bias, bias));
    add_fused(i, pd.handle, std::move(args), then);
  }

  // A vector's buffer.
  int parameter(const NetworkLayer::Parameter& p, const Desc& desc) {
    if (p.value >= 0) return buffer(p.value);
    return add_buffer(desc.copy(), Place::Constant, 0, const_cast<float*>(p.known));
  }
  // `sizes`: with the groups apart.
  int weight_of(size_t layer, const Dims& sizes, Desc wanted) {
    if (int value = spec_.layers[layer].weight.value; value >= 0) {
      if (sizes.size() == spec_.sizes(value).size()) return buffer_as(value, wanted);
      int plain = add_buffer(Desc::dense(sizes), Place::Input, value);
      return desc(plain) == wanted ? plain : reordered(plain, std::move(wanted));
    }
    return packed(layer, Desc::dense(sizes), std::move(wanted));
  }
  // A known weight, which lies as `plain` says.
  int packed(size_t layer, Desc plain, Desc wanted) {
    for (const Packed::Item& item : packed_.items)
      if (item.layer == layer && item.desc == wanted)
        return add_buffer(std::move(wanted), Place::Constant, 0, item.data->data());
    auto* given = const_cast<float*>(spec_.layers[layer].weight.known);
    if (plain == wanted) return add_buffer(std::move(wanted), Place::Constant, 0, given);
    const Dnnl& f = dnnl();
    PrimitiveDesc pd;
    need(f.reorder_primitive_desc_create(&pd.handle, plain.get(), f.engine, wanted.get(), f.engine, nullptr));
    Handle reorder = nullptr;
    need(f.primitive_create(&reorder, pd.handle));
    auto data = std::make_unique<Scratch>(wanted.bytes());
    {
      Memory from(plain.get(), given), to(wanted.get(), data->data());
      ExecArg args[] = {{kArgSrc, from.get()}, {kArgDst, to.get()}};
      Status status = f.primitive_execute(reorder, stream(), 2, args);
      f.primitive_destroy(reorder);
      need(status);
    }
    packed_.items.push_back({layer, wanted.copy(), std::move(data)});
    return add_buffer(std::move(wanted), Place::Constant, 0, packed_.items.back().data->data());
  }

  void pool(size_t i) {
    const NetworkLayer& l = spec_.layers[i];
    const ConvProblem& p = l.window;
    Dims kernel, strides, dilates, before, after;
    for (int d = 0; d < p.spatial; d++) {
      kernel.push_back(p.kernel[d]);
      strides.push_back(p.stride[d]);
      dilates.push_back(p.dilation[d] - 1);
      before.push_back(p.padding[d]);
      after.push_back((p.output[d] - 1) * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] + 1 - p.input[d] -
                      p.padding[d]);
      if (after.back() >= p.kernel[d] * p.dilation[d]) throw Unsupported();
    }
    const Dnnl& f = dnnl();
    int from = buffer(l.a);
    Desc dst = Desc::any(l.sizes);
    PrimitiveDesc pd;
    int kind = l.kind == Kind::MaxPool ? kPoolMax : l.count_padding ? kPoolAll : kPoolInside;
    need(f.pooling_forward_primitive_desc_create(&pd.handle, f.engine, kForwardInference, kind, desc(from).get(),
                                                 dst.get(), strides.begin(), kernel.begin(), dilates.begin(),
                                                 before.begin(), after.begin(), f.attributes));
    int to = add_buffer(Desc::of(pd.handle, kQueryDst), Place::Arena);
    add_step(pd.handle, {{kArgSrc, from}, {kArgDst, to}});
    set(result_of(i), to);
  }

  void batch_norm(size_t i) {
    const NetworkLayer& l = spec_.layers[i];
    const Dnnl& f = dnnl();
    int from = buffer(l.a), to = over(l.a, i);
    PrimitiveDesc pd;
    unsigned flags =
        kGlobalStats | (l.weight ? kUseScale : 0) | (l.bias ? kUseShift : 0) | (following_[i].empty() ? 0 : kThenRelu);
    need(f.batch_normalization_forward_primitive_desc_create(&pd.handle, f.engine, kForwardInference, desc(from).get(),
                                                             desc(to).get(), float(l.eps), flags, f.attributes));
    Desc channels = Desc::dense({l.sizes[1]});
    std::vector<std::pair<int, int>> args = {{kArgSrc, from}, {kArgDst, to}};
    args.emplace_back(kArgMean, parameter(l.mean, channels));
    args.emplace_back(kArgVariance, parameter(l.variance, channels));
    if (l.weight) args.emplace_back(kArgScale, parameter(l.weight, channels));
    if (l.bias) args.emplace_back(kArgShift, parameter(l.bias, channels));
    add_step(pd.handle, std::move(args));
    set(following_[i].empty() ? result_of(i) : result_of(following_[i][0]), to);
  }

  // Where the result of layer i goes that has its argument's layout: over the argument, if nothing needs that any more.
  int over(int value, size_t i) {
    int from = buffer(value);
    if (!ends_at(value, i)) return add_buffer(desc(from).copy(), Place::Arena);
    overwritten(value);
    return from;
  }

  void function(size_t i) {
    const NetworkLayer& l = spec_.layers[i];
    const Dnnl& f = dnnl();
    int from = buffer(l.a), to = over(l.a, i);
    PrimitiveDesc pd;
    need(f.eltwise_forward_primitive_desc_create(&pd.handle, f.engine, kForwardInference, algorithm(l.function),
                                                 desc(from).get(), desc(to).get(), l.alpha, l.beta, f.attributes));
    add_step(pd.handle, {{kArgSrc, from}, {kArgDst, to}});
    set(result_of(i), to);
  }

  void binary(size_t i) {
    const NetworkLayer& l = spec_.layers[i];
    const Dnnl& f = dnnl();
    int a = l.a, b = l.b;
    if (spec_.sizes(a) != l.sizes) std::swap(a, b);
    if (spec_.sizes(a) != l.sizes) throw Unsupported();
    bool same = spec_.sizes(b) == l.sizes;
    int from = buffer(a), second = same ? buffer_as(b, desc(from)) : buffer(b), to = over(a, i);
    PrimitiveDesc pd;
    need(f.binary_primitive_desc_create(&pd.handle, f.engine, l.kind == Kind::Add ? kBinaryAdd : kBinaryMul,
                                        desc(from).get(), desc(second).get(), desc(to).get(), f.attributes));
    add_step(pd.handle, {{kArgSrc, from}, {kArgSrc1, second}, {kArgDst, to}});
    set(result_of(i), to);
  }

  void output(size_t k) {
    int value = spec_.outputs[k], now = buffer(value);
    Desc plain = Desc::dense(spec_.sizes(value));
    Buffer& b = buffers_[size_t(now)];
    if (b.place == Place::Arena && b.desc == plain) {
      b.place = Place::Output;
      b.at = k;
    } else {
      reordered(now, std::move(plain), Place::Output, int(k));
    }
  }

  // Each buffer of the arena gets the lowest place that those it lives beside leave free, the largest first.
  void place() {
    constexpr size_t kAlign = 64;
    for (size_t s = 0; s < steps_.size(); s++)
      for (auto [arg, buffer] : steps_[s].args) {
        Buffer& b = buffers_[size_t(buffer)];
        if (b.first < 0) b.first = int(s);
        b.last = int(s);
      }
    std::vector<Buffer*> order, placed;
    for (Buffer& b : buffers_)
      if (b.place == Place::Arena && b.first >= 0) order.push_back(&b);
    std::stable_sort(order.begin(), order.end(), [](const Buffer* a, const Buffer* b) { return a->bytes > b->bytes; });
    for (Buffer* b : order) {
      size_t at = 0;
      for (const Buffer* p : placed) {  // by place
        if (p->last < b->first || b->last < p->first) continue;
        if (at + b->bytes <= p->at) break;
        at = std::max(at, (p->at + p->bytes + kAlign - 1) / kAlign * kAlign);
      }
      b->at = at;
      bytes_ = std::max(bytes_, at + b->bytes);
      placed.insert(std::upper_bound(placed.begin(), placed.end(), b,
                                     [](const Buffer* x, const Buffer* y) { return x->at < y->at; }),
                    b);
    }
  }

  const NetworkSpec spec_;
  Packed& packed_;
  std::vector<int> joined_, last_use_, where_;  // by layer; by value; the buffer of each value
  std::vector<std::vector<size_t>> following_;  // by layer: those that are part of it
  std::vector<std::pair<int, int>> alternatives_;
  std::vector<Buffer> buffers_;
  std::vector<Step> steps_;
  size_t bytes_ = 0;
  std::mutex mutex_;
  std::vector<Context> free_;
};

}  // namespace

namespace onednn {

std::unique_ptr<Network> make_network(const NetworkSpec& spec, std::shared_ptr<PackedWeights>& packed) {
  if (!packed) packed = std::make_shared<Packed>();
  auto* mine = dynamic_cast<Packed*>(packed.get());
  if (!mine) return nullptr;
  use_threads();
  try {
    return std::make_unique<OneDnnNetwork>(spec, *mine);
  } catch (const Unsupported&) { return nullptr; }
}

}  // namespace onednn

std::unique_ptr<Network> compile_network(const NetworkSpec& spec, std::shared_ptr<PackedWeights>& packed) {
  for (Provider* provider : providers())
    if (provider->enabled && provider->available())
      if (auto made = provider->network(spec, packed)) return made;
  return nullptr;
}

}  // namespace rushlight
