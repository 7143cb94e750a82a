// nms: which boxes remain when those go that overlap a better one.
#include <torch/torch.h>

#include "rushlight/vision/register.h"

namespace rushlight::vision {
namespace {

Tensor nms(const Tensor& dets, const Tensor& scores, double threshold) {
  TORCH_CHECK(dets.dim() == 2, "nms: boxes should be a 2d tensor, got ", dets.dim(), "D");
  TORCH_CHECK(dets.size(1) == 4, "nms: boxes should have 4 elements in dimension 1, got ", dets.size(1));
  TORCH_CHECK(scores.dim() == 1, "nms: scores should be a 1d tensor, got ", scores.dim(), "D");
  TORCH_CHECK(dets.size(0) == scores.size(0),
              "nms: boxes and scores should have same number of elements in dimension 0, got ", dets.size(0), " and ",
              scores.size(0));
  TORCH_CHECK(dets.scalar_type() == scores.scalar_type(), "nms: dets should have the same type as scores, got ",
              dets.scalar_type(), " and ", scores.scalar_type());
  TORCH_CHECK(dets.device() == scores.device(), "nms: expected boxes and scores on one device, got ", dets.device(),
              " and ", scores.device());
  TORCH_CHECK(!dets.is_meta(), "nms: how many boxes remain depends on their values, which meta tensors don't have");
  int64_t count = dets.size(0);
  Tensor kept = torch::empty({count}, dets.options().dtype(torch::kLong));
  int64_t n = 0;
  AT_DISPATCH_FLOATING_TYPES(dets.scalar_type(), "nms", [&] {
    Tensor order = std::get<1>(scores.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
    const int64_t* by_score = order.data_ptr<int64_t>();
    // Corners by score and apart, so that the loop below runs over neighbours.
    Tensor sorted = dets.index_select(0, order).t().contiguous();
    const scalar_t *x1 = sorted.data_ptr<scalar_t>(), *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count;
    std::vector<scalar_t> areas(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; i++) areas[size_t(i)] = (x2[i] - x1[i]) * (y2[i] - y1[i]);
    std::vector<uint8_t> gone(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; i++) {
      if (gone[size_t(i)]) continue;
      kept.data_ptr<int64_t>()[n++] = by_score[i];
      scalar_t left = x1[i], top = y1[i], right = x2[i], bottom = y2[i], area = areas[size_t(i)];
      for (int64_t j = i + 1; j < count; j++) {
        scalar_t w = std::max(scalar_t(0), std::min(right, x2[j]) - std::max(left, x1[j]));
        scalar_t h = std::max(scalar_t(0), std::min(bottom, y2[j]) - std::max(top, y1[j]));
        scalar_t inside = w * h;
        gone[size_t(j)] |= uint8_t(double(inside / (area + areas[size_t(j)] - inside)) > threshold);
      }
    }
  });
  return kept.narrow(0, 0, n).clone();
}

TORCH_LIBRARY_FRAGMENT(torchvision, m) {
  m.def("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
  m.impl("nms", torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, nms));
  // Indices have no gradient: nothing is recorded, and nobody is warned.
  for (auto key : {c10::DispatchKey::AutogradCPU, c10::DispatchKey::AutogradMeta})
    m.impl("nms", torch::dispatch(key, torch::CppFunction::makeFallthrough()));
  // Known by name, as torchvision's Python code asks for them; of quantised tensors there are none.
  m.def("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
  m.def(
      "qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int "
      "rois_zero_point, "
      "float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor");
  m.def("_cuda_version() -> int", [] { return int64_t(-1); });
}

}  // namespace
}  // namespace rushlight::vision
