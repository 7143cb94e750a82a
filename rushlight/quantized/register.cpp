// What happens when the library is loaded.
#include <memory>

#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

// Takes all away when the library is unloaded.
struct Registration {
  Registration() {
    try {
      define_classes();  // schemas name them
      define_prepacked_classes();
      quantized = std::make_unique<OpLibrary>(OpLibrary::Kind::Def, "quantized", "rushlight/quantized");
      aten = std::make_unique<OpLibrary>(OpLibrary::Kind::Fragment, "aten", "rushlight/quantized");
      prepacked = std::make_unique<OpLibrary>(OpLibrary::Kind::Def, "prepacked", "rushlight/quantized");
      define_linear(*quantized);
      define_conv(*quantized);
      define_pointwise(*quantized);
      define_embedding(*quantized);
      define_recurrent(*quantized, *aten);
      define_prepacked(*prepacked);
      define_builtins(builtins);
    } catch (const Error& e) { registration_failed(e.what()); }
  }
  ~Registration() {
    for (const std::string& name : builtins) set_quantized_kernel(name, nullptr);
  }
  std::unique_ptr<OpLibrary> quantized, aten, prepacked;
  std::vector<std::string> builtins;
} registration;

}  // namespace
}  // namespace rushlight::quantized
