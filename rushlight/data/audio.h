// Sound from and to files, by libsndfile: wav, flac, ogg (Vorbis, Opus), aiff, au and what else it knows.
// Thread safety: every function may be called at once from any thread.
#pragma once
#include <string>

#include "rushlight/core/tensor.h"

namespace rushlight::data {

struct AudioInfo {
  int64_t sample_rate = 0, frames = 0, channels = 0;
  int bits = 0;          // of a sample; 0 where the coding has none (Vorbis)
  std::string encoding;  // as torchaudio names it: PCM_S, PCM_U, PCM_F, FLAC, VORBIS, ...
  std::string format;    // "wav", "flac", "ogg", ...
};
// `where` begins each error: "load 'a.wav'". Throws FileError for damage, NotImplementedError without the library.
AudioInfo audio_info(std::span<const uint8_t> bytes, const std::string& where);

// `count` frames from `offset` on, all that follow if it is negative, as (channels, frames). `dtype`: Float32 or Float64 in [-1, 1], or Int16 or Int32,
// where the full range of the dtype is 1. Throws FileError for a file that ends before what its header says.
Tensor read_audio(std::span<const uint8_t> bytes, const std::string& where, int64_t offset, int64_t count, DType dtype,
                  int64_t* sample_rate);

// The bytes of a file. `samples`: (channels, frames), Float32, Float64, Int16, Int32 or UInt8 (128 is silence). `encoding`: "" (what suits format and
// dtype), "PCM_16", "PCM_24", "FLOAT", "VORBIS", ... as libsndfile names them. Throws ValueError for what the format can't hold.
std::string write_audio(const Tensor& samples, int64_t sample_rate, const std::string& format,
                        const std::string& encoding);

// y[n] = x[n] - sum over k > 0 of a[k] y[n - k], along the last dimension: x (rows, time), a (rows, order + 1) with a[0] = 1. Both Float32 or Float64,
// contiguous.
Tensor recursive_filter(const Tensor& x, const Tensor& a);

}  // namespace rushlight::data
