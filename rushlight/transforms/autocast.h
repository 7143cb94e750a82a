// torch.autocast on the CPU: floating point arguments become what the record of the operator says (OpDef::autocast), in a region of the
// thread. Kernels that libraries register for AutocastCPU come before that.
#pragma once
#include <unordered_map>

#include "rushlight/dispatch/values.h"

namespace rushlight {

class AutocastRegion final : public Interceptor {
 public:
  // The thread's. It stands among the interceptors while it is enabled.
  static AutocastRegion& of_thread();
  void call(const Op& op, IValue* args, IValue* rets) override;
  bool takes_whole(const Op& op) const override;

  bool enabled() const { return enabled_; }
  void set_enabled(bool on);
  DType dtype() const { return dtype_; }
  void set_dtype(DType d) { dtype_ = d; }
  bool caches() const { return caches_; }
  void set_caches(bool on) { caches_ = on; }
  // Weights cast in the outermost region are kept until it ends, so that each is cast once and has one gradient.
  void clear_cache() { cache_.clear(); }
  int nesting = 0;

 private:
  Tensor cast(const Tensor& t, DType to);
  DType widest(const Op& op, const IValue* args) const;
  struct Kept {
    Tensor weight, cast;
    uint32_t version;
  };
  std::unordered_map<const TensorImpl*, Kept> cache_;
  DType dtype_ = DType::BFloat16;
  bool enabled_ = false, caches_ = true;
};

}  // namespace rushlight
