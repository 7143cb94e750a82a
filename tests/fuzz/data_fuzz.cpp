// libFuzzer targets for the readers of rushlight/data, of protocol buffers and of Caffe2's messages, one program each: RL_FUZZ names it. Any end but an Error is a bug.
//   ./dev fuzz png --seconds 600
#include "rushlight/caffe2/message.h"
#include "rushlight/core/error.h"
#include "rushlight/data/audio.h"
#include "rushlight/data/csv.h"
#include "rushlight/data/image.h"
#include "rushlight/data/npy.h"
#include "rushlight/data/record.h"
#include "rushlight/data/sets.h"
#include "rushlight/io/protobuf.h"
#include "rushlight/kernels/providers.h"
#include "rushlight/onnx/tensors.h"

using namespace rushlight;

// The library's own, which no reader asks for anything.
namespace rushlight {
Provider* onednn_provider() { return nullptr; }
Provider* openblas_provider() { return nullptr; }
}  // namespace rushlight

namespace {

using Bytes = std::span<const uint8_t>;

// Pictures that libraries take long to make of few bytes aren't what is sought.
data::ImageOptions picture(uint8_t choice) {
  return {data::ImageMode(choice % 5), (choice & 8) != 0, 1 << 20, (choice & 16) != 0};
}

// The first byte of the input chooses among options.
[[maybe_unused]] void png(Bytes b, uint8_t choice) { data::decode_png(b, "fuzz", picture(choice)); }
[[maybe_unused]] void jpeg(Bytes b, uint8_t choice) { data::decode_jpeg(b, "fuzz", picture(choice)); }
[[maybe_unused]] void bmp(Bytes b, uint8_t choice) { data::decode_bmp(b, "fuzz", picture(choice)); }
[[maybe_unused]] void pnm(Bytes b, uint8_t choice) { data::decode_pnm(b, "fuzz", picture(choice)); }
[[maybe_unused]] void idx(Bytes b, uint8_t) { data::read_idx(b, "fuzz"); }
[[maybe_unused]] void cifar(Bytes b, uint8_t choice) {
  if (choice & 2) data::cifar_names(b, "label_names", "fuzz");
  else data::read_cifar(b, choice & 1 ? data::CifarKind::Ten : data::CifarKind::Hundred, "fuzz");
}
[[maybe_unused]] void npy(Bytes b, uint8_t choice) {
  io::Bytes own = io::own_bytes({b.begin(), b.end()});
  if (choice & 1) data::read_npy(own, "fuzz", choice & 2);
  else data::read_npz(own, "fuzz", choice & 2);
}
[[maybe_unused]] void wav(Bytes b, uint8_t choice) {
  int64_t rate;
  if (choice & 1) data::audio_info(b, "fuzz");
  else
    data::read_audio(b, "fuzz", choice & 2 ? 5 : 0, choice & 4 ? 7 : -1, choice & 8 ? DType::Int16 : DType::Float32,
                     &rate);
}
[[maybe_unused]] void record(Bytes b, uint8_t) {
  data::decode_record({reinterpret_cast<const char*>(b.data()), b.size()}, "fuzz");
}
// Any message: fields, groups, and what looks like messages inside of them.
void go_through(io::wire::Reader r, bool as_numbers) {
  for (io::wire::Field f; r.next(f);) {
    bool inner = f.is_bytes() || f.type == io::wire::Type::Group;
    if (!inner) continue;
    if (as_numbers && f.is_bytes()) r.numbers(f, io::wire::Type::Varint, [](uint64_t) {});
    else go_through(r.message(f), as_numbers);
  }
}
[[maybe_unused]] void protobuf(Bytes b, uint8_t choice) {
  std::string_view text(reinterpret_cast<const char*>(b.data()), b.size());
  io::wire::Input input(text, "fuzz");
  go_through(io::wire::Reader(text, input), choice & 1);
}
// A model's messages, written again, and its tensors; what its nodes mean is tests/python/test_onnx_import.py's to damage.
[[maybe_unused]] void onnx_model(Bytes b, uint8_t) {
  std::string_view text(reinterpret_cast<const char*>(b.data()), b.size());
  auto model = io::wire::parse<onnx::ModelProto>(text, "fuzz");
  std::string again = io::wire::serialize(model);
  RL_INVARIANT(io::wire::serialize(io::wire::parse<onnx::ModelProto>(again, "fuzz")) == again, "not the same");
  onnx::TensorReader reader("fuzz", "", b.size());
  for (const auto& t : model.graph.initialisers) reader.read(t);
  for (const auto& t : model.graph.sparse_initialisers) reader.read(t);
}
// Caffe2's messages: what was read is written, and read again as the same.
[[maybe_unused]] void net_def(Bytes b, uint8_t choice) {
  static const char* const types[] = {"NetDef", "MetaNetDef", "TensorProtos", "BlobProto", "PlanDef"};
  const char* type = types[choice % 5];
  auto m = caffe2::parse_message(type, {reinterpret_cast<const char*>(b.data()), b.size()}, "fuzz");
  std::string again = m->serialize();
  RL_INVARIANT(caffe2::parse_message(type, again, "fuzz")->serialize() == again, "not the same");
}
[[maybe_unused]] void net_text(Bytes b, uint8_t choice) {
  const char* type = choice & 1 ? "NetDef" : "PlanDef";
  auto m = caffe2::make_message(type), again = caffe2::make_message(type);
  m->parse_text({reinterpret_cast<const char*>(b.data()), b.size()}, "fuzz");
  std::string text = m->to_text();
  again->parse_text(text, "fuzz");
  RL_INVARIANT(again->to_text() == text, "not the same");  // not the bytes: no text keeps the sign of a NaN
}
[[maybe_unused]] void csv(Bytes b, uint8_t choice) {
  data::CsvOptions o;
  o.header = choice & 1;
  o.skip_errors = choice & 2;
  o.comment = choice & 4 ? '#' : 0;
  o.quote = choice & 8 ? '"' : 0;
  if (choice & 16) o.type = data::ColumnType(1 + choice / 32 % 6);
  data::CsvTable t = data::read_csv(b, "fuzz", o);
  for (const data::CsvColumn& c : t.columns)
    RL_INVARIANT(c.type == data::ColumnType::Text ? int64_t(c.texts.size()) == t.rows : c.values.numel() == t.rows,
                 "rows");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  try {
    RL_FUZZ({bytes + 1, size - 1}, bytes[0]);
  } catch (const InternalError&) { throw; } catch (const Error&) {
  }
  return 0;
}
