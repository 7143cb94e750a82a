// The texts of export_texts.cpp that have files of their own.
#pragma once

namespace rushlight::onnx {

extern const char* const kLinalgTexts;
extern const char* const kSpecialTexts;

}  // namespace rushlight::onnx
