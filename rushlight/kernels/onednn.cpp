// oneDNN 3: float and bfloat16 products and convolutions.
#include "rushlight/kernels/onednn.h"

#include <dlfcn.h>
#if __has_include(<link.h>)
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/kernels/forked.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/kernels/providers.h"

namespace rushlight {
namespace onednn {

Dnnl::Dnnl() {
  void* library = open_provider_library({"libdnnl.so.3"});
  if (!library) return;
  bool complete = true;
#define RL_BIND(name, result, params)                                       \
  name = reinterpret_cast<result(*) params>(dlsym(library, "dnnl_" #name)); \
  complete = complete && name;
  RL_DNNL_FUNCTIONS(RL_BIND)
#undef RL_BIND
  omp_set_num_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "omp_set_num_threads"));
  constexpr int cpu = 1, user_scratchpad = 1;
  ready = complete && engine_create(&engine, cpu, 0) == 0 && primitive_attr_create(&attributes) == 0 &&
          primitive_attr_set_scratchpad_mode(attributes, user_scratchpad) == 0;
  // See Note [Primitive cache]: a second one beneath it would only keep what ours drops.
  if (ready) set_primitive_cache_capacity(0);
}

const Dnnl& dnnl() {
  static const Dnnl* all = new Dnnl;
  return *all;
}

// Note [Code that makes primitives]: to make one, oneDNN looks through all its implementations. A page of its code that is read for the first time
// is mapped with the 15 around it, so that after the first step of a network 22 MB are resident, of which the next steps read 4. So when
// primitives were made and others are used again, its code is let go of: what is read again is found in the system's cache, in half a
// millisecond altogether.
namespace {
constexpr int kUsesAfter = 2;
std::atomic<int> uses_left{0};

void let_code_go() {
#if __has_include(<link.h>) && defined(MADV_DONTNEED)
  auto inside = reinterpret_cast<uintptr_t>(dnnl().engine_create);
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        uintptr_t wanted = *static_cast<uintptr_t*>(data);
        const ElfW(Phdr)* code = nullptr, *dynamic = nullptr;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const ElfW(Phdr) & h = info->dlpi_phdr[i];
          uintptr_t start = info->dlpi_addr + h.p_vaddr;
          if (h.p_type == PT_DYNAMIC) dynamic = &h;
          if (h.p_type == PT_LOAD && wanted >= start && wanted - start < h.p_memsz) code = &h;
        }
        if (!code || !dynamic) return 0;
        // Pages that were written to would lose it.
        if (code->p_flags & PF_W) return 1;
        for (auto* d = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + dynamic->p_vaddr); d->d_tag != DT_NULL; d++)
          if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL))) return 1;
        uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE)), start = (info->dlpi_addr + code->p_vaddr) & ~(page - 1);
        uintptr_t end = info->dlpi_addr + code->p_vaddr + code->p_filesz;
        madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
        return 1;
      },
      &inside);
#endif
}
}  // namespace

void primitive_made() { uses_left.store(kUsesAfter, std::memory_order_relaxed); }
void primitive_used() {
  if (uses_left.load(std::memory_order_relaxed) <= 0) [[likely]]
    return;
  if (uses_left.fetch_sub(1, std::memory_order_relaxed) == 1) let_code_go();
}

Handle stream() {
  static thread_local Handle mine = [] {
    Handle s = nullptr;
    dnnl().stream_create(&s, dnnl().engine, 1);
    return s;
  }();
  return mine;
}

int use_threads(int64_t work) {
  // To wake another thread takes as long as a few hundred thousand multiplications, and far longer where the processor is busy.
  constexpr int64_t kWorthThreads = int64_t(1) << 19;
  static thread_local int now = 0;
  int n = library_threads(in_parallel_region() || work < kWorthThreads ? 1 : num_threads());
  if (n != now && dnnl().omp_set_num_threads) dnnl().omp_set_num_threads(now = n);
  return n;
}

}  // namespace onednn

namespace {

using namespace onednn;

// Note [Primitive cache]: making a primitive takes a millisecond, and 6 us even from oneDNN's own cache; ours is keyed by everything
// that went into it, the thread count included. Entries never change, so threads share them. One takes about 50 KB, of which the
// code that oneDNN writes for it is most. Those asked for once are many where shapes vary, and the latest kNew are kept; those that
// came back, as all of a network's do in its second step, have room for kKnown. After empty_cpu_cache() there are none.
struct Key {
  int64_t words[32] = {};
  friend bool operator==(const Key& a, const Key& b) { return std::memcmp(a.words, b.words, sizeof a.words) == 0; }
};
struct KeyHash {
  size_t operator()(const Key& k) const {
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (int64_t w : k.words) h = (h ^ uint64_t(w)) * 0xFF51AFD7ED558CCDu, h ^= h >> 32;
    return size_t(h);
  }
};

struct Operand {  // one tensor of a primitive: as given, and as the primitive wants it
  Handle plain = nullptr, wanted = nullptr;
  Handle reorder = nullptr;  // null where both are the same
  size_t bytes = 0;
  int arg = 0;
  bool is_output = false;
};
struct Primitive {
  Handle primitive = nullptr;
  Operand operands[4];
  int count = 0;
  Handle scratchpad = nullptr;
  size_t scratchpad_bytes = 0;
  bool supported = false;

  ~Primitive() {
    for (Operand& o : operands) {
      if (o.plain) dnnl().memory_desc_destroy(o.plain);
      if (o.wanted) dnnl().memory_desc_destroy(o.wanted);
      if (o.reorder) dnnl().primitive_destroy(o.reorder);
    }
    if (scratchpad) dnnl().memory_desc_destroy(scratchpad);
    if (primitive) dnnl().primitive_destroy(primitive);
  }

  void add(int arg, bool is_output, Handle plain, Handle pd, int query, int index) {
    const Dnnl& f = dnnl();
    Operand& o = operands[count++];
    o.arg = arg;
    o.is_output = is_output;
    o.plain = plain;
    ok(f.memory_desc_clone(&o.wanted, f.primitive_desc_query_md(pd, query, index)), "memory_desc_clone");
    o.bytes = f.memory_desc_get_size(o.wanted);
    if (f.memory_desc_equal(o.plain, o.wanted)) return;
    Handle from = is_output ? o.wanted : o.plain, to = is_output ? o.plain : o.wanted, reorder_pd = nullptr;
    ok(f.reorder_primitive_desc_create(&reorder_pd, from, f.engine, to, f.engine, nullptr),
       "reorder_primitive_desc_create");
    ok(f.primitive_create(&o.reorder, reorder_pd), "primitive_create");
    f.primitive_desc_destroy(reorder_pd);
  }
  void finish(Handle pd) {
    const Dnnl& f = dnnl();
    ok(f.memory_desc_clone(&scratchpad, f.primitive_desc_query_md(pd, kQueryScratchpad, 0)), "memory_desc_clone");
    scratchpad_bytes = f.memory_desc_get_size(scratchpad);
    ok(f.primitive_create(&primitive, pd), "primitive_create");
    supported = true;
  }

  static void run_reorder(const Operand& o, void* plain, void* wanted) {
    Memory outer(o.plain, plain), inner(o.wanted, wanted);
    const Memory &from = o.is_output ? inner : outer, &to = o.is_output ? outer : inner;
    ExecArg args[] = {{kArgSrc, from.get()}, {kArgDst, to.get()}};
    ok(dnnl().primitive_execute(o.reorder, stream(), 2, args), "reorder");
  }

  // `data` in the order of the operands.
  void run(void* const* data) const {
    ExecArg args[5];
    std::unique_ptr<Memory> memories[5];
    std::unique_ptr<Scratch> scratch[5];
    void* inner[4];
    for (int i = 0; i < count; i++) {
      const Operand& o = operands[i];
      if (o.reorder) scratch[i] = std::make_unique<Scratch>(o.bytes);
      inner[i] = o.reorder ? scratch[i]->data() : data[i];
      if (o.reorder && !o.is_output) run_reorder(o, data[i], inner[i]);
      memories[i] = std::make_unique<Memory>(o.wanted, inner[i]);
      args[i] = {o.arg, memories[i]->get()};
    }
    int n = count;
    if (scratchpad_bytes) {
      scratch[n] = std::make_unique<Scratch>(scratchpad_bytes);
      memories[n] = std::make_unique<Memory>(scratchpad, scratch[n]->data());
      args[n] = {kArgScratchpad, memories[n]->get()};
      n++;
    }
    ok(dnnl().primitive_execute(primitive, stream(), n, args), "execute");
    for (int i = 0; i < count; i++)
      if (operands[i].reorder && operands[i].is_output) run_reorder(operands[i], data[i], inner[i]);
  }
};

class PrimitiveCache {
 public:
  using Entry = std::shared_ptr<const Primitive>;

  Entry find(const Key& key) {
    std::lock_guard lock(mutex_);
    auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    Place& p = found->second;
    std::list<Item>& from = p.known ? known_ : new_;
    p.known = true;
    known_.splice(known_.begin(), from, p.at);
    Entry entry = p.at->second;
    shrink(known_, kKnown);
    return entry;
  }
  // What another thread has made meanwhile stands.
  Entry add(const Key& key, Entry made) {
    std::lock_guard lock(mutex_);
    auto found = places_.find(key);
    if (found != places_.end()) return found->second.at->second;
    bool known = dropped_.erase(key);
    std::list<Item>& to = known ? known_ : new_;
    to.emplace_front(key, made);
    places_.emplace(key, Place{to.begin(), known});
    shrink(to, known ? kKnown : kNew);
    return made;
  }
  void clear() {
    std::lock_guard lock(mutex_);
    places_.clear();
    dropped_.clear();
    new_.clear();
    known_.clear();
    generation_.fetch_add(1, std::memory_order_release);
  }
  // How often it was cleared.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  using Item = std::pair<Key, Entry>;
  struct Place {
    std::list<Item>::iterator at;
    bool known;
  };
  static constexpr size_t kNew = 64, kKnown = 512, kDropped = 2048;

  void shrink(std::list<Item>& items, size_t most) {
    if (items.size() <= most) return;
    if (dropped_.size() >= kDropped) dropped_.clear();
    dropped_.insert(items.back().first);
    places_.erase(items.back().first);
    items.pop_back();
  }

  std::atomic<uint64_t> generation_{0};
  std::mutex mutex_;
  std::list<Item> new_, known_;  // the latest first
  std::unordered_map<Key, Place, KeyHash> places_;
  std::unordered_set<Key, KeyHash> dropped_;  // only their names: to know them when they come back
};
PrimitiveCache& primitives() {
  static PrimitiveCache* cache = [] {
    at_empty_cache([] { primitives().clear(); });
    return new PrimitiveCache;
  }();
  return *cache;
}

// What a thread used last: found without the lock of the cache, and with a count of its own, so that threads which run one model write to no
// memory that they share. Let go at the thread's next look-up after the cache was cleared.
struct Recent {
  struct Slot {
    Key key;
    PrimitiveCache::Entry entry;
  };
  uint64_t generation = 0;
  std::array<Slot, 16> slots;
};

template <class Make>
PrimitiveCache::Entry cached(const Key& key, const Make& make) {
  PrimitiveCache& all = primitives();
  thread_local std::unique_ptr<Recent> recent;  // a library has little room for what every thread has
  if (uint64_t now = all.generation(); !recent || recent->generation != now) {
    recent = std::make_unique<Recent>();
    recent->generation = now;
  }
  Recent::Slot& slot = recent->slots[KeyHash()(key) % recent->slots.size()];
  if (slot.entry && slot.key == key) {
    primitive_used();
    return slot.entry;
  }
  PrimitiveCache::Entry found = all.find(key);
  if (found) {
    primitive_used();
  } else {
    auto made = std::make_shared<Primitive>();
    make(*made);
    found = all.add(key, std::move(made));
    primitive_made();
  }
  auto own = std::make_shared<PrimitiveCache::Entry>(found);
  slot = {key, PrimitiveCache::Entry(own, own->get())};
  return slot.entry;
}

// ---- products ----

bool leading(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride, char& trans, int64_t& ld) {
  if ((col_stride == 1 || cols == 1) && (rows == 1 || row_stride >= cols))
    return trans = 'N', ld = rows == 1 ? std::max<int64_t>(cols, 1) : row_stride, true;
  if ((row_stride == 1 || rows == 1) && (cols == 1 || col_stride >= rows))
    return trans = 'T', ld = cols == 1 ? std::max<int64_t>(rows, 1) : col_stride, true;
  return false;
}

bool sgemm(const GemmProblem& p) {
  char ta, tb;
  int64_t lda, ldb;
  if (!leading(p.m, p.k, p.a_row, p.a_col, ta, lda) || !leading(p.k, p.n, p.b_row, p.b_col, tb, ldb)) return false;
  use_threads(p.m * p.n * p.k);
  return dnnl().sgemm(ta, tb, p.m, p.n, p.k, p.alpha.to<float>(), static_cast<const float*>(p.a), lda,
                      static_cast<const float*>(p.b), ldb, p.beta.to<float>(), static_cast<float*>(p.c),
                      std::max(p.c_row, p.n)) == 0;
}

bool bf16_matmul(const GemmProblem& p) {
  if (!p.alpha.equals(1) || !p.beta.equals(0)) return false;
  char trans;
  int64_t ld;
  if (!leading(p.m, p.k, p.a_row, p.a_col, trans, ld) || !leading(p.k, p.n, p.b_row, p.b_col, trans, ld)) return false;
  Key key{{1, use_threads(p.m * p.n * p.k), p.m, p.n, p.k, p.a_row, p.a_col, p.b_row, p.b_col, p.c_row}};
  auto primitive = cached(key, [&](Primitive& made) {
    const Dnnl& f = dnnl();
    int64_t a_sizes[] = {p.m, p.k}, a_strides[] = {p.a_row, p.a_col}, b_sizes[] = {p.k, p.n},
            b_strides[] = {p.b_row, p.b_col}, c_sizes[] = {p.m, p.n}, c_strides[] = {p.c_row, 1};
    Handle a = strided_desc(2, a_sizes, kBf16, a_strides), b = strided_desc(2, b_sizes, kBf16, b_strides),
           c = strided_desc(2, c_sizes, kBf16, c_strides);
    Handle pd = nullptr;
    if (f.matmul_primitive_desc_create(&pd, f.engine, a, b, nullptr, c, f.attributes) != 0) {
      for (Handle d : {a, b, c}) f.memory_desc_destroy(d);
      return;
    }
    made.add(kArgSrc, false, a, pd, kQuerySrc, 0);
    made.add(kArgWeights, false, b, pd, kQueryWeights, 0);
    made.add(kArgDst, true, c, pd, kQueryDst, 0);
    made.finish(pd);
    f.primitive_desc_destroy(pd);
  });
  if (!primitive->supported) return false;
  void* data[] = {const_cast<void*>(p.a), const_cast<void*>(p.b), p.c};
  primitive->run(data);
  return true;
}

// ---- convolutions ----

Key conv_key(const ConvProblem& p, int threads) {
  Key key{{2 + int(p.pass), threads, int(p.dtype), p.spatial, p.training, p.batch, p.groups, p.in, p.out,
           p.has_bias + 2 * p.channels_last}};
  int64_t* w = key.words + 10;
  for (int d = 0; d < p.spatial; d++)
    for (int64_t v : {p.input[d], p.output[d], p.kernel[d], p.stride[d], p.padding[d], p.dilation[d]}) *w++ = v;
  return key;
}

void make_conv(Primitive& made, const ConvProblem& p) {
  const Dnnl& f = dnnl();
  int type = p.dtype == DType::BFloat16 ? kBf16 : kF32;
  int dims = p.spatial + 2, weight_dims = dims + (p.groups > 1);
  DnnlDims src = {p.batch, p.groups * p.in}, dst = {p.batch, p.groups * p.out}, weight = {}, bias = {p.groups * p.out};
  DnnlDims strides, dilates, before, after;
  int64_t* w = weight;
  if (p.groups > 1) *w++ = p.groups;
  *w++ = p.out;
  *w++ = p.in;
  for (int d = 0; d < p.spatial; d++) {
    src[2 + d] = p.input[d];
    dst[2 + d] = p.output[d];
    *w++ = p.kernel[d];
    strides[d] = p.stride[d];
    dilates[d] = p.dilation[d] - 1;
    before[d] = p.padding[d];
    after[d] = (p.output[d] - 1) * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] + 1 - p.input[d] - p.padding[d];
  }
  auto given_desc = [&](const int64_t* sizes) {
    if (!p.channels_last) return dense_desc(dims, sizes, type);
    DnnlDims order;
    int64_t step = sizes[1];
    order[1] = 1;
    for (int d = dims - 1; d >= 2; step *= sizes[d--]) order[d] = step;
    order[0] = step;
    return strided_desc(dims, sizes, type, order);
  };
  Handle any_src = any_desc(dims, src, type), any_weight = any_desc(weight_dims, weight, type),
         any_dst = any_desc(dims, dst, type);
  Handle bias_desc = p.has_bias ? dense_desc(1, bias, type) : nullptr;
  Handle forward = nullptr, pd = nullptr;
  int kind = p.training || p.pass != ConvProblem::Pass::Forward ? kForwardTraining : kForwardInference;
  Status status =
      f.convolution_forward_primitive_desc_create(&forward, f.engine, kind, kConvolutionDirect, any_src, any_weight,
                                                  bias_desc, any_dst, strides, dilates, before, after, f.attributes);
  if (status == 0 && p.pass == ConvProblem::Pass::Forward) {
    pd = forward;
    made.add(kArgSrc, false, given_desc(src), pd, kQuerySrc, 0);
    made.add(kArgWeights, false, dense_desc(weight_dims, weight, type), pd, kQueryWeights, 0);
    made.add(kArgDst, true, given_desc(dst), pd, kQueryDst, 0);
    if (p.has_bias) made.add(kArgBias, false, dense_desc(1, bias, type), pd, kQueryWeights, 1);
  } else if (status == 0 && p.pass == ConvProblem::Pass::BackwardData) {
    status = f.convolution_backward_data_primitive_desc_create(&pd, f.engine, kConvolutionDirect, any_src, any_weight,
                                                               any_dst, strides, dilates, before, after, forward,
                                                               f.attributes);
    if (status == 0) {
      made.add(kArgDiffSrc, true, given_desc(src), pd, kQueryDiffSrc, 0);
      made.add(kArgWeights, false, dense_desc(weight_dims, weight, type), pd, kQueryWeights, 0);
      made.add(kArgDiffDst, false, given_desc(dst), pd, kQueryDiffDst, 0);
    }
  } else if (status == 0) {
    status = f.convolution_backward_weights_primitive_desc_create(&pd, f.engine, kConvolutionDirect, any_src,
                                                                  any_weight, bias_desc, any_dst, strides, dilates,
                                                                  before, after, forward, f.attributes);
    if (status == 0) {
      made.add(kArgSrc, false, given_desc(src), pd, kQuerySrc, 0);
      made.add(kArgDiffWeights, true, dense_desc(weight_dims, weight, type), pd, kQueryDiffWeights, 0);
      made.add(kArgDiffDst, false, given_desc(dst), pd, kQueryDiffDst, 0);
      if (p.has_bias) made.add(kArgDiffBias, true, dense_desc(1, bias, type), pd, kQueryDiffWeights, 1);
    }
  }
  if (status == 0) made.finish(pd);
  for (Handle d : {any_src, any_weight, any_dst, bias_desc})
    if (d) f.memory_desc_destroy(d);
  if (pd && pd != forward) f.primitive_desc_destroy(pd);
  if (forward) f.primitive_desc_destroy(forward);
}

class OneDnn final : public Provider {
 public:
  const char* name() const override { return "onednn"; }
  bool available() override { return dnnl().ready; }

  bool gemm(const GemmProblem& p) override {
    if (p.dtype == DType::Float32) return sgemm(p);
    return p.dtype == DType::BFloat16 && bf16_matmul(p);
  }

  // Its products of float for AVX2 read operands where they lie. Rows that are some multiple of 2 KB apart push one another out of the
  // caches: 1.3 to 2.5 times as slow as a library that packs them.
  bool is_slow(const GemmProblem& p) const override {
    constexpr int64_t kSet = 512;  // floats
    char ta, tb;
    int64_t lda, ldb;
    if (p.dtype != DType::Float32 || cpu_isa() == Isa::Avx512 || p.m < 4 || p.n < 4 ||
        !leading(p.m, p.k, p.a_row, p.a_col, ta, lda) || !leading(p.k, p.n, p.b_row, p.b_col, tb, ldb))
      return false;
    return (tb == 'N' && ldb % kSet == 0) || (ta == 'T' && lda % (kSet / 2) == 0);
  }

  bool conv(const ConvProblem& p, const ConvData& d) override {
    if (p.dtype != DType::Float32 && p.dtype != DType::BFloat16) return false;
    // oneDNN counts some of these in 32 bits.
    for (int i = 0; i < p.spatial; i++)
      if (std::max({p.stride[i], p.padding[i], p.dilation[i] * p.kernel[i]}) > INT32_MAX / 4) return false;
    auto primitive = cached(conv_key(p, use_threads()), [&](Primitive& made) { make_conv(made, p); });
    if (!primitive->supported) return false;
    void* data[] = {d.src, d.weight, d.dst, d.bias};
    primitive->run(data);
    return true;
  }

  std::unique_ptr<Network> network(const NetworkSpec& spec, std::shared_ptr<PackedWeights>& packed) override {
    return make_network(spec, packed);
  }
};

}  // namespace

Provider* onednn_provider() {
  static auto* provider = new OneDnn;
  return provider;
}

}  // namespace rushlight
