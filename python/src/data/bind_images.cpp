#include "rushlight/data/image.h"
#include "tensors.h"

namespace rushlight::py {
namespace {

using Decode = Tensor (*)(std::span<const uint8_t>, const std::string&, const data::ImageOptions&);

void bind_decoder(nb::module_& m, const char* name, Decode decode, const char* doc) {
  m.def(
      name,
      [name, decode](nb::handle from, int mode, bool exif, int64_t max_pixels, bool strict) {
        RL_CHECK(ValueError, mode >= 0 && mode <= 4, name, ": expected a mode of 0 to 4, got ", mode);
        Source s = source_of(from, name);
        data::ImageOptions options{data::ImageMode(mode), exif, max_pixels, strict};
        std::string where = s.where(name);
        return without_gil([&] { return decode(s.bytes.data, where, options); });
      },
      "input"_a, "mode"_a = 0, "apply_exif_orientation"_a = false, nb::kw_only(),
      "max_pixels"_a = data::ImageOptions{}.max_pixels, "strict"_a = true, doc);
}

}  // namespace

void bind_images(nb::module_& m) {
  bind_decoder(m, "decode_image", data::decode_image, "A picture of any kind that is known.");
  bind_decoder(m, "read_image", data::decode_image, "The same; errors name it so.");
  bind_decoder(m, "decode_png", data::decode_png, "A PNG picture.");
  bind_decoder(m, "decode_jpeg", data::decode_jpeg, "A JPEG picture.");
  bind_decoder(m, "decode_bmp", data::decode_bmp, "A BMP picture.");
  bind_decoder(m, "decode_pnm", data::decode_pnm, "A PBM, PGM or PPM picture.");
  m.def(
      "image_info",
      [](nb::handle from) {
        Source s = source_of(from, "image_info");
        data::ImageInfo i = data::image_info(s.bytes.data, s.where("image_info"));
        nb::dict out;
        out["kind"] = data::name_of(i.kind);
        out["width"] = i.width;
        out["height"] = i.height;
        out["channels"] = i.channels;
        out["bits"] = i.bits;
        out["orientation"] = i.orientation;
        return out;
      },
      "input"_a, "What the header says: kind, width, height, channels, bits, orientation.");
  m.def(
      "encode_png",
      [](Tensor image, int level) { return to_tensor(without_gil([&] { return data::encode_png(image, level); })); },
      "input"_a, "compression_level"_a = 6, "The bytes of a PNG file, as a uint8 tensor.");
  m.def(
      "encode_jpeg",
      [](Tensor image, int quality) {
        return to_tensor(without_gil([&] { return data::encode_jpeg(image, quality); }));
      },
      "input"_a, "quality"_a = 75, "The bytes of a JPEG file, as a uint8 tensor.");
  m.def(
      "read_file",
      [](nb::handle path) {
        Source s = source_of(path, "read_file");
        return to_tensor({reinterpret_cast<const char*>(s.bytes.data.data()), s.bytes.data.size()});
      },
      "path"_a, "A file's bytes as a uint8 tensor.");
  m.def(
      "write_file",
      [](nb::handle path, Tensor data) {
        RL_CHECK(TypeError,
                 data.dtype() == DType::UInt8 && data.dim() == 1 && data.device().is_cpu() && data.is_contiguous(),
                 "write_file: expected a contiguous uint8 tensor of one dimension on the CPU, got ", data.dtype(),
                 " of ", data.dim(), " dimensions");
        io::AtomicFile file(path_of(path));
        file.write(data.raw(), size_t(data.numel()));
        file.commit();
      },
      "path"_a, "data"_a, "Writes a uint8 tensor's bytes; an older file stays whole until they are written.");
}

}  // namespace rushlight::py
