// Note [Views]: a view has a place of its own in the graph until somebody writes to the memory it shares.
//
//   An in-place operator on a view v of base b is recorded as one on b: b's new grad_fn is CopySlices, which runs the operator's node
//   for v's part of the gradient and passes the rest through.
//   A view remembers the version its grad_fn belongs to (TensorImpl::view_version). When the memory's version has moved on, its grad_fn is
//   replaced, the next time somebody asks, by AsStridedBackward0: v as what it now is, a part of b's present value.
#pragma once
#include "rushlight/autograd/meta.h"

namespace rushlight {

// Brings the grad_fn of a view up to date. REQUIRES: t.is_view().
void refresh_view(const Tensor& t);

struct Geometry {
  explicit Geometry(const Tensor& t)
      : sizes(t.sizes()), strides(t.strides()), offset(t.storage_offset()), dtype(t.dtype()) {}
  Dims sizes, strides;
  int64_t offset;
  DType dtype;
};

class AsStridedNode final : public Node {
 public:
  AsStridedNode(const Tensor& base, const Tensor& view);
  // `of`: where the gradient of the base goes.
  AsStridedNode(Edge of, const Geometry& base, const Geometry& view);
  Grads apply(Backward& run, Tensor* grads) override;
  std::string name() const override { return "AsStridedBackward0"; }

 private:
  Geometry base_, view_;
};

class CopySlices final : public Node {
 public:
  // `inner`: the node of the in-place operator on `view`, whose first edge belongs to the view.
  CopySlices(const Tensor& base, const Tensor& view, Ref<Node> inner);
  Grads apply(Backward& run, Tensor* grads) override;
  std::string name() const override { return "CopySlices"; }
  void release_saved() override;
  void visit_owned(OwnedVisitor& visitor) const override;
  // The view, as a part of what the base is after the operator, and (`before`) was before it.
  Ref<Node> part(bool before) const;

 private:
  Geometry base_, view_;
  Ref<Node> inner_;  // null once released
};

}  // namespace rushlight
