// Note [Lanes of transforms]: a transform is written once, for a block of kLanes transforms at a time, whose elements lie side by side, real
// and imaginary parts apart. All loops then run over contiguous lanes, whatever the radix, and vectorise without shuffles. A long transform alone is
// split in two dimensions, n = a b, whose rows are such blocks again (Note [Split transforms]).
#include "rushlight/kernels/fft.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "rushlight/core/error.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight::fft {
namespace {

template <class T> constexpr int64_t kLanes = 64 / int64_t(sizeof(T));
// Greater prime factors go by Bluestein's algorithm: sums of p terms for each of p results would take longer.
constexpr int64_t kLargestFactor = 31;
// Blocks beyond this size don't stay in a core's cache; a transform then is split.
constexpr int64_t kBlockBytes = 1 << 20;

// exp(-2 pi i k / n) for all k, each a product of two that were computed in a wider type.
template <class T>
class Roots {
 public:
  explicit Roots(int64_t n) : n_(n) {
    while (fine_ * fine_ < n) fine_ *= 2;
    for (int64_t k = 0; k < fine_; k++) low_.push_back(exact(k));
    for (int64_t k = 0; k < n; k += fine_) high_.push_back(exact(k));
  }
  // REQUIRES: k >= 0.
  std::complex<T> operator()(int64_t k) const {
    k %= n_;
    const Point &a = high_[size_t(k / fine_)], &b = low_[size_t(k % fine_)];
    return {T(a.c * b.c - a.s * b.s), T(-(a.c * b.s + a.s * b.c))};
  }

 private:
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  struct Point { Wide c, s; };
  // From an angle in the first octant, reflected and turned to its own.
  Point exact(int64_t k) const {
    constexpr Wide kEighth = Wide(0.785398163397448309615660845819875721L);
    auto wide_k = static_cast<unsigned __int128>(uint64_t(k % n_)) * 8;
    auto octant = int(wide_k / uint64_t(n_));
    Wide angle = Wide(uint64_t(wide_k % uint64_t(n_))) / Wide(n_) * kEighth;
    if (octant & 1) angle = kEighth - angle;
    Point p = {std::cos(angle), std::sin(angle)};
    if (octant & 1) std::swap(p.c, p.s);
    for (int turns = octant / 2; turns > 0; turns--) p = {-p.s, p.c};
    return p;
  }
  int64_t n_, fine_ = 1;
  std::vector<Point> low_, high_;
};

std::vector<int64_t> factors(int64_t n) {
  std::vector<int64_t> found;
  while (n % 4 == 0) found.push_back(4), n /= 4;
  for (int64_t p = 2; p * p <= n; p += p == 2 ? 1 : 2)
    while (n % p == 0) found.push_back(p), n /= p;
  if (n > 1) found.push_back(n);
  return found;
}
int64_t largest_factor(int64_t n) {
  int64_t most = 1;
  for (int64_t f : factors(n)) most = std::max(most, f == 4 ? 2 : f);
  return most;
}
// The smallest length of at least n that only has factors 2, 3 and 5.
int64_t smooth_length(int64_t n) {
  int64_t best = 1;
  while (best < n) best *= 2;
  for (int64_t five = 1; five < best; five *= 5)
    for (int64_t three = five; three < best; three *= 3) {
      int64_t m = three;
      while (m < n) m *= 2;
      best = std::min(best, m);
    }
  return best;
}

// ---- one pass: butterflies of one radix -------------------------------------------------------------------------------
// Stockham's form, which sorts as it goes: x[q + s (p + m k)] to y[q + s (r p + k)], times exp(-2 pi i p k / (r m)). `run` is s blocks of lanes.

// From element k of x, `far` apart, to element k of y, `run` apart.
template <class T> struct Butterfly {
  const T *xr, *xi;
  int64_t far;
  T *yr, *yi;
  int64_t run;
  const T* w;  // the factors of k = 1, 2, ...
  T re(int64_t k) const { return xr[k * far]; }
  T im(int64_t k) const { return xi[k * far]; }
  void first(T r, T i) const {
    yr[0] = r;
    yi[0] = i;
  }
  void put(int64_t k, T r, T i) const {
    yr[k * run] = r * w[2 * k - 2] - i * w[2 * k - 1];
    yi[k * run] = r * w[2 * k - 1] + i * w[2 * k - 2];
  }
};
struct Radix2 {
  static constexpr int64_t r = 2;
  template <class T>
  static void apply(const Butterfly<T>& b) {
    T r0 = b.re(0), i0 = b.im(0), r1 = b.re(1), i1 = b.im(1);
    b.first(r0 + r1, i0 + i1);
    b.put(1, r0 - r1, i0 - i1);
  }
};
struct Radix3 {
  static constexpr int64_t r = 3;
  template <class T>
  static void apply(const Butterfly<T>& b) {
    constexpr T sine = T(0.866025403784438646763723170752936183L);
    T r0 = b.re(0), i0 = b.im(0), r1 = b.re(1) + b.re(2), i1 = b.im(1) + b.im(2);
    T r2 = sine * (b.re(1) - b.re(2)), i2 = sine * (b.im(1) - b.im(2));
    T hr = r0 - r1 * T(0.5), hi = i0 - i1 * T(0.5);
    b.first(r0 + r1, i0 + i1);
    b.put(1, hr + i2, hi - r2);
    b.put(2, hr - i2, hi + r2);
  }
};
struct Radix4 {
  static constexpr int64_t r = 4;
  template <class T>
  static void apply(const Butterfly<T>& b) {
    T r0 = b.re(0) + b.re(2), i0 = b.im(0) + b.im(2), r1 = b.re(0) - b.re(2), i1 = b.im(0) - b.im(2);
    T r2 = b.re(1) + b.re(3), i2 = b.im(1) + b.im(3), r3 = b.re(1) - b.re(3), i3 = b.im(1) - b.im(3);
    b.first(r0 + r2, i0 + i2);
    b.put(1, r1 + i3, i1 - r3);
    b.put(2, r0 - r2, i0 - i2);
    b.put(3, r1 - i3, i1 + r3);
  }
};
struct Radix5 {
  static constexpr int64_t r = 5;
  template <class T>
  static void apply(const Butterfly<T>& b) {
    constexpr T c1 = T(0.309016994374947424102293417182819059L), c2 = T(-0.809016994374947424102293417182819059L);
    constexpr T s1 = T(0.951056516295153572116439333379382143L), s2 = T(0.587785252292473129168705954639072769L);
    T r0 = b.re(0), i0 = b.im(0);
    T r1 = b.re(1) + b.re(4), i1 = b.im(1) + b.im(4), r2 = b.re(2) + b.re(3), i2 = b.im(2) + b.im(3);
    T r3 = b.re(2) - b.re(3), i3 = b.im(2) - b.im(3), r4 = b.re(1) - b.re(4), i4 = b.im(1) - b.im(4);
    T ur = r0 + c1 * r1 + c2 * r2, ui = i0 + c1 * i1 + c2 * i2;
    T vr = r0 + c2 * r1 + c1 * r2, vi = i0 + c2 * i1 + c1 * i2;
    T sr = s1 * r4 + s2 * r3, si = s1 * i4 + s2 * i3, tr = s2 * r4 - s1 * r3, ti = s2 * i4 - s1 * i3;
    b.first(r0 + r1 + r2, i0 + i1 + i2);
    b.put(1, ur + si, ui - sr);
    b.put(2, vr + ti, vi - tr);
    b.put(3, vr - ti, vi + tr);
    b.put(4, ur - si, ui + sr);
  }
};
RL_FOR_EACH_ISA(
    template <class T RL_COMMA class R>, void, pass,
    (const T* __restrict xr, const T* __restrict xi, T* __restrict yr, T* __restrict yi, const T* __restrict tw,
     int64_t m, int64_t run),
    {
      for (int64_t p = 0; p < m; p++) {
        const T* w = tw + p * 2 * (R::r - 1);
        int64_t from = p * run;
        int64_t to = from * R::r;
        RL_IVDEP for (int64_t i = 0; i < run; i++)
            R::apply(Butterfly<T>{xr + from + i, xi + from + i, m * run, yr + to + i, yi + to + i, run, w});
      }
    },
    <T RL_COMMA R>)

// Any radix: r sums of r terms. roots: exp(-2 pi i k / r).
RL_FOR_EACH_ISA(
    template <class T>, void, pass_any,
    (const T* __restrict xr, const T* __restrict xi, T* __restrict yr, T* __restrict yi, const T* __restrict tw,
     int64_t m, int64_t run, int64_t radix, const T* __restrict roots),
    {
      for (int64_t p = 0; p < m; p++) {
        for (int64_t k = 0; k < radix; k++) {
          T* __restrict br = yr + (p * radix + k) * run;
          T* __restrict bi = yi + (p * radix + k) * run;
          const T* ar = xr + p * run;
          const T* ai = xi + p * run;
          std::memcpy(br, ar, size_t(run) * sizeof(T));
          std::memcpy(bi, ai, size_t(run) * sizeof(T));
          for (int64_t j = 1; j < radix; j++) {
            ar += m * run;
            ai += m * run;
            T c = roots[2 * (j * k % radix)];
            T s = roots[2 * (j * k % radix) + 1];
            RL_IVDEP for (int64_t i = 0; i < run; i++) {
              br[i] += ar[i] * c - ai[i] * s;
              bi[i] += ar[i] * s + ai[i] * c;
            }
          }
          if (k == 0) continue;
          const T* w = tw + p * 2 * (radix - 1) + 2 * k - 2;
          RL_IVDEP for (int64_t i = 0; i < run; i++) {
            T r = br[i];
            br[i] = r * w[0] - bi[i] * w[1];
            bi[i] = r * w[1] + bi[i] * w[0];
          }
        }
      }
    },
    <T>)

// a *= w, elementwise or (spread) by one number of w for each block of lanes.
RL_FOR_EACH_ISA(
    template <class T>, void, times,
    (T* __restrict ar, T* __restrict ai, const T* __restrict wr, const T* __restrict wi, int64_t n),
    {
      RL_IVDEP for (int64_t i = 0; i < n; i++) {
        T r = ar[i];
        ar[i] = r * wr[i] - ai[i] * wi[i];
        ai[i] = r * wi[i] + ai[i] * wr[i];
      }
    },
    <T>)
RL_FOR_EACH_ISA(
    template <class T>, void, times_spread,
    (T* __restrict ar, T* __restrict ai, const T* __restrict wr, const T* __restrict wi, int64_t n, int64_t lanes),
    {
      for (int64_t j = 0; j < n; j++) {
        T c = wr[j];
        T s = wi[j];
        RL_IVDEP for (int64_t i = 0; i < lanes; i++) {
          T r = ar[j * lanes + i];
          ar[j * lanes + i] = r * c - ai[j * lanes + i] * s;
          ai[j * lanes + i] = r * s + ai[j * lanes + i] * c;
        }
      }
    },
    <T>)

// Note [Real transforms]: even and odd elements are the parts of one complex transform of length h = n / 2, whose elements k and h - k hold
// what elements k and h - k of the real one are made of. w: exp(-2 pi i k / n).

// In place, h + 1 blocks of lanes from the first h.
RL_FOR_EACH_ISA(
    template <class T>, void, untangle,
    (T* __restrict re, T* __restrict im, const T* __restrict wr, const T* __restrict wi, int64_t h, int64_t lanes,
     T scale),
    {
      for (int64_t l = 0; l < lanes; l++) {
        T r = re[l];
        T i = im[l];
        re[l] = (r + i) * scale;
        re[h * lanes + l] = (r - i) * scale;
        im[l] = 0;
        im[h * lanes + l] = 0;
      }
      for (int64_t k = 1; 2 * k <= h; k++) {
        int64_t p = k * lanes;
        int64_t q = (h - k) * lanes;
        T c = wr[k];
        T s = wi[k];
        T cq = wr[h - k];
        T sq = wi[h - k];
        RL_IVDEP for (int64_t l = 0; l < lanes; l++) {
          T er = re[p + l] + re[q + l];  // of the even elements, twice
          T ei = im[p + l] - im[q + l];
          T dr = im[p + l] + im[q + l];  // of the odd ones
          T di = re[q + l] - re[p + l];
          re[p + l] = (er + c * dr - s * di) * T(0.5) * scale;
          im[p + l] = (ei + c * di + s * dr) * T(0.5) * scale;
          re[q + l] = (er + cq * dr + sq * di) * T(0.5) * scale;
          im[q + l] = (sq * dr - ei - cq * di) * T(0.5) * scale;
        }
      }
    },
    <T>)
// In place, h blocks of lanes from the first h + 1.
RL_FOR_EACH_ISA(
    template <class T>, void, tangle,
    (T* __restrict re, T* __restrict im, const T* __restrict wr, const T* __restrict wi, int64_t h, int64_t lanes),
    {
      for (int64_t l = 0; l < lanes; l++) {
        T r = re[l];
        re[l] = r + re[h * lanes + l];
        im[l] = r - re[h * lanes + l];
      }
      for (int64_t k = 1; 2 * k <= h; k++) {
        int64_t p = k * lanes;
        int64_t q = (h - k) * lanes;
        T c = wr[k];
        T s = wi[k];
        T cq = wr[h - k];
        T sq = wi[h - k];
        RL_IVDEP for (int64_t l = 0; l < lanes; l++) {
          T er = re[p + l] + re[q + l];
          T ei = im[p + l] - im[q + l];
          T dr = re[p + l] - re[q + l];
          T di = im[p + l] + im[q + l];
          re[p + l] = er - c * di + s * dr;
          im[p + l] = ei + c * dr + s * di;
          re[q + l] = er - cq * di - sq * dr;
          im[q + l] = sq * di - ei - cq * dr;
        }
      }
    },
    <T>)

// ---- plans ------------------------------------------------------------------------------------------------------------

template <class T> struct Pair {  // real and imaginary parts apart
  T *re, *im;
  Pair swapped() const { return {im, re}; }
  Pair at(int64_t i) const { return {re + i, im + i}; }
};
template <class T> struct Buffer {
  explicit Buffer(int64_t n) : values(new T[size_t(2 * n)]), n(n) {}
  Pair<T> pair() { return {values.get(), values.get() + n}; }
  std::unique_ptr<T[]> values;
  int64_t n;
};
template <class T> struct Table {
  std::vector<T> re, im;
  void push(std::complex<T> w) { re.push_back(w.real()), im.push_back(w.imag()); }
};

// A forward transform of length n; the backward one is this with real and imaginary parts exchanged, before and after.
template <class T>
class Plan {
 public:
  explicit Plan(int64_t n);
  static std::shared_ptr<const Plan> get(int64_t n);

  const int64_t n;
  // In place on a block of lanes (or, for any other count, of transforms side by side).
  void block(Pair<T> x, int64_t lanes) const;
  // In place on one transform.
  void alone(Pair<T> x) const;
  // Whether transforms by blocks keep to the cache.
  bool fits() const {
    return (by_convolution_ ? by_convolution_->n : n) * kLanes<T> * 4 * int64_t(sizeof(T)) <= kBlockBytes;
  }
  size_t bytes() const {
    return twiddles_.size() * sizeof(T) + (split_.re.size() + chirp_.re.size() + spectrum_.re.size()) * 2 * sizeof(T);
  }
  // exp(-2 pi i k / (2 n)): what the ends of transforms of 2 n real elements need.
  const Table<T>& half_roots() const {
    std::call_once(half_roots_made_, [&] {
      Roots<T> root(2 * n);
      for (int64_t k = 0; k <= n; k++) half_roots_.push(root(k));
    });
    return half_roots_;
  }

 private:
  void passes(Pair<T> x, Pair<T> room, int64_t lanes) const;
  void split(Pair<T> x) const;
  void convolve(Pair<T> x, int64_t lanes) const;

  std::vector<int64_t> radices_;
  std::vector<T> twiddles_, roots_;
  // Note [Split transforms]: element j = j1 b + j2 of the input and k = k1 + a k2 of the output. First transforms of length a over j1, for
  // every j2; then times exp(-2 pi i j2 k1 / n); then of length b over j2, for every k1. Both times neighbours are lanes.
  std::shared_ptr<const Plan> first_, second_;
  Table<T> split_;
  // Bluestein: jk = (j^2 + k^2 - (k - j)^2) / 2 makes the sum a convolution with exp(pi i j^2 / n), of any length of at least 2 n - 1.
  std::shared_ptr<const Plan> by_convolution_;
  Table<T> chirp_, spectrum_;
  mutable std::once_flag half_roots_made_;
  mutable Table<T> half_roots_;
};

template <class T>
Plan<T>::Plan(int64_t n) : n(n) {
  if (largest_factor(n) > kLargestFactor) {
    int64_t m = smooth_length(2 * n - 1);
    by_convolution_ = get(m);
    // j^2 modulo 2 n.
    auto square = [&](int64_t j) {
      return int64_t(static_cast<unsigned __int128>(uint64_t(j)) * uint64_t(j) % uint64_t(2 * n));
    };
    Roots<T> root(2 * n);
    for (int64_t j = 0; j < n; j++) chirp_.push(root(square(j)));
    spectrum_.re.assign(size_t(m), 0);
    spectrum_.im.assign(size_t(m), 0);
    for (int64_t j = 0; j < n; j++)
      for (int64_t at : {j, (m - j) % m}) {
        spectrum_.re[size_t(at)] = chirp_.re[size_t(j)] / T(m);
        spectrum_.im[size_t(at)] = -chirp_.im[size_t(j)] / T(m);
      }
    by_convolution_->alone({spectrum_.re.data(), spectrum_.im.data()});
    return;
  }
  radices_ = factors(n);
  std::sort(radices_.rbegin(), radices_.rend());
  int64_t length = n;
  for (int64_t r : radices_) {
    int64_t m = length / r;
    Roots<T> root(length), of_unity(r);
    for (int64_t p = 0; p < m; p++)
      for (int64_t k = 1; k < r; k++) {
        auto w = root(p * k);
        twiddles_.push_back(w.real());
        twiddles_.push_back(w.imag());
      }
    if (r > 5)
      for (int64_t k = 0; k < r; k++) {
        auto w = of_unity(k);
        roots_.push_back(w.real());
        roots_.push_back(w.imag());
      }
    length = m;
  }
  if (n < 64) return;
  int64_t a = 1;  // the divisor next to the square root
  for (int64_t d = 1; d * d <= n; d++)
    if (n % d == 0) a = d;
  if (a < 4) return;
  first_ = get(a);
  second_ = get(n / a);
  Roots<T> root(n);
  for (int64_t k1 = 0; k1 < a; k1++)
    for (int64_t j2 = 0; j2 < n / a; j2++) split_.push(root(k1 * j2));
}

template <class T>
std::shared_ptr<const Plan<T>> Plan<T>::get(int64_t n) {
  // Those used last, as far as their tables are small together.
  constexpr size_t kMostPlans = 64, kMostBytes = size_t(32) << 20;
  static std::mutex& guard = *new std::mutex;
  static std::list<std::shared_ptr<const Plan>>& kept = *new std::list<std::shared_ptr<const Plan>>;
  {
    std::lock_guard lock(guard);
    for (auto it = kept.begin(); it != kept.end(); ++it)
      if ((*it)->n == n) {
        kept.splice(kept.begin(), kept, it);
        return kept.front();
      }
  }
  auto made = std::make_shared<const Plan>(n);  // makes others: not under the lock
  std::lock_guard lock(guard);
  kept.push_front(made);
  size_t bytes = 0, count = 0;
  for (auto it = kept.begin(); it != kept.end();) {
    bytes += (*it)->bytes();
    bool keep = ++count <= kMostPlans && (bytes <= kMostBytes || count == 1);
    it = keep ? std::next(it) : kept.erase(it);
  }
  return made;
}

template <class T>
void Plan<T>::passes(Pair<T> x, Pair<T> room, int64_t lanes) const {
  Pair<T> from = x, to = room;
  const T *tw = twiddles_.data(), *roots = roots_.data();
  int64_t length = n, run = lanes;
  for (int64_t r : radices_) {
    int64_t m = length / r;
    switch (r) {
      case 2: pass_isa<T, Radix2>()(from.re, from.im, to.re, to.im, tw, m, run); break;
      case 3: pass_isa<T, Radix3>()(from.re, from.im, to.re, to.im, tw, m, run); break;
      case 4: pass_isa<T, Radix4>()(from.re, from.im, to.re, to.im, tw, m, run); break;
      case 5: pass_isa<T, Radix5>()(from.re, from.im, to.re, to.im, tw, m, run); break;
      default: pass_any_isa<T>()(from.re, from.im, to.re, to.im, tw, m, run, r, roots); roots += 2 * r;
    }
    tw += m * 2 * (r - 1);
    length = m;
    run *= r;
    std::swap(from, to);
  }
  if (from.re != x.re) {
    std::copy(from.re, from.re + n * lanes, x.re);
    std::copy(from.im, from.im + n * lanes, x.im);
  }
}

template <class T>
void Plan<T>::convolve(Pair<T> x, int64_t lanes) const {
  int64_t m = by_convolution_->n;
  Buffer<T> buffer(m * lanes);
  Pair<T> y = buffer.pair();
  times_spread_isa<T>()(x.re, x.im, chirp_.re.data(), chirp_.im.data(), n, lanes);
  for (auto [to, from] : {std::pair(y.re, x.re), std::pair(y.im, x.im)}) {
    std::copy(from, from + n * lanes, to);
    std::fill(to + n * lanes, to + m * lanes, T(0));
  }
  auto transform = [&](Pair<T> p) { lanes == 1 ? by_convolution_->alone(p) : by_convolution_->block(p, lanes); };
  transform(y);
  times_spread_isa<T>()(y.re, y.im, spectrum_.re.data(), spectrum_.im.data(), m, lanes);
  transform(y.swapped());
  std::copy(y.re, y.re + n * lanes, x.re);
  std::copy(y.im, y.im + n * lanes, x.im);
  times_spread_isa<T>()(x.re, x.im, chirp_.re.data(), chirp_.im.data(), n, lanes);
}

template <class T>
void Plan<T>::block(Pair<T> x, int64_t lanes) const {
  if (by_convolution_) return convolve(x, lanes);
  Buffer<T> room(n * lanes);
  passes(x, room.pair(), lanes);
}

template <class T>
void Plan<T>::split(Pair<T> x) const {
  constexpr int64_t L = kLanes<T>;
  int64_t a = first_->n, b = second_->n;
  Buffer<T> middle(n);
  Pair<T> y = middle.pair();
  int64_t grain = std::max<int64_t>(1, 32768 / std::max(a, b) / L);
  parallel_for(0, (b + L - 1) / L, grain, [&](int64_t begin, int64_t end) {
    Buffer<T> buffer(a * L);
    Pair<T> block = buffer.pair();
    for (int64_t at = begin * L; at < std::min(b, end * L); at += L) {
      int64_t lanes = std::min(L, b - at);
      for (int64_t j = 0; j < a; j++)
        for (int64_t l = 0; l < L; l++) {
          int64_t from = j * b + at + std::min(l, lanes - 1);
          block.re[j * L + l] = x.re[from];
          block.im[j * L + l] = x.im[from];
        }
      first_->block(block, L);
      for (int64_t k = 0; k < a; k++) {
        std::copy(block.re + k * L, block.re + k * L + lanes, y.re + k * b + at);
        std::copy(block.im + k * L, block.im + k * L + lanes, y.im + k * b + at);
      }
    }
  });
  parallel_for(0, (a + L - 1) / L, grain, [&](int64_t begin, int64_t end) {
    Buffer<T> buffer(b * L);
    Pair<T> block = buffer.pair();
    for (int64_t at = begin * L; at < std::min(a, end * L); at += L) {
      int64_t lanes = std::min(L, a - at);
      for (int64_t l = 0; l < lanes; l++)
        times_isa<T>()(y.re + (at + l) * b, y.im + (at + l) * b, split_.re.data() + (at + l) * b,
                       split_.im.data() + (at + l) * b, b);
      for (int64_t j0 = 0; j0 < b; j0 += L)
        for (int64_t l = 0; l < L; l++)
          for (int64_t j = j0; j < std::min(b, j0 + L); j++) {
            int64_t from = (at + std::min(l, lanes - 1)) * b + j;
            block.re[j * L + l] = y.re[from];
            block.im[j * L + l] = y.im[from];
          }
      second_->block(block, L);
      for (int64_t k = 0; k < b; k++) {
        std::copy(block.re + k * L, block.re + k * L + lanes, x.re + k * a + at);
        std::copy(block.im + k * L, block.im + k * L + lanes, x.im + k * a + at);
      }
    }
  });
}

template <class T>
void Plan<T>::alone(Pair<T> x) const {
  if (by_convolution_) return convolve(x, 1);
  if (first_) return split(x);
  block(x, 1);
}

// ---- rows -------------------------------------------------------------------------------------------------------------

// Whether this many transforms go by blocks of lanes.
template <class T>
bool by_blocks(const Plan<T>& plan, int64_t rows) {
  return plan.fits() && (rows >= kLanes<T> / 2 || plan.n < 64);
}

// Calls f(first row, rows, x, lanes) for blocks of rows, x being room for them; lanes is 1 for one long transform.
template <class T, class F>
void each_block(const Plan<T>& plan, int64_t room, int64_t rows, const F& f) {
  constexpr int64_t L = kLanes<T>;
  if (!by_blocks(plan, rows)) {
    // The long transform has threads of its own, if it is alone.
    auto range = [&](int64_t begin, int64_t end) {
      Buffer<T> buffer(room);
      for (int64_t r = begin; r < end; r++) f(r, int64_t(1), buffer.pair(), int64_t(1));
    };
    if (rows < num_threads()) return range(0, rows);
    return parallel_for(0, rows, std::max<int64_t>(1, 32768 / std::max<int64_t>(plan.n, 1)), range);
  }
  if (rows == 1) {
    Buffer<T> buffer(room);
    return f(int64_t(0), int64_t(1), buffer.pair(), int64_t(1));
  }
  int64_t blocks = (rows + L - 1) / L;
  parallel_for(0, blocks, std::max<int64_t>(1, 16384 / L / std::max<int64_t>(plan.n, 1)),
               [&](int64_t begin, int64_t end) {
                 Buffer<T> buffer(room * L);
                 for (int64_t b = begin; b < end; b++) f(b * L, std::min(L, rows - b * L), buffer.pair(), L);
               });
}
template <class T>
void transform(const Plan<T>& plan, Pair<T> x, int64_t lanes) {
  if (lanes == 1) plan.alone(x);
  else plan.block(x, lanes);
}

// f(element, lane) for n elements of `rows` rows (lanes beyond them repeat the last), in an order that suits memory.
constexpr int64_t kTile = 16;
template <class F>
void each_element(int64_t n, int64_t lanes, const F& f) {
  for (int64_t j0 = 0; j0 < n; j0 += kTile)
    for (int64_t l = 0; l < lanes; l++)
      for (int64_t j = j0; j < std::min(n, j0 + kTile); j++) f(j, l);
}

}  // namespace

template <class T>
void complex_rows(int64_t n, bool forward, T scale, const std::complex<T>* in, const Rows& in_rows,
                  std::complex<T>* out, const Rows& out_rows) {
  if (n == 0 || in_rows.count == 0) return;
  auto plan = Plan<T>::get(n);
  each_block(*plan, n, in_rows.count, [&](int64_t first, int64_t rows, Pair<T> x, int64_t lanes) {
    each_element(n, lanes, [&](int64_t j, int64_t l) {
      std::complex<T> v = in[in_rows.starts[first + std::min(l, rows - 1)] + j * in_rows.step];
      x.re[j * lanes + l] = v.real();
      x.im[j * lanes + l] = v.imag();
    });
    transform(*plan, forward ? x : x.swapped(), lanes);
    each_element(n, rows, [&](int64_t j, int64_t l) {
      out[out_rows.starts[first + l] + j * out_rows.step] = {x.re[j * lanes + l] * scale, x.im[j * lanes + l] * scale};
    });
  });
}

template <class T>
void real_rows(int64_t n, T scale, const T* in, const Rows& in_rows, std::complex<T>* out, const Rows& out_rows) {
  if (n == 0 || in_rows.count == 0) return;
  int64_t h = n / 2;
  bool even = n % 2 == 0;
  // Even and odd elements as one complex transform of half the length.
  auto plan = Plan<T>::get(even ? h : n);
  each_block(*plan, plan->n + 1, in_rows.count, [&](int64_t first, int64_t rows, Pair<T> x, int64_t lanes) {
    each_element(plan->n, lanes, [&](int64_t j, int64_t l) {
      const T* row = in + in_rows.starts[first + std::min(l, rows - 1)];
      x.re[j * lanes + l] = row[(even ? 2 * j : j) * in_rows.step];
      x.im[j * lanes + l] = even ? row[(2 * j + 1) * in_rows.step] : T(0);
    });
    transform(*plan, x, lanes);
    T left = scale;
    if (even) {
      const Table<T>& w = plan->half_roots();
      untangle_isa<T>()(x.re, x.im, w.re.data(), w.im.data(), h, lanes, scale);
      left = 1;
    }
    each_element(h + 1, rows, [&](int64_t k, int64_t l) {
      out[out_rows.starts[first + l] + k * out_rows.step] = {x.re[k * lanes + l] * left, x.im[k * lanes + l] * left};
    });
  });
}

template <class T>
void hermitian_rows(int64_t n, T scale, const std::complex<T>* in, const Rows& in_rows, T* out, const Rows& out_rows) {
  if (n == 0 || in_rows.count == 0) return;
  int64_t h = n / 2;
  bool even = n % 2 == 0;
  auto plan = Plan<T>::get(even ? h : n);
  each_block(*plan, plan->n + 1, in_rows.count, [&](int64_t first, int64_t rows, Pair<T> x, int64_t lanes) {
    auto put = [&](int64_t k, int64_t l, T re, T im) {
      x.re[k * lanes + l] = re;
      x.im[k * lanes + l] = im;
    };
    each_element(h + 1, lanes, [&](int64_t k, int64_t l) {
      std::complex<T> v = in[in_rows.starts[first + std::min(l, rows - 1)] + k * in_rows.step];
      if (k == 0 || (even && k == h)) v.imag(0);
      put(k, l, v.real(), v.imag());
      if (!even && k > 0) put(n - k, l, v.real(), -v.imag());
    });
    if (even) {
      const Table<T>& w = plan->half_roots();
      tangle_isa<T>()(x.re, x.im, w.re.data(), w.im.data(), h, lanes);
    }
    transform(*plan, x.swapped(), lanes);
    each_element(plan->n, rows, [&](int64_t j, int64_t l) {
      T* row = out + out_rows.starts[first + l];
      row[(even ? 2 * j : j) * out_rows.step] = x.re[j * lanes + l] * scale;
      if (even) row[(2 * j + 1) * out_rows.step] = x.im[j * lanes + l] * scale;
    });
  });
}

#define RL_FFT(T)                                                                                                      \
  template void complex_rows<T>(int64_t, bool, T, const std::complex<T>*, const Rows&, std::complex<T>*, const Rows&); \
  template void real_rows<T>(int64_t, T, const T*, const Rows&, std::complex<T>*, const Rows&);                        \
  template void hermitian_rows<T>(int64_t, T, const std::complex<T>*, const Rows&, T*, const Rows&);
RL_FFT(float)
RL_FFT(double)
#undef RL_FFT

}  // namespace rushlight::fft
