// Discrete Fourier transforms along one dimension, of any length, for float and double. Sums are not divided; `scale` is.
// Thread safety: all functions may run at once.
#pragma once
#include <complex>
#include <cstdint>

namespace rushlight::fft {

// Rows of n elements `step` apart; row r starts at `start(r)`.
struct Rows {
  int64_t count = 0;  // of rows
  int64_t step = 0;
  const int64_t* starts = nullptr;  // an offset for each row
};

// out[k] = scale * sum of in[j] exp(-+ 2 pi i j k / n). in and out may be the same, with the same rows.
template <class T>
void complex_rows(int64_t n, bool forward, T scale, const std::complex<T>* in, const Rows& in_rows,
                  std::complex<T>* out, const Rows& out_rows);
// The first n / 2 + 1 elements of the forward transform of n real ones.
template <class T>
void real_rows(int64_t n, T scale, const T* in, const Rows& in_rows, std::complex<T>* out, const Rows& out_rows);
// n real elements whose forward transform begins with the n / 2 + 1 in `in`: the backward transform. Imaginary parts that such a
// transform can't have are not read.
template <class T>
void hermitian_rows(int64_t n, T scale, const std::complex<T>* in, const Rows& in_rows, T* out, const Rows& out_rows);

}  // namespace rushlight::fft
