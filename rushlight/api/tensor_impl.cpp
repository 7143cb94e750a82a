#include "rushlight/api/tensor_impl.h"

#include "rushlight/dispatch/values.h"

namespace rushlight::api {
namespace {

const Tensor& undefined_insides() {
  static const Tensor t(empty_tensor({0}, DType::Float, Device{DeviceType::Meta}));
  return t;
}

struct HeldMeta final : TensorContents {
  explicit HeldMeta(intrusive_ptr<BackendMeta> m) : meta(std::move(m)) {}
  const intrusive_ptr<BackendMeta> meta;
};

rushlight::TensorImpl& writable(TensorImpl* t, const char* who) {
  RL_CHECK(RuntimeError, t != undefined_insides().unsafeGetTensorImpl(), who,
           "() called on an undefined Tensor; give the tensor a value first");
  return *reinterpret_cast<rushlight::TensorImpl*>(t);
}

}  // namespace

TensorImpl* Tensor::undefined_impl() { return undefined_insides().unsafeGetTensorImpl(); }

TensorImpl::VersionCounter TensorImpl::version_counter() const {
  RL_CHECK(RuntimeError, !is_inference(), "Inference tensors do not track version counter.");
  return {impl().version()};
}
void TensorImpl::bump_version() {
  RL_CHECK(RuntimeError, !is_inference() || thread_state.inference_mode,
           "Inplace update to inference tensor outside InferenceMode is not allowed.");
  if (!is_inference()) writable(this, "bump_version").bump_version();
}

autograd::AutogradMetaInterface* TensorImpl::autograd_meta() const {
  const rushlight::TensorImpl& t = impl();
  if (!t.base() && !t.autograd) return nullptr;
  static thread_local autograd::DifferentiableViewMeta shown;
  shown.is_view = bool(t.base());
  switch (t.view_kind()) {
    case ViewKind::Tracked: shown.creation_meta = autograd::CreationMeta::DEFAULT; break;
    case ViewKind::NoGrad: shown.creation_meta = autograd::CreationMeta::NO_GRAD_MODE; break;
    case ViewKind::Inference: shown.creation_meta = autograd::CreationMeta::INFERENCE_MODE; break;
    case ViewKind::OneOfMany: shown.creation_meta = autograd::CreationMeta::MULTI_OUTPUT_NODE; break;
    case ViewKind::OfFunction: shown.creation_meta = autograd::CreationMeta::IN_CUSTOM_FUNCTION; break;
  }
  return &shown;
}

void TensorImpl::set_backend_meta(intrusive_ptr<BackendMeta> meta) {
  rushlight::TensorImpl& t = writable(this, "set_backend_meta");
  RL_CHECK(RuntimeError, !t.wrapper() && !t.parts(), "set_backend_meta: expected a tensor of memory of its own, got ",
           t.parts() ? "one whose values are in other tensors (sparse or quantized)"
                     : "one of a transform (func.grad, func.vmap)",
           "; give it to the tensor that this one is made of");
  t.set_backend_contents(meta ? make_ref<HeldMeta>(std::move(meta)) : nullptr);
}
BackendMeta* TensorImpl::get_backend_meta() const { return get_backend_meta_intrusive_ptr().get(); }
intrusive_ptr<BackendMeta> TensorImpl::get_backend_meta_intrusive_ptr() const {
  auto* held = static_cast<const HeldMeta*>(impl().backend_contents());
  return held ? held->meta : nullptr;
}
void TensorImpl::shallow_copy_from(const intrusive_ptr<TensorImpl>& from) {
  Ref<rushlight::TensorImpl> to(&writable(this, "shallow_copy_from"));
  if (!from) fail_undefined("shallow_copy_from");
  rushlight::take_over(rushlight::Tensor(std::move(to)), from.held());
  if (BackendMeta* meta = from->get_backend_meta())
    set_backend_meta(meta->clone(from->get_backend_meta_intrusive_ptr()));
  else if (get_backend_meta()) set_backend_meta(nullptr);
}

}  // namespace rushlight::api
