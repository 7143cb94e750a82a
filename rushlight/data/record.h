// What databases of pictures and tensors hold: Caffe's Datum and Caffe2's TensorProtos, as protobuf's wire format. Only their fields are
// known here; unknown ones are skipped, as protobuf does.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/core/tensor.h"

namespace rushlight::data {

enum class RecordKind : uint8_t { Datum, Tensors };

struct Record {
  RecordKind kind = RecordKind::Datum;
  // Datum: the picture (C, H, W), uint8 or float32. Tensors: all of them.
  std::vector<Tensor> tensors;
  std::vector<std::string> names;  // of Tensors, "" where they have none
  std::optional<int64_t> label;    // of a Datum
};

// A Datum's picture is decoded where it is a PNG or JPEG file. Throws FileError that names the byte.
Record decode_record(std::string_view bytes, const std::string& where);

// A Datum of a uint8 or float32 tensor (C, H, W), or around an encoded picture's bytes.
std::string encode_datum(const Tensor& image, std::optional<int64_t> label);
std::string encode_datum(std::string_view encoded, int64_t channels, int64_t height, int64_t width,
                         std::optional<int64_t> label);
// Throws TypeError for a dtype that Caffe2 lacks.
std::string encode_tensors(const std::vector<Tensor>& tensors, const std::vector<std::string>& names = {});

}  // namespace rushlight::data
