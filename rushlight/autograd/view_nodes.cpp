#include "rushlight/autograd/view_nodes.h"

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/op_node.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/as_strided_backward.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/new_zeros.h"
#include "rushlight/fn/view_as_complex.h"
#include "rushlight/fn/view_as_real.h"
#include "rushlight/fn/zero_.h"

namespace rushlight {

namespace {

// The geometry in which a real view shows a complex base.
Geometry as_real(Geometry g) {
  for (int64_t& s : g.strides) s *= 2;
  g.sizes.push_back(2);
  g.strides.push_back(1);
  g.offset *= 2;
  g.dtype = to_real(g.dtype);
  return g;
}

void check_same_kind(const Geometry& base, const Geometry& view) {
  RL_CHECK(NotImplementedError, is_complex(base.dtype) || !is_complex(view.dtype),
           "gradient of a complex view of a real tensor that was written to in place; write to the real tensor, or "
           "clone the view first");
}

}  // namespace

void refresh_view(const Tensor& t) {
  TensorImpl* v = t.impl();
  if (v->view_version() == v->version() || !v->base()->requires_grad()) return;
  if (v->view_kind() != ViewKind::Tracked) refuse_write(t, true);
  set_history(t, make_ref<AsStridedNode>(Tensor(v->base()), t), 0);
}

void rebase_history(const Tensor& t, Ref<Node> node) {
  if (t.is_view()) {
    Tensor base(t.impl()->base());
    set_history(base, make_ref<CopySlices>(base, t, std::move(node)), 0);
    t.impl()->set_requires_grad(true);
  } else {
    set_history(t, std::move(node), 0);
  }
}

AsStridedNode::AsStridedNode(const Tensor& base, const Tensor& view) : base_(base), view_(view) {
  allocate_edges(1);
  set_gradient_edge(edges()[0], base);
}

AsStridedNode::AsStridedNode(Edge of, const Geometry& base, const Geometry& view) : base_(base), view_(view) {
  allocate_edges(1);
  edges()[0] = std::move(of);
}

Grads AsStridedNode::apply(Backward&, Tensor* grads) {
  check_same_kind(base_, view_);
  bool split = is_complex(base_.dtype) && !is_complex(view_.dtype);
  Geometry b = split ? as_real(base_) : base_;
  Tensor g = as_strided_backward(grads[0], b.sizes, b.strides, b.offset, view_.sizes, view_.strides, view_.offset);
  return {split ? view_as_complex(contiguous(g)) : g};
}

CopySlices::CopySlices(const Tensor& base, const Tensor& view, Ref<Node> inner)
    : base_(base), view_(view), inner_(std::move(inner)) {
  uint32_t n = inner_->num_edges();
  allocate_edges(n);
  set_gradient_edge(edges()[0], base);
  for (uint32_t i = 1; i < n; i++) edges()[i] = inner_->edges()[i];
  // The inner node answers for the base instead of the view.
  inner_->edges()[0].node = edges()[0].node;
  inner_->edges()[0].input_nr = edges()[0].input_nr;
  if (auto* op = dynamic_cast<OpNode*>(inner_.get())) op->runs_in(*this);
}

Ref<Node> CopySlices::part(bool before) const {
  Edge of = edges()[0];
  if (!before) {
    of.node = Ref<Node>(const_cast<CopySlices*>(this));
    of.input_nr = 0;
  }
  return make_ref<AsStridedNode>(std::move(of), base_, view_);
}

void CopySlices::release_saved() { inner_ = nullptr; }

void CopySlices::visit_owned(OwnedVisitor& visitor) const {
  Node::visit_owned(visitor);
  if (inner_) visitor.node(*inner_);
}

Grads CopySlices::apply(Backward& run, Tensor* grads) {
  RL_CHECK(AutogradError, inner_, kBackwardTwice);
  check_same_kind(base_, view_);
  // The gradient laid out as the base was, so that the view's geometry finds its part.
  bool split = is_complex(base_.dtype) && !is_complex(view_.dtype);
  auto laid_out = [&] {
    int64_t elements = 0;
    storage_extent(base_.sizes, base_.strides, 0, elements);
    Tensor t = grads[0].impl()->wrapper()  // batched where the gradient is
                   ? as_strided(new_zeros(grads[0], {elements}), base_.sizes, base_.strides, 0)
                   : empty_strided_tensor(base_.sizes, base_.strides, grads[0].dtype(), grads[0].device());
    copy_(t, grads[0]);
    return t;
  };
  auto part_of = [&](const Tensor& t) {
    return as_strided(split ? view_as_real(t) : t, view_.sizes, view_.strides,
                      view_.offset - base_.offset * (split ? 2 : 1));
  };
  Tensor all = laid_out();
  // Recorded, a part that is read must not be the one that is written below.
  Tensor of_result = clone(part_of(thread_state.grad_enabled ? laid_out() : all));
  Tensor part = part_of(all);
  Grads out = inner_->apply(run, &of_result);
  Tensor of_view = out.size() ? Backward::fitted(std::move(out[0]), inner_->edges()[0], *inner_, 0) : Tensor();
  if (of_view.defined()) copy_(part, of_view);
  else zero_(part);
  if (out.size() == 0) out.push_back(Tensor());
  out[0] = std::move(all);
  return out;
}

}  // namespace rushlight
