// What ONNX's operators mean, as TorchScript that is put where a node stands.
//
//   def Gemm_7(A, B, C: Any = None, alpha: Any = 1.0, ...):
//
// is Gemm from version 7 of its domain's operators on, up to the next that is there; without a number: from the first. Inputs come by
// position, None where they are absent, attributes by name; so one function serves a version that has `axes` as an attribute and one that
// has it as an input. Parameters that are no operator's own:
//   inputs   all inputs, of an operator that takes any number
//   outputs  how many outputs the node has; the result is then a tuple of outputs (or a list of them)
//   opset    the version of the domain that the model asks for
// Names that begin with a small letter or _ are helpers. The text sees, besides torch and helpers: ints(x), the whole numbers of a list or
// tensor, known while compiling where x is; elem(x), the element type of onnx.proto or 0 where it isn't known; floating(x), unsigned(x), what
// elem says, or the running program; and unsupported(text), an error.
#pragma once
#include <string_view>

namespace rushlight::onnx {

struct OperatorText { const char *domain, *text; };
extern const char *const kMathText,
    *const kShapeText, *const kNetworkText, *const kQuantizedText,
                                                *const kSequenceText, *const kSignalText, *const kMlText,
                                                                                              *const kTrainingText,
                                                                                                  *const kAttentionText;

// The newest version of a domain's operators that is known; 0: the domain isn't.
inline int newest_version(std::string_view domain) {
  return domain.empty()                          ? 28
         : domain == "ai.onnx.ml"                ? 5
         : domain.starts_with("ai.onnx.preview") ? 1
         : domain == "com.microsoft"             ? 1
                                                 : 0;
}

}  // namespace rushlight::onnx
