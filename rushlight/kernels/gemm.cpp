#include "rushlight/kernels/gemm.h"

#include <cstring>
#include <type_traits>

#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {
namespace {

constexpr int kRows = 4;          // of the micro kernel
constexpr int kMostRows = 8;      // where it has one vector of columns, and 32 registers
constexpr int kVectorBytes = 64;  // two vectors of it make the micro kernel's columns
constexpr int kDepth = 256;       // of a packed panel of b

template <class T> constexpr int kLanes = kVectorBytes / int(sizeof(T));
template <class T> constexpr int kCols = 2 * kLanes<T>;

// Up to 8 rows of a (strides a_row, a_col) times the first W vectors of a panel of b (rows ldb apart), into acc.
// Vector types, not a loop for the compiler: the eight sums must stay in registers.
#define RL_MICRO_BODY                                                                                               \
  {                                                                                                                 \
    typedef T V __attribute__((vector_size(kVectorBytes), aligned(alignof(T))));                                    \
    V sum[R][W] = {};                                                                                               \
    for (int64_t p = 0; p < k; p++) {                                                                               \
      V line[W];                                                                                                    \
      _Pragma("GCC unroll 2") for (int w = 0; w < W; w++) line[w] = *reinterpret_cast<const V*>(b + w * kLanes<T>); \
      _Pragma("GCC unroll 8") for (int r = 0; r < R; r++) {                                                         \
        T x = a[r * a_row];                                                                                         \
        _Pragma("GCC unroll 2") for (int w = 0; w < W; w++) sum[r][w] += x * line[w];                               \
      }                                                                                                             \
      a += a_col;                                                                                                   \
      b += ldb;                                                                                                     \
    }                                                                                                               \
    _Pragma("GCC unroll 8") for (int r = 0; r < R; r++) _Pragma("GCC unroll 2") for (int w = 0; w < W; w++) *       \
        reinterpret_cast<V*>(acc + r * kCols<T> + w * kLanes<T>) = sum[r][w];                                       \
  }
RL_FOR_EACH_ISA(template <class T RL_COMMA int R RL_COMMA int W>, void, micro,
                (int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t ldb, T* acc), RL_MICRO_BODY,
                <T RL_COMMA R RL_COMMA W>)

template <class T>
using Micro = void (*)(int64_t, const T*, int64_t, int64_t, const T*, int64_t, T*);

template <class T, int W>
Micro<T> micro_for(int64_t rows) {
  switch (rows) {
    case 1: return micro_isa<T, 1, W>();
    case 2: return micro_isa<T, 2, W>();
    case 3: return micro_isa<T, 3, W>();
    case kMostRows:
      if constexpr (W == 1) return micro_isa<T, kMostRows, W>();
      [[fallthrough]];
    default: return micro_isa<T, 4, W>();
  }
}

// A panel's first `cols` columns, of memory where a column's elements are neighbours: in squares of 4 x 4 that are turned in registers, for a
// store of one element and a load of the next from another line take three times as long.
template <class T>
void pack_transposed(T* __restrict panel, const T* from, int64_t step, int64_t depth, int64_t cols) {
  typedef T V __attribute__((vector_size(4 * sizeof(T)), aligned(alignof(T))));
  int64_t x = 0;
  for (; x + 4 <= cols; x += 4) {
    const T* line = from + x * step;
    int64_t q = 0;
    for (; q + 4 <= depth; q += 4, line += 4) {
      V in[4], mid[4];
      _Pragma("GCC unroll 4") for (int r = 0; r < 4; r++) in[r] = *reinterpret_cast<const V*>(line + r * step);
      _Pragma("GCC unroll 2") for (int h = 0; h < 2; h++) {
        mid[2 * h] = __builtin_shufflevector(in[h], in[h + 2], 0, 4, 1, 5);
        mid[2 * h + 1] = __builtin_shufflevector(in[h], in[h + 2], 2, 6, 3, 7);
      }
      T* to = panel + q * kCols<T> + x;
      _Pragma("GCC unroll 2") for (int h = 0; h < 2; h++) {
        *reinterpret_cast<V*>(to + (2 * h) * kCols<T>) = __builtin_shufflevector(mid[h], mid[h + 2], 0, 4, 1, 5);
        *reinterpret_cast<V*>(to + (2 * h + 1) * kCols<T>) = __builtin_shufflevector(mid[h], mid[h + 2], 2, 6, 3, 7);
      }
    }
    for (; q < depth; q++, line++)
      for (int r = 0; r < 4; r++) panel[q * kCols<T> + x + r] = line[r * step];
  }
  for (; x < cols; x++)
    for (int64_t q = 0; q < depth; q++) panel[q * kCols<T> + x] = from[x * step + q];
}

// Sums of kLanes columns plus the bias; no loop over parts of the row, which takes as long as the sums do.
template <class T>
void add_bias(T* __restrict out, const T* __restrict sum, const T* __restrict bias) {
  typedef T V __attribute__((vector_size(kVectorBytes), aligned(alignof(T))));
  *reinterpret_cast<V*>(out) = *reinterpret_cast<const V*>(sum) + *reinterpret_cast<const V*>(bias);
}

// Rows [m0, m1) of the product.
template <class T>
void blocked(const GemmProblem& p, int64_t m0, int64_t m1) {
  const T *a = static_cast<const T*>(p.a), *b = static_cast<const T*>(p.b);
  T* c = static_cast<T*>(p.c);
  const T* bias = static_cast<const T*>(p.bias);
  T alpha = p.alpha.to<T>(), beta = p.beta.to<T>();
  bool plain = alpha == T(1);
  alignas(64) T panel[kDepth * kCols<T>];
  alignas(64) T acc[kMostRows * kCols<T>];
  // The layers of small networks have as few columns as one vector; integers are rare.
  constexpr int kNarrow = std::is_floating_point_v<T> ? 1 : 2;
  for (int64_t k0 = 0; k0 == 0 || k0 < p.k; k0 += kDepth) {
    int64_t depth = std::min<int64_t>(kDepth, p.k - k0);
    T old = k0 ? T(1) : beta;
    for (int64_t j = 0; j < p.n; j += kCols<T>) {
      int64_t cols = std::min<int64_t>(kCols<T>, p.n - j);
      const bool narrow = cols <= kNarrow * kLanes<T>;
      const int64_t width = narrow ? kNarrow * kLanes<T> : kCols<T>;
      auto micro_of = narrow ? micro_for<T, kNarrow> : micro_for<T, 2>;
      const int64_t at_once = narrow && kNarrow == 1 && cpu_isa() == Isa::Avx512 ? kMostRows : kRows;
      const Micro<T> full = micro_of(at_once);
      const T* from = b + k0 * p.b_row + j * p.b_col;
      const T* use = from;
      int64_t ldb = p.b_row;
      // A narrow product reads b where it lies; else each panel is packed once and read by every four rows.
      if (p.b_col != 1 || cols < width || m1 - m0 > 64) {
        for (int64_t q = 0; cols < width && q < depth; q++)
          std::memset(panel + q * kCols<T> + cols, 0, size_t(width - cols) * sizeof(T));
        if (p.b_row == 1) pack_transposed(panel, from, p.b_col, depth, cols);
        for (int64_t q = 0; p.b_row != 1 && q < depth; q++) {
          T* row = panel + q * kCols<T>;
          if (p.b_col == 1) std::memcpy(row, from + q * p.b_row, size_t(cols) * sizeof(T));
          else
            for (int64_t x = 0; x < cols; x++) row[x] = from[q * p.b_row + x * p.b_col];
        }
        use = panel;
        ldb = kCols<T>;
      }
      for (int64_t i = m0, rows; i < m1; i += rows) {
        rows = m1 - i >= at_once ? at_once : std::min<int64_t>(kRows, m1 - i);
        (rows == at_once ? full : micro_of(rows))(depth, a + i * p.a_row + k0 * p.a_col, p.a_row, p.a_col, use, ldb,
                                                  acc);
        for (int64_t r = 0; r < rows; r++) {
          T* out = c + (i + r) * p.c_row + j;
          const T* sum = acc + r * kCols<T>;
          if (bias && !k0 && plain && cols == kLanes<T>) add_bias(out, sum, bias + j);
          else if (bias && !k0)
            for (int64_t x = 0; x < cols; x++) out[x] = T(alpha * sum[x] + bias[j + x]);
          else if (plain && old == T(0)) std::memcpy(out, sum, size_t(cols) * sizeof(T));
          else if (old == T(0))
            for (int64_t x = 0; x < cols; x++) out[x] = T(alpha * sum[x]);
          else
            for (int64_t x = 0; x < cols; x++) out[x] = T(alpha * sum[x] + old * out[x]);
        }
      }
    }
  }
}

// One row times a transposed matrix: dot products along contiguous memory, several sums at once.
template <class T>
void row_by_transposed(const GemmProblem& p) {
  const T *a = static_cast<const T*>(p.a), *b = static_cast<const T*>(p.b);
  T* c = static_cast<T*>(p.c);
  const T* bias = static_cast<const T*>(p.bias);
  T alpha = p.alpha.to<T>(), beta = p.beta.to<T>();
  typedef T V __attribute__((vector_size(16), aligned(alignof(T))));
  constexpr int lanes = 16 / int(sizeof(T));
  constexpr int64_t kLong = 256;  // where one sum would wait for itself
  for (int64_t j = 0; j < p.n; j++) {
    const T* w = b + j * p.b_col;
    auto product = [&](int64_t q) { return *reinterpret_cast<const V*>(a + q) * *reinterpret_cast<const V*>(w + q); };
    V sums = {};
    int64_t q = 0;
    if (p.k >= kLong) {
      constexpr int kChains = 8;
      V chains[kChains] = {};
      for (; q + kChains * lanes <= p.k; q += kChains * lanes)
        _Pragma("GCC unroll 8") for (int i = 0; i < kChains; i++) chains[i] += product(q + i * lanes);
      for (const V& chain : chains) sums += chain;
    }
    for (; q + lanes <= p.k; q += lanes) sums += product(q);
    T sum = 0;
    for (int l = 0; l < lanes; l++) sum = T(sum + sums[l]);
    for (; q < p.k; q++) sum = T(sum + a[q] * w[q]);
    c[j] = bias ? T(alpha * sum + bias[j]) : beta == T(0) ? T(alpha * sum) : T(alpha * sum + beta * c[j]);
  }
}

// Complex numbers have no vector type.
template <class T>
void plain_loops(const GemmProblem& p, int64_t m0, int64_t m1) {
  const T *a = static_cast<const T*>(p.a), *b = static_cast<const T*>(p.b);
  T* c = static_cast<T*>(p.c);
  T alpha = p.alpha.to<T>(), beta = p.beta.to<T>();
  for (int64_t i = m0; i < m1; i++)
    for (int64_t j = 0; j < p.n; j++) {
      T sum{};
      for (int64_t q = 0; q < p.k; q++) sum += a[i * p.a_row + q * p.a_col] * b[q * p.b_row + j * p.b_col];
      T& out = c[i * p.c_row + j];
      out = beta == T(0) ? alpha * sum : alpha * sum + beta * out;
    }
}

bool by_provider(const GemmProblem& p) {
  for (bool slow : {false, true})
    for (Provider* provider : providers())
      if (provider->is_slow(p) == slow && provider->enabled && provider->available() && provider->gemm(p)) return true;
  return false;
}

template <class T>
void own(const GemmProblem& p) {
  int64_t grain = std::max<int64_t>(kRows, (1 << 18) / std::max<int64_t>(1, p.n * p.k));
  parallel_for(0, p.m, grain, [&](int64_t m0, int64_t m1) {
    if constexpr (std::is_arithmetic_v<T>) blocked<T>(p, m0, m1);
    else plain_loops<T>(p, m0, m1);
  });
}

// A library call costs about a microsecond; up to here the own kernels take less.
bool small(const GemmProblem& p) { return p.m * p.n * p.k <= 32 * 32 * 32; }

template <class T>
void own_or_provided(const GemmProblem& p) {
  if constexpr (std::is_floating_point_v<T>) {
    // Two vectors, of any length, give a library nothing to work with but the sum.
    if (p.m == 1 && p.b_row == 1 && p.a_col == 1 && (small(p) || p.n == 1)) return row_by_transposed<T>(p);
  }
  if (small(p)) {
    if constexpr (std::is_arithmetic_v<T>) return blocked<T>(p, 0, p.m);
    else return plain_loops<T>(p, 0, p.m);
  }
  if (!by_provider(p)) own<T>(p);
}

template <class Wide, class T>
std::vector<Wide> widened(const void* data, int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  std::vector<Wide> out(size_t(rows * cols));
  const T* from = static_cast<const T*>(data);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) out[size_t(i * cols + j)] = Wide(from[i * row_stride + j * col_stride]);
  return out;
}

// Half types in float. Small integers in int32: what wraps there wraps to the same in fewer bits.
template <class T, class Wide>
void widened_gemm(const GemmProblem& p) {
  std::vector<Wide> a = widened<Wide, T>(p.a, p.m, p.k, p.a_row, p.a_col);
  std::vector<Wide> b = widened<Wide, T>(p.b, p.k, p.n, p.b_row, p.b_col);
  std::vector<Wide> c =
      p.beta.equals(0) ? std::vector<Wide>(size_t(p.m * p.n)) : widened<Wide, T>(p.c, p.m, p.n, p.c_row, 1);
  gemm({dtype_of<Wide>, p.m, p.n, p.k, a.data(), p.k, 1, b.data(), p.n, 1, c.data(), p.n, p.alpha, p.beta});
  T* out = static_cast<T*>(p.c);
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t j = 0; j < p.n; j++) out[i * p.c_row + j] = T(c[size_t(i * p.n + j)]);
}

template <class T>
void half_gemm(const GemmProblem& p) {
  if (small(p) || !by_provider(p)) widened_gemm<T, float>(p);
}

}  // namespace

void gemm(const GemmProblem& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.bias && !(small(p) && (p.dtype == DType::Float32 || p.dtype == DType::Float64))) {
    GemmProblem filled = p;
    filled.bias = nullptr;
    filled.beta = 1;
    const size_t row = size_t(p.n * item_size(p.dtype));
    for (int64_t i = 0; i < p.m; i++)
      std::memcpy(static_cast<char*>(p.c) + i * p.c_row * item_size(p.dtype), p.bias, row);
    return gemm(filled);
  }
  constexpr const char* op = "addmm_impl_cpu_";
  dispatch(AllTypes{}, p.dtype, op, [&]<class T>() {
    if constexpr (std::is_same_v<T, bool>)
      throw NotImplementedError(str('"', op, "\" not implemented for '", scalar_type_name(p.dtype), "'"));
    else if constexpr (std::is_integral_v<T> && sizeof(T) < sizeof(int32_t)) widened_gemm<T, int32_t>(p);
    else if constexpr (std::is_integral_v<T>) own<T>(p);
    else if constexpr (is_half(dtype_of<T>)) half_gemm<T>(p);
    else own_or_provided<T>(p);
  });
}

void batched_gemm(const GemmProblem& p, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step) {
  int64_t size = item_size(p.dtype);
  auto one = [&](int64_t i) {
    GemmProblem q = p;
    q.a = static_cast<const char*>(p.a) + i * a_step * size;
    q.b = static_cast<const char*>(p.b) + i * b_step * size;
    q.c = static_cast<char*>(p.c) + i * c_step * size;
    gemm(q);
  };
  // Few large products are split inside, many small ones between threads.
  int64_t work = std::max<int64_t>(1, p.m * p.n * p.k);
  if (batch < num_threads()) {
    for (int64_t i = 0; i < batch; i++) one(i);
  } else {
    parallel_for(0, batch, std::max<int64_t>(1, (1 << 18) / work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) one(i);
    });
  }
}

}  // namespace rushlight
