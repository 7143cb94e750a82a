#include "rushlight/data/audio.h"
#include "tensors.h"

namespace rushlight::py {

void bind_audio(nb::module_& m) {
  m.def(
      "audio_info",
      [](nb::handle from) {
        Source s = source_of(from, "info");
        data::AudioInfo i = without_gil([&] { return data::audio_info(s.bytes.data, s.where("info")); });
        return nb::make_tuple(i.sample_rate, i.frames, i.channels, i.bits, i.encoding, i.format);
      },
      "input"_a, "Sample rate, frames, channels, bits, encoding, format.");
  m.def(
      "read_audio",
      [](nb::handle from, int64_t offset, int64_t count, const std::string& dtype) {
        DType d;
        RL_CHECK(TypeError, dtype_from_name(dtype, d), "load: no dtype ", dtype);
        Source s = source_of(from, "load");
        int64_t rate = 0;
        Tensor t =
            without_gil([&] { return data::read_audio(s.bytes.data, s.where("load"), offset, count, d, &rate); });
        return nb::make_tuple(to_object(t), rate);
      },
      "input"_a, "offset"_a, "count"_a, "dtype"_a, "Samples (channels, frames), and how many there are a second.");
  m.def(
      "write_audio",
      [](Tensor samples, int64_t rate, const std::string& format, const std::string& encoding) {
        return to_tensor(without_gil([&] { return data::write_audio(samples, rate, format, encoding); }));
      },
      "samples"_a, "sample_rate"_a, "format"_a, "encoding"_a, "A file's bytes, as a uint8 tensor.");
  m.def(
      "recursive_filter", [](Tensor x, Tensor a) { return without_gil([&] { return data::recursive_filter(x, a); }); },
      "x"_a, "a"_a, "y[n] = x[n] - sum a[k] y[n - k].");
}

}  // namespace rushlight::py
