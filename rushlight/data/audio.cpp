#include "rushlight/data/audio.h"

#include "rushlight/data/libraries.h"

#ifdef RL_HAVE_SNDFILE
#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace rushlight::data {
namespace {

// clang-format off
#define RL_FUNCTIONS(X) \
  X(open_virtual) X(close) X(strerror) X(error) X(seek) \
  X(command) X(format_check) X(readf_float) X(readf_double) X(readf_short) \
  X(readf_int) X(writef_float) X(writef_double) X(writef_short) X(writef_int)
// clang-format on

struct Api {
  explicit Api(const std::string& where) {
    void* lib = open_library(where, "sndfile");
#define RL_FIND(name) name = reinterpret_cast<decltype(&::sf_##name)>(symbol_of(lib, "sf_" #name));
    RL_FUNCTIONS(RL_FIND)
#undef RL_FIND
  }
#define RL_FUNCTION(name) decltype(&::sf_##name) name;
  RL_FUNCTIONS(RL_FUNCTION)
#undef RL_FUNCTION
};
const Api& api(const std::string& where) {
  static const Api& found = *new Api(where);
  return found;
}

// A file in memory, as libsndfile wants to be shown one.
struct Memory {
  std::span<const uint8_t> in;
  std::string out;
  bool writing = false;
  sf_count_t at = 0;
  sf_count_t size() const { return sf_count_t(writing ? out.size() : in.size()); }
};
sf_count_t on_size(void* m) { return static_cast<Memory*>(m)->size(); }
sf_count_t on_tell(void* m) { return static_cast<Memory*>(m)->at; }
sf_count_t on_seek(sf_count_t by, int whence, void* p) {
  auto* m = static_cast<Memory*>(p);
  const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : m->size();
  sf_count_t to;
  if (__builtin_add_overflow(base, by, &to) || to < 0) return -1;
  return m->at = to;
}
sf_count_t on_read(void* to, sf_count_t count, void* p) {
  auto* m = static_cast<Memory*>(p);
  const sf_count_t n = std::clamp<sf_count_t>(m->size() - m->at, 0, std::max<sf_count_t>(count, 0));
  if (n) std::memcpy(to, m->in.data() + m->at, size_t(n));
  m->at += n;
  return n;
}
sf_count_t on_write(const void* from, sf_count_t count, void* p) {
  auto* m = static_cast<Memory*>(p);
  try {
    if (m->at + count > m->size()) m->out.resize(size_t(m->at + count));
  } catch (const std::exception&) { return 0; }
  std::memcpy(m->out.data() + m->at, from, size_t(count));
  m->at += count;
  return count;
}

class File {
 public:
  File(Memory& memory, SF_INFO& info, const std::string& where) : a(api(where)) {
    SF_VIRTUAL_IO io = {on_size, on_seek, on_read, on_write, on_tell};
    file = a.open_virtual(&io, memory.writing ? SFM_WRITE : SFM_READ, &info, &memory);
    if (file) return;
    const std::string text = a.strerror(nullptr);
    if (memory.writing) throw ValueError(str(where, ": ", text));
    RL_CHECK(FileError, !memory.in.empty(), where, ": the file is empty");
    throw FileError(str(where, ": no sound file that is known, or a damaged one, at byte ", memory.at, " of ",
                        memory.size(), ": ", text));
  }
  ~File() { close(); }
  File(const File&) = delete;
  void close() {
    if (file) a.close(file);
    file = nullptr;
  }

  const Api& a;
  SNDFILE* file = nullptr;
};

uint32_t u32(std::span<const uint8_t> b, size_t at) {
  return b[at] | b[at + 1] << 8 | b[at + 2] << 16 | uint32_t(b[at + 3]) << 24;
}

// libsndfile reads what there is of a wav file whose end is missing, and says nothing.
void check_wav(std::span<const uint8_t> b, const std::string& where) {
  if (b.size() < 12 || std::memcmp(b.data(), "RIFF", 4) != 0 || std::memcmp(b.data() + 8, "WAVE", 4) != 0) return;
  for (size_t at = 12; at + 8 <= b.size();) {
    const size_t size = u32(b, at + 4), left = b.size() - at - 8;
    const bool data = std::memcmp(b.data() + at, "data", 4) == 0;
    // Written into a pipe, the size was not known.
    if (data && (size == 0xFFFFFFFF || size == 0)) return;
    RL_CHECK(FileError, size <= left, where, ": the chunk '", data ? "data" : "...", "' at byte ", at, " says ", size,
             " bytes, but ", left, " follow; the file is cut short");
    if (data) return;
    at += 8 + size + size % 2;
  }
  throw FileError(str(where, ": the file ends at byte ", b.size(), " before its sound; it is cut short"));
}

struct Names {
  int code;
  const char* name;
};
constexpr Names formats[] = {
    {SF_FORMAT_WAV, "wav"},   {SF_FORMAT_WAVEX, "wav"}, {SF_FORMAT_FLAC, "flac"}, {SF_FORMAT_OGG, "ogg"},
    {SF_FORMAT_AIFF, "aiff"}, {SF_FORMAT_AU, "au"},     {SF_FORMAT_RF64, "rf64"}, {SF_FORMAT_W64, "w64"},
    {SF_FORMAT_CAF, "caf"},   {SF_FORMAT_NIST, "nist"}, {SF_FORMAT_AVR, "avr"},   {SF_FORMAT_VOC, "voc"},
    {SF_FORMAT_MAT5, "mat5"}, {SF_FORMAT_IRCAM, "sf"},
};
struct Coding {
  int code;
  const char* name;      // libsndfile's
  const char* encoding;  // torchaudio's
  int bits;
};
constexpr Coding codings[] = {
    {SF_FORMAT_PCM_S8, "PCM_S8", "PCM_S", 8},  {SF_FORMAT_PCM_16, "PCM_16", "PCM_S", 16},
    {SF_FORMAT_PCM_24, "PCM_24", "PCM_S", 24}, {SF_FORMAT_PCM_32, "PCM_32", "PCM_S", 32},
    {SF_FORMAT_PCM_U8, "PCM_U8", "PCM_U", 8},  {SF_FORMAT_FLOAT, "FLOAT", "PCM_F", 32},
    {SF_FORMAT_DOUBLE, "DOUBLE", "PCM_F", 64}, {SF_FORMAT_ULAW, "ULAW", "ULAW", 8},
    {SF_FORMAT_ALAW, "ALAW", "ALAW", 8},       {SF_FORMAT_VORBIS, "VORBIS", "VORBIS", 0},
    {0x64 /* OPUS */, "OPUS", "OPUS", 0},
};

AudioInfo describe(const SF_INFO& i) {
  AudioInfo out{i.samplerate, i.frames, i.channels, 0, "UNKNOWN", "unknown"};
  for (const Names& f : formats)
    if (f.code == (i.format & SF_FORMAT_TYPEMASK)) out.format = f.name;
  for (const Coding& c : codings)
    if (c.code == (i.format & SF_FORMAT_SUBMASK)) {
      out.encoding = out.format == "flac" ? "FLAC" : c.encoding;
      out.bits = c.bits;
    }
  return out;
}

void check_header(const SF_INFO& i, const std::string& where) {
  RL_CHECK(FileError, i.channels > 0 && i.channels <= 1024 && i.samplerate > 0, where, ": the header says ", i.channels,
           " channels and ", i.samplerate, " samples a second");
}

template <class T>
Tensor read_all(const File& f, sf_count_t (*read)(SNDFILE*, T*, sf_count_t), const SF_INFO& info, int64_t offset,
                int64_t count, DType dtype, const std::string& where) {
  // Memory grows with what is there, not with what the header claims.
  const int64_t block = std::max<int64_t>(1, 65536 / info.channels);
  std::vector<T> samples;
  int64_t frames = 0;
  while (count < 0 || frames < count) {
    const int64_t wanted = count < 0 ? block : std::min(block, count - frames);
    const size_t before = size_t(frames * info.channels);
    if (samples.size() < before + size_t(wanted * info.channels))
      samples.resize(std::max(samples.size() * 2, before + size_t(wanted * info.channels)));
    const int64_t got = read(f.file, samples.data() + before, wanted);
    if (got <= 0) break;
    frames += got;
  }
  const int error = f.a.error(f.file);
  RL_CHECK(FileError, error == 0, where, ": at frame ", offset + frames, " of ", info.frames, ": ",
           f.a.strerror(f.file));
  // A length that isn't known is reported as a number that no file has.
  const int64_t end = info.frames == SF_COUNT_MAX ? offset + frames : info.frames;
  const int64_t due = std::max<int64_t>(0, count < 0 ? end - offset : std::min(count, end - offset));
  RL_CHECK(FileError, frames >= due, where, ": the header says ", info.frames, " frames, but the file ends after ",
           offset + frames, "; it is cut short");
  Tensor out = empty_tensor({info.channels, frames}, dtype);
  T* to = out.data<T>();
  for (int64_t c = 0; c < info.channels; c++)
    for (int64_t n = 0; n < frames; n++) *to++ = samples[size_t(n * info.channels + c)];
  return out;
}

}  // namespace

AudioInfo audio_info(std::span<const uint8_t> bytes, const std::string& where) {
  check_wav(bytes, where);
  Memory memory{bytes, {}, false, 0};
  SF_INFO info{};
  File f(memory, info, where);
  check_header(info, where);
  return describe(info);
}

Tensor read_audio(std::span<const uint8_t> bytes, const std::string& where, int64_t offset, int64_t count, DType dtype,
                  int64_t* sample_rate) {
  RL_CHECK(ValueError, offset >= 0 && count >= -1, where,
           ": expected a frame to begin with and a count >= 0, or -1 for all, got ", offset, " and ", count);
  check_wav(bytes, where);
  Memory memory{bytes, {}, false, 0};
  SF_INFO info{};
  File f(memory, info, where);
  check_header(info, where);
  *sample_rate = info.samplerate;
  offset = std::min<int64_t>(offset, info.frames);
  if (offset > 0)
    RL_CHECK(FileError, f.a.seek(f.file, offset, SEEK_SET) == offset, where, ": frame ", offset, " of ", info.frames,
             " can't be reached; the file is damaged");
  switch (dtype) {
    case DType::Float32: return read_all<float>(f, f.a.readf_float, info, offset, count, dtype, where);
    case DType::Float64: return read_all<double>(f, f.a.readf_double, info, offset, count, dtype, where);
    case DType::Int16: return read_all<int16_t>(f, f.a.readf_short, info, offset, count, dtype, where);
    case DType::Int32: return read_all<int32_t>(f, f.a.readf_int, info, offset, count, dtype, where);
    default:
      throw TypeError(str(where, ": sound is read as float32, float64, int16 or int32, not as ", name_of(dtype)));
  }
}

std::string write_audio(const Tensor& samples, int64_t sample_rate, const std::string& format,
                        const std::string& encoding) {
  const std::string where = "save";
  RL_CHECK(ValueError, samples.dim() == 2, where, ": expected (channels, frames), got ", samples.dim(), " dimensions");
  RL_CHECK(TypeError, samples.device().is_cpu() && samples.layout() == Layout::Strided, where,
           ": expected a dense tensor on the CPU");
  const int64_t channels = samples.size(0), frames = samples.size(1);
  RL_CHECK(ValueError, channels >= 1 && channels <= 1024 && sample_rate >= 1 && sample_rate <= 10000000, where, ": ",
           channels, " channels of ", sample_rate, " samples a second can't be written");
  SF_INFO info{};
  info.samplerate = int(sample_rate);
  info.channels = int(channels);
  int type = 0, code = 0;
  for (const Names& f : formats)
    if (!type && format == f.name) type = f.code;
  RL_CHECK(ValueError, type, where, ": format '", format, "' is not known; wav, flac, ogg, aiff and au are");
  const DType d = samples.dtype();
  std::string chosen = encoding;
  if (chosen.empty())
    chosen = format == "ogg"       ? "VORBIS"
             : format == "flac"    ? (d == DType::Int32 ? "PCM_24" : "PCM_16")
             : d == DType::UInt8   ? "PCM_U8"
             : d == DType::Int16   ? "PCM_16"
             : d == DType::Int32   ? "PCM_32"
             : d == DType::Float64 ? "DOUBLE"
                                   : "FLOAT";
  for (const Coding& c : codings)
    if (chosen == c.name) code = c.code;
  RL_CHECK(ValueError, code, where, ": encoding '", chosen, "' is not known");
  info.format = type | code;
  RL_CHECK(ValueError, api(where).format_check(&info), where, ": a ", format, " file of ", channels, " channels and ",
           sample_rate, " samples a second can't hold ", chosen);
  Memory memory{{}, {}, true, 0};
  File f(memory, info, where);
  f.a.command(f.file, SFC_SET_CLIPPING, nullptr, SF_TRUE);
  const int64_t c_step = samples.stride(0), n_step = samples.stride(1);
  const int64_t block = std::max<int64_t>(1, 65536 / channels);
  auto write = [&]<class From, class To>(From*, To*, auto convert, sf_count_t (*put)(SNDFILE*, const To*, sf_count_t)) {
    std::vector<To> row(size_t(block * channels));
    const From* from = samples.data<From>();
    for (int64_t n = 0; n < frames; n += block) {
      const int64_t count = std::min(block, frames - n);
      for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < channels; c++)
          row[size_t(i * channels + c)] = convert(from[c * c_step + (n + i) * n_step]);
      RL_CHECK(RuntimeError, put(f.file, row.data(), count) == count, where, ": ", f.a.strerror(f.file));
    }
  };
  auto same = [](auto v) { return v; };
  switch (d) {
    case DType::Float32: write((float*)nullptr, (float*)nullptr, same, f.a.writef_float); break;
    case DType::Float64: write((double*)nullptr, (double*)nullptr, same, f.a.writef_double); break;
    case DType::Int16: write((int16_t*)nullptr, (int16_t*)nullptr, same, f.a.writef_short); break;
    case DType::Int32: write((int32_t*)nullptr, (int32_t*)nullptr, same, f.a.writef_int); break;
    case DType::UInt8:
      write((uint8_t*)nullptr, (int16_t*)nullptr, [](uint8_t v) { return int16_t((int(v) - 128) * 256); },
            f.a.writef_short);
      break;
    default: throw TypeError(str(where, ": sound is float32, float64, int16, int32 or uint8, not ", name_of(d)));
  }
  f.close();
  return std::move(memory.out);
}

}  // namespace rushlight::data

#else

namespace rushlight::data {
AudioInfo audio_info(std::span<const uint8_t>, const std::string& where) { fail_missing_library(where, "sndfile"); }
Tensor read_audio(std::span<const uint8_t>, const std::string& where, int64_t, int64_t, DType, int64_t*) {
  fail_missing_library(where, "sndfile");
}
std::string write_audio(const Tensor&, int64_t, const std::string&, const std::string&) {
  fail_missing_library("save", "sndfile");
}
}  // namespace rushlight::data

#endif
