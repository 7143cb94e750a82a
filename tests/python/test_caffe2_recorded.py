"""Operators against what Caffe2 itself (in torch 1.10.2) computed for small inputs."""

import numpy as np
import pytest
from rushlight.caffe2.python import core, workspace

import rushlight as rl

CASES, WRONG = [], []


def case(op, inputs, outputs, into=None, **args):
    CASES.append(pytest.param(op, inputs, outputs, into, args, id=f"{op}-{len(CASES)}"))


def wrong(op, inputs, outputs, **args):
    WRONG.append(pytest.param(op, inputs, outputs, args, id=f"{op}-{len(WRONG)}"))


def of(dtype):
    return lambda values: np.array(values, dtype)


f2, f4, f8, i4, i8, u1, b1 = (of(d) for d in ("f2", "f4", "f8", "i4", "i8", "u1", "b1"))


def text(values):
    return np.array(values, object)


X = f4([[1, -2, 3, 0.5], [0, 4, -1, 2], [0.25, 1, -3, 5]])

# `into`: the outputs are these inputs.
# fmt: off
case("Histogram", [f4([-2, -2, 0, 0.5, 1, 9, 10, -3])], [i8([2, 2, 1])], bin_edges=[-2.0, 0.0, 1.0, 9.0])
case("BisectPercentile", [f4([[0.5, 3], [-1, 1.5], [2, 9], [1.5, 2]])], [f4([[0.3, 1], [0, 0.5], [0.9, 1], [0.725, 0.8]])], percentile_raw=[0.0, 1.0, 2.0, 1.0, 2.0], percentile_mapping=[0.1, 0.5, 0.9, 0.2, 0.8], percentile_lower=[0.05, 0.4, 0.85, 0.1, 0.7], percentile_upper=[0.2, 0.6, 0.95, 0.3, 0.9], lengths=[3, 2])
case("NGramFromCategorical", [f4([[3, 7, 2], [4, 7, 9], [8, 1, 5]])], [i8([0, 5, 2])], col_ids=[0, 2], categorical_limits=[2, 3], vals=[3, 4, 2, 5, 9])
case("APMeter", [f4([[0.9, 0.1], [0.8, 0.7], [0.3, 0.6]]), i4([[1, 0], [0, 1], [1, 1]])], [f4([0.833333, 1])], buffer_size=10)
case("AffineChannel", [f4([[[[1, -2, 3], [0.5, 0, 4]], [[-1, 2, 0.25], [1, -3, 5]]]]), f4([2, 3]), f4([1, -1])], [f4([[[[3, -3, 7], [2, 1, 9]], [[-4, 5, -0.25], [2, -10, 14]]]])])
case("AffineChannelGradient", [f4([[[[1, -2, 3], [0.5, 0, 4]], [[-1, 2, 0.25], [1, -3, 5]]]]), f4([[[[0.5, 0, 4], [1, -2, 3]], [[1, -3, 5], [-1, 2, 0.25]]]]), f4([2, 3])], [f4([[[[2, -4, 6], [1, 0, 8]], [[-3, 6, 0.75], [3, -9, 15]]]]), f4([25, -11.5]), f4([6.5, 4.25])], is_learnable=1)
case("Moments", [X], [f4([0.625, 1.25, 0.8125]), f4([3.17188, 3.6875, 8.10547])], axes=[1], keepdims=0)
case("Moments", [X], [f4([[0.895833]]), f4([[5.05686]])])
case("MomentsGradient", [f4([[1], [2], [3]]), f4([[0.5], [1], [-1]]), X, f4([[0.625], [1.25], [0.8125]])], [f4([[0.34375, -0.40625, 0.84375, 0.21875], [-0.125, 1.875, -0.625, 0.875], [1.03125, 0.65625, 2.65625, -1.34375]])], axes=[1])
case("RMSNorm", [X, f4([1, 2, 3, 4]), f4([0, 1, 0, 1])], [f4([[0.529071, -1.11628, 4.76164, 2.05814], [0, 4.48817, -1.30806, 4.48817], [0.0843919, 1.67514, -3.03811, 7.75136]]), f4([0.529071, 0.436021, 0.337568])], eps=0.01)
case("RMSNormGradient", [f4([[0.5, 3, -2, 1], [2, -1, 4, 0], [5, -3, 1, 0.25]]), X, f4([1, 2, 3, 4]), f4([0.5, 0.4, 0.3])], [f4([[1.10938, 1.28125, -0.421875, 2.42969], [0.8, 0.48, 4.48, 0.64], [1.51477, -1.74094, 0.722813, 0.595313]]), f4([0.625, -5.5, -5.5, 0.625]), f4([7.5, -1, 3, 1.25])], eps=0.01)
case("BooleanMaskGradient", [b1([1, 0, 1]), f4([1, 2])], [f4([1, 0, 2])])
case("CopyRowsToTensor", [X, i8([2, 0]), f4([9, 8, 7, 6])], [f4([[9, 8, 7, 6], [0, 4, -1, 2], [9, 8, 7, 6]])], into="0")
case("QuantDecode", [f4([0.5, 1.5, 2.5]), u1([[0, 2], [1, 1]])], [f4([[0.5, 2.5], [1.5, 1.5]])])
case("QuantDecodeGradient", [f4([0.5, 1.5, 2.5]), u1([[0, 2], [1, 1]]), f4([[1, 2], [3, 4]])], [f4([1, 7, 2])])
case("MergeDenseFeatureTensors", [f4([[0.1, 0.2], [0.3, 0.4]]), b1([[1, 0], [1, 1]])], [i4([1, 2]), i8([11, 11, 12]), f4([0.1, 0.3, 0.4])], feature_ids=[11, 12])
case("MergeSingleScalarFeatureTensors", [f4([0.1, 0]), b1([1, 0]), f4([0.2, 0.3]), b1([1, 1])], [i4([2, 1]), i8([11, 12, 12]), f4([0.1, 0.2, 0.3])], feature_ids=[11, 12])
case("MergeSingleScalarFeatureTensorsGradient", [b1([1, 0]), b1([1, 1]), f4([0.1, 0.2, 0.3])], [f4([0.1, 0]), f4([0.2, 0.3])])
case("MergeSingleListFeatureTensors", [i4([1, 2]), f4([0.1, 0.2, 0.3]), b1([1, 1]), i4([1, 0]), f4([0.5]), b1([1, 0])], [i4([2, 1]), i8([11, 12, 11]), i4([1, 1, 2]), f4([0.1, 0.5, 0.2, 0.3])], feature_ids=[11, 12])
case("MergeSingleListFeatureTensorsGradient", [i4([1, 2]), b1([1, 1]), i4([1, 0]), b1([1, 0]), f4([0.1, 0.5, 0.2, 0.3])], [f4([0.1, 0.2, 0.3]), f4([0.5])])
case("MergeSingleMapFeatureTensors", [i4([1, 2]), i8([6, 7, 8]), f4([0.1, 0.2, 0.3]), b1([1, 1]), i4([1, 0]), i8([9]), f4([0.5]), b1([1, 0])], [i4([2, 1]), i8([11, 12, 11]), i4([1, 1, 2]), i8([6, 9, 7, 8]), f4([0.1, 0.5, 0.2, 0.3])], feature_ids=[11, 12])
case("MergeMultiScalarFeatureTensors", [i4([1, 2]), i8([7, 8, 9]), f4([0.1, 0.2, 0.3]), i4([1, 0]), i8([6]), f4([0.5])], [i4([2, 2]), i8([7, 6, 8, 9]), f4([0.1, 0.5, 0.2, 0.3])])
case("MergeMultiScalarFeatureTensorsGradient", [i4([1, 2]), i4([1, 0]), f4([0.1, 0.5, 0.2, 0.3])], [f4([0.1, 0.2, 0.3]), f4([0.5])])
case("MergeMultiListFeatureTensors", [i4([1, 1]), i8([7, 8]), i4([1, 2]), f4([0.1, 0.2, 0.3]), i4([1, 0]), i8([6]), i4([1]), f4([0.5])], [i4([2, 1]), i8([7, 6, 8]), i4([1, 1, 2]), f4([0.1, 0.5, 0.2, 0.3])])
case("MergeMultiListFeatureTensorsGradient", [i4([1, 1]), i4([1, 2]), i4([1, 0]), i4([1]), f4([0.1, 0.5, 0.2, 0.3])], [f4([0.1, 0.2, 0.3]), f4([0.5])])
case("MergeMultiMapFeatureTensors", [i4([1, 1]), i8([7, 8]), i4([1, 2]), i8([3, 4, 5]), f4([0.1, 0.2, 0.3]), i4([1, 0]), i8([6]), i4([1]), i8([2]), f4([0.5])], [i4([2, 1]), i8([7, 6, 8]), i4([1, 1, 2]), i8([3, 2, 4, 5]), f4([0.1, 0.5, 0.2, 0.3])])
case("Storm", [f4([1, 2]), f4([0.1, 0.2]), f4([0.5]), f4([0.3, -0.4]), f4([-0.1])], [f4([0.988775, 1.98281]), f4([0.110348, 0.168956]), f4([0.75])], into="012", momentum=5.0, beta=0.2)
case("SparseStorm", [f4([[1, 2], [3, 4]]), f4([[0.1, 0.2], [0.3, 0.4]]), f4([0.5]), f4([[0.3, -0.4]]), i8([1]), f4([-0.1])], [f4([[1, 2], [2.96833, 3.96719]]), f4([[0.1, 0.2], [0.3, 0.310845]]), f4([0.75])], into="012")
case("SparseWngrad", [f4([[1, 2], [3, 4]]), f4([0.5]), i8([1]), f4([[0.3, -0.4]]), f4([-0.1])], [f4([[1, 2], [2.94118, 4.07843]]), f4([1])], into="01", epsilon=0.01)
case("DecayAdagrad", [f4([1, 2]), f4([0.1, 0.2]), f4([0.3, 0.4]), f4([0.3, -0.4]), f4([-0.1]), i8([2])], [f4([0.944062, 1.95809]), f4([0.14, 0.08]), f4([0.39, 0.56])], beta1=0.8, weight_decay=0.1)
case("SmartDecaySparseAdam", [f4([[1, 2], [3, 4]]), f4([[0.1, 0.2], [0.3, 0.4]]), f4([[0.3, 0.4], [0.5, 0.6]]), i8([0, 2]), i8([1]), f4([[0.3, -0.4]]), f4([-0.1]), i8([5])], [f4([[1, 2], [2.86419, 3.84505]]), f4([[0.1, 0.2], [0.22683, 0.22244]]), f4([[0.3, 0.4], [0.498093, 0.597764]]), i8([0, 6])], into="0123")
case("GFtrl", [f4([[1, 2], [3, 4]]), f4([[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]]), f4([[0.3, -0.4], [0.5, 0.1]])], [f4([[0.0810011, 0.153432], [0.250706, 0.0103433]]), f4([[[0.19, -23.4324], [0.46, -52.2042]], [[0.75, -94.2512], [0.71, -3.86396]]])], into="01", lambda1=0.5)
case("LearningRateAdaption", [f4([0.1]), f4([0.3, -0.4]), f4([0.2, 0.1])], [f4([0.0910557])], into="0", lr_alpha=0.5)
case("LearningRateAdaption", [f4([0.1]), f4([0.3, -0.4]), f4([0.2, 0.1])], [f4([0.09])], into="0", lr_alpha=0.5, normalized_lr_adaption=0)
case("RowWiseCounter", [i8([1, 2, 3]), f8([1, 2, 3]), i8([2, 0, 2]), i8([6])], [i8([6, 2, 6]), f8([1.31498, 2, 3.5])], into="01", counter_halflife=3)
case("SparseLpRegularizer", [X, i8([0, 2])], [f4([[0.4, -1.4, 2.4, 0], [0, 4, -1, 2], [0, 0.4, -2.4, 4.4]])], into="0", p=1.0, reg_lambda=0.6)
case("SparseLpRegularizer", [X, i8([0, 2])], [f4([[0.4, -0.8, 1.2, 0.2], [0, 4, -1, 2], [0.1, 0.4, -1.2, 2]])], into="0", p=2.0, reg_lambda=0.6)
case("SparseNormalize", [X, i8([0])], [f4([[0.529813, -1.05963, 1.58944, 0.264906], [0, 4, -1, 2], [0.25, 1, -3, 5]])], into="0", norm=2.0)
case("EnsureClipped", [X], [f4([[1, -1, 2, 0.5], [0, 2, -1, 2], [0.25, 1, -1, 2]])], into="0", min=-1.0, max=2.0)
case("EnsureClipped", [X, i8([1]), f4([[0, 4, -1, 2]])], [f4([[1, -2, 3, 0.5], [0, 2, -1, 2], [0.25, 1, -3, 5]])], into="0", min=-1.0, max=2.0)
case("RowWiseSparseAdagrad", [f4([[1, 2], [3, 4]]), f4([0.1, 0.2]), i8([1]), f4([[0.3, -0.4]]), f4([-0.1]), f8([2, 4])], [f4([[1, 2], [2.8974, 3.9848]]), f4([0.1, 0.432813])], into="01", weight_decay=0.1, counter_halflife=5)
case("SparseAdagrad", [f4([[1, 2], [3, 4]]), f4([[0.1, 0.2], [0.3, 0.4]]), i8([1]), f4([[0.3, -0.4]]), f4([-0.1])], [f4([[1, 2], [2.90433, 3.907]]), f4([[0.1, 0.2], [3.54, 2.96]])], into="01", weight_decay=0.5)
case("Cast", [i4([3, -4])], [text([b'3', b'-4'])], to=4)
case("Cast", [f4([0.5, -4])], [text([b'0.500000', b'-4.000000'])], to=4)
case("Concat", [X, X], [f4([[[1, -2, 3, 0.5], [1, -2, 3, 0.5]], [[0, 4, -1, 2], [0, 4, -1, 2]], [[0.25, 1, -3, 5], [0.25, 1, -3, 5]]]), i4([1, 1])], axis=-2, add_axis=1)
case("SplitByLengths", [X, i4([1, 3])], [f4([[1], [0], [0.25]]), f4([[-2, 3, 0.5], [4, -1, 2], [1, -3, 5]])], axis=1, use_scaling_lengths=1)
case("SplitByLengths", [X, i4([1, 1])], [f4([[1, -2], [0, 4], [0.25, 1]]), f4([[3, 0.5], [-1, 2], [-3, 5]])], axis=1, use_scaling_lengths=1)
case("BoxWithNMSLimit", [f4([[0.1, 0.9, 0.3], [0.2, 0.7, 0.6], [0.3, 0.2, 0.8]]), f4([[0, 0, 9, 9, 1, 1, 5, 5], [0, 1, 9, 9, 1, 1, 6, 5], [3, 3, 7, 7, 2, 2, 8, 8]])], [f4([0.3, 0.9]), f4([[3, 3, 7, 7], [1, 1, 5, 5]]), f4([0, 1])], score_thresh=0.25, nms=0.5, detections_per_im=3, input_boxes_include_bg_cls=False, output_classes_include_bg_cls=False)
case("BoxWithNMSLimit", [f4([[0.1, 0.9], [0.2, 0.7], [0.3, 0.6]]), f4([[0, 0, 9, 9], [0, 1, 9, 9], [3, 3, 12, 12]])], [f4([0.3, 0.157084, 0.0160317]), f4([[3, 3, 12, 12], [0, 1, 9, 9], [0, 0, 9, 9]]), f4([1, 1, 1])], cls_agnostic_bbox_reg=True, soft_nms_enabled=True, soft_nms_method='gaussian', input_boxes_include_bg_cls=False)
case("BoxWithNMSLimit", [f4([[0.1, 0.9], [0.2, 0.7], [0.3, 0.6]]), f4([[0, 0, 9, 9], [0, 1, 9, 9], [3, 3, 12, 12]])], [f4([0.9, 0.6, 0.07]), f4([[0, 0, 9, 9], [3, 3, 12, 12], [0, 1, 9, 9]]), f4([1, 1, 1])], cls_agnostic_bbox_reg=True, soft_nms_enabled=True, nms=0.4)
case("BBoxTransform", [f4(np.zeros((0, 4))), f4(np.zeros((0, 8))), f4([[10, 10, 1]])], [f4(np.zeros((0, 8)))])
case("CollectRpnProposals", [f4([[0, 0, 0, 3, 3], [0, 1, 1, 5, 5]]), f4([[0, 0, 0, 30, 30]]), f4([0.3, 0.8]), f4([0.5])], [f4([[0, 1, 1, 5, 5], [0, 0, 0, 30, 30]])], rpn_min_level=2, rpn_max_level=3, rpn_post_nms_topN=2)
case("DistributeFpnProposals", [f4([[0, 0, 0, 3, 3], [0, 1, 1, 500, 500], [0, 0, 0, 130, 130]])], [f4([[0, 0, 0, 3, 3], [0, 0, 0, 130, 130]]), f4(np.zeros((0, 5))), f4([[0, 1, 1, 500, 500]]), i4([0, 2, 1])], roi_min_level=3, roi_max_level=5)
case("FloatToFused8BitRowwiseQuantizedHalfScaleBias", [X], [u1([[153, 0, 255, 128, 5, 37, 0, 192], [51, 255, 0, 153, 5, 37, 0, 188], [104, 128, 0, 255, 4, 40, 0, 194]])])
case("Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", [u1([[3, 200, 0, 60, 0, 64]])], [f4([[5, 202]])])
case("HalfFloatToFused8BitRowwiseQuantized", [f2([[1, -2, 3, 0.5], [0, 4, -1, 2], [0.25, 1, -3, 5]])], [u1([[153, 0, 255, 128, 161, 160, 160, 60, 0, 0, 0, 192], [51, 255, 0, 153, 161, 160, 160, 60, 0, 0, 128, 191], [104, 128, 0, 255, 129, 128, 0, 61, 0, 0, 64, 192]])])
case("Fused8BitRowwiseQuantizedToHalfFloat", [u1([[3, 200, 0, 0, 128, 63, 0, 0, 0, 64]])], [f2([[5, 202]])])
case("HalfToFused4BitRowwiseQuantized", [f2([[1, -2, 3, 0.5], [0, 4, -1, 2], [0.25, 1, -3, 5]])], [u1([[9, 143, 85, 53, 0, 192], [243, 144, 85, 53, 0, 188], [134, 240, 68, 56, 0, 194]])])
case("GatherFused8BitRowwise", [u1([[3, 200, 0, 0, 128, 63, 0, 0, 0, 64], [1, 2, 0, 0, 128, 63, 0, 0, 0, 64]]), i8([1, 0])], [f4([[3, 4], [5, 202]])])
case("FloatToRowwiseQuantized8Bits", [X], [u1([[153, 0, 255, 128], [51, 255, 0, 153], [104, 127, 0, 255]]), f4([[0.0196078, -2], [0.0196078, -1], [0.0313726, -3]])])
case("Rowwise8BitQuantizedToFloat", [u1([[3, 200], [7, 9]]), f4([[0.5, 1], [0.25, 2]])], [f4([[2.5, 101], [3.75, 4.25]])])
case("SparseLengthsSum8BitsRowwise", [u1([[3, 200], [7, 9]]), i8([1, 0, 1]), i4([2, 1]), f4([[0.5, 1], [0.25, 2]])], [f4([[6.25, 105.25], [3.75, 4.25]])])
case("SparseLengthsMean8BitsRowwise", [u1([[3, 200], [7, 9]]), i8([1, 0, 1]), i4([2, 1]), f4([[0.5, 1], [0.25, 2]])], [f4([[3.125, 52.625], [3.75, 4.25]])])
case("SparseLengthsWeightedSum8BitsRowwise", [u1([[3, 200], [7, 9]]), f4([1, 2, 3]), i8([1, 0, 1]), i4([2, 1]), f4([[0.5, 1], [0.25, 2]])], [f4([[8.75, 206.25], [11.25, 12.75]])])
case("SparseLengthsWeightedMean8BitsRowwise", [u1([[3, 200], [7, 9]]), f4([1, 2, 3]), i8([1, 0, 1]), i4([2, 1]), f4([[0.5, 1], [0.25, 2]])], [f4([[4.375, 103.125], [11.25, 12.75]])])
case("LastNWindowCollector", [f4([[1, 2], [3, 4], [5, 6]]), i4(0), f4([[7, 8], [9, 1], [2, 4], [5, 7]])], [f4([[9, 1], [2, 4], [5, 7]]), i4(0)], into="01", num_to_collect=3)
case("LastNWindowCollector", [f4(np.zeros((0, 2))), i4(0), f4([[7, 8], [9, 1]])], [f4([[7, 8], [9, 1]]), i4(2)], into="01", num_to_collect=3)
case("ScaleBlobs", [X, f4([2])], [f4([[3, -6, 9, 1.5], [0, 12, -3, 6], [0.75, 3, -9, 15]]), f4([6])], into="01", scale=3.0)
case("FlexibleTopKGradient", [X, i8([2, 1, 3]), f4([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), i8([2, 0, 1, 3, 1, 0])], [f4([[0.2, 0, 0.1, 0], [0, 0.3, 0, 0], [0.6, 0.5, 0, 0.4]])])
case("GatherByKey", [i4([1, 0, 3]), f4([[1, 2]]), f4([[3, 4], [5, 6]])], [f4([[3, 4], [1, 2], [5, 6]])])
case("Add", [f4([[[1, -2, 3, 0.5], [0, 4, -1, 2], [0.25, 1, -3, 5]]]), f4([[[2], [3], [4]]])], [f4([[[3, 0, 5, 2.5], [3, 7, 2, 5], [4.25, 5, 1, 9]]])], broadcast=1, axis=0)
case("SumReduceLike", [f4([[[1, -2, 3, 0.5], [0, 4, -1, 2], [0.25, 1, -3, 5]]]), f4([[[2], [3], [4]]])], [f4([[[2.5], [5], [3.25]]])], axis=0)
case("Gather", [f4([[[1, -2], [3, 0.5]], [[0, 4], [-1, 2]], [[0.25, 1], [-3, 5]]]), i8([[1], [0], [1]])], [f4([[[3, 0.5]], [[0, 4]], [[-3, 5]]])], axis=1, match_outer=1)
case("BatchGather", [f4([[[1, -2], [3, 0.5]], [[0, 4], [-1, 2]], [[0.25, 1], [-3, 5]]]), i4([[1, 1], [0, 1], [1, 0]])], [f4([[[3, 0.5], [3, 0.5]], [[0, 4], [-1, 2]], [[-3, 5], [0.25, 1]]])], match_outer=1)
case("BatchGatherGradient", [f4([[[1, -2], [3, 0.5]], [[0, 4], [-1, 2]], [[0.25, 1], [-3, 5]]]), i4([[1, 1], [0, 1], [1, 0]]), f4([[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]])], [f4([[[0, 0], [2, 4]], [[4, 5], [6, 7]], [[10, 11], [8, 9]]])], match_outer=1)
case("LC1D", [f4([[[1, -2, 3, 0.5, 0, 4], [-1, 2, 0.25, 1, -3, 5]]]), f4([[[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]], [[[12, 13, 14], [15, 16, 17]], [[18, 19, 20], [21, 22, 23]]], [[[24, 25, 26], [27, 28, 29]], [[30, 31, 32], [33, 34, 35]]], [[[36, 37, 38], [39, 40, 41]], [[42, 43, 44], [45, 46, 47]]]]), f4([[1, 2], [3, 4], [5, 6], [7, 8]])], [f4([[[11.25, 76, 37.25, 301], [31.75, 105.5, 48.75, 347]]])], kernels=[3])
case("LC3D", [f4([[[[[1, -2], [3, 0.5]], [[0, 4], [-1, 2]], [[0.25, 1], [-3, 5]]]]]), f4([[[[[[[[0], [1]], [[2], [3]]]]], [[[[[0], [1]], [[2], [3]]]]]]], [[[[[[[4], [5]], [[6], [7]]]]], [[[[[4], [5]], [[6], [7]]]]]]]])], [f4([[[[[0, 14.5]], [[-24.5, 67]]]]])], kernels=[2, 2, 1])
case("LearningRate", [i8([5])], [f4(1.5)], policy='gate', base_lr=0.5, multiplier_1=2.0, multiplier_2=3.0, num_iter=4)
case("LearningRate", [i8([5])], [f4(0.875)], policy='slope', base_lr=0.5, multiplier_1=2.0, multiplier_2=1.0, num_iter_1=4, num_iter_2=8)
case("LearningRate", [i8([5])], [f4(0.3)], policy='constantThenLinearWarmup', base_lr=0.5, start_warmup_multiplier=0.2, constant_warmup_num_iter=3, linear_warmup_num_iter=4)
case("LearningRate", [i8([25])], [f4(0.0707827)], policy='compositeCosine', base_lr=0.5, start_warmup_multiplier=0.2, constant_warmup_num_iter=3, linear_warmup_num_iter=4, cosine_period=10, cosine_max_lr=0.7, cosine_min_lr=0.1, cosine_t_mult=1.0, cosine_lr_shrink=0.9)
case("LearningRate", [i8([25])], [f4(0.581)], policy='compositeCyclical', base_lr=0.5, start_warmup_multiplier=0.2, constant_warmup_num_iter=3, linear_warmup_num_iter=4, cyclical_max_lr=0.7, cyclical_step_size=4, cyclical_decay=0.9)
case("LearningRate", [i8([12])], [f4(0.423644)], policy='composite', base_lr=0.5, sub_policy_num_iters=[5, 10], sub_policy_0_policy='fixed', sub_policy_0_lr_scale=2.0, sub_policy_1_policy='exp', sub_policy_1_gamma=0.9, sub_policy_1_lr_scale=3.0)
case("LearningRate", [i8([7])], [f4(0.0912215)], policy='cosine', base_lr=0.5, period=10)
case("Quantile", [f8([1, -2, 3, 5])], [f8([2])], quantile=0.5)
case("Reshape", [X, i4([4, 3])], [f4([[1, -2, 3], [0.5, 0, 4], [-1, 2, 0.25], [1, -3, 5]]), i4([3, 4])])
case("Partition", [i4([[3, 1], [2, 0]]), f4([[[1, -2, 3], [0.5, 0, 4]], [[-1, 2, 0.25], [1, -3, 5]]])], [i4([2, 0]), f4([[-1, 2, 0.25], [1, -3, 5]]), i4([3, 1]), f4([[1, -2, 3], [0.5, 0, 4]])])
case("GatherRangesToDense", [f4([1, 2, 3, 4, 5, 6]), i4([[[0, 2], [2, 1]], [[0, 1], [3, 2]]])], [f4([[1, 2], [0, 0]]), f4([[0, 0], [4, 5]])], lengths=[2, 2], min_observation=2, max_mismatched_ratio=0.5)
case("GatherRangesToDense", [f4([1, 2, 3, 4, 5, 6]), i4([[[0, 2], [2, 1]], [[0, 1], [3, 2]]])], [f4([[1, 2], [0, 0]]), f4([[0, 0], [4, 5]])], lengths=[2, 2])
case("GivenTensorFill", [], [i4([1, 0])], shape=[2], values=[1, 0], dtype=2)
case("Float16ConstantFill", [], [f2([[1.5, 1.5], [1.5, 1.5]])], shape=[2, 2], value=1.5)
case("ReduceFrontWeightedSum", [f4([[1, -2, 3], [0, 4, -1]]), f4([2, 3])], [f4([2, 8, 3])])
case("ReduceFrontWeightedSumGradient", [f4([2, 3]), f4([1, 2, 3]), i8([2, 3])], [f4([[2, 4, 6], [3, 6, 9]])])
case("Summarize", [f4([[1, -2, 3], [0, 4, -1]])], [f4([-2, 4, 0.833333, 2.316607])])
wrong("GatherRangesToDense", [f4([1, 2, 3, 4, 5, 6]), i4([[[0, 2], [2, 1]], [[0, 1], [3, 2]]])], 2, lengths=[2, 2], min_observation=2, max_mismatched_ratio=0.2)
wrong("GaussianFill", [], 1, shape=3)
wrong("Histogram", [X], 1, bin_edges=[0.0, 0.2, 0.1])
wrong("Histogram", [X], 1, bin_edges=[1.0])
wrong("CopyRowsToTensor", [X, i8([0]), f4([1, 2])], 1)
wrong("BisectPercentile", [X], 1, percentile_raw=[0.0, 1.0], percentile_mapping=[0.1, 0.5], percentile_lower=[0.05, 0.4], percentile_upper=[0.2, 0.6], lengths=[1, 1, 1, 1])
# fmt: on


def run(op, inputs, outputs, args):
    workspace.ResetWorkspace()
    names = [f"i{k}" for k in range(len(inputs))]
    for name, value in zip(names, inputs, strict=True):
        workspace.FeedBlob(name, value)
    workspace.RunOperatorOnce(core.CreateOperator(op, names, outputs, **args))
    return [workspace.FetchBlob(o) for o in outputs]


@pytest.mark.parametrize(("op", "inputs", "expected", "into", "args"), CASES)
def test_results_are_those_of_caffe2(op, inputs, expected, into, args):
    outputs = [f"i{k}" for k in into] if into else [f"o{k}" for k in range(len(expected))]
    for got, want in zip(run(op, inputs, outputs, args), expected, strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("op", "inputs", "outputs", "args"), WRONG)
def test_what_caffe2_refuses_is_refused(op, inputs, outputs, args):
    with pytest.raises(RuntimeError, match="enforce fail"):
        run(op, inputs, [f"o{k}" for k in range(outputs)], args)


def spoiled(a):
    """Tensors like this one, with other sizes and values."""
    yield from (a[:0] if a.ndim else a, np.stack([a, a]), np.concatenate([a, a]) if a.ndim else a)
    if a.dtype.kind not in "if" or not a.size:
        return
    values = (-1, 5, np.iinfo(a.dtype).max, np.iinfo(a.dtype).min) if a.dtype.kind == "i" else (-1, np.nan, np.inf)
    for v in values:
        for where in (slice(None), 0, -1):
            b = a.copy()
            b.reshape(-1)[where] = v
            yield b
    if a.dtype.kind == "i" and a.size > 1:  # lengths that add up, one of them below 0
        b = a.copy()
        b.reshape(-1)[[0, -1]] = a.sum() + 1, -1
        yield b


@pytest.mark.parametrize(("op", "inputs", "expected", "into", "args"), CASES)
def test_spoiled_inputs_are_refused_or_computed(op, inputs, expected, into, args):
    outputs = [f"i{k}" for k in into] if into else [f"o{k}" for k in range(len(expected))]
    for k, given in enumerate(inputs):
        for other in spoiled(given) if isinstance(given, np.ndarray) else ():
            try:
                run(op, [*inputs[:k], other, *inputs[k + 1 :]], outputs, args)
            except (RuntimeError, ValueError, TypeError, MemoryError) as error:
                assert not isinstance(error, rl.InternalError)


@pytest.mark.parametrize("form", ["List", "Map"])
def test_lengths_below_0_are_not_taken_for_entries(form):
    one = [i4([3, -1]), i8([7, 8]), i4([1, 1]), *([i8([1, 2])] if form == "Map" else []), f4([0.1, 0.2])]
    with pytest.raises(RuntimeError, match="should add up to the 2 entries"):
        run(f"MergeMulti{form}FeatureTensors", one, [f"o{k}" for k in range(5 if form == "Map" else 4)], {})
    with pytest.raises(RuntimeError, match="should add up to the 2 entries"):
        run(f"MergeMulti{form}FeatureTensorsGradient", [one[0], one[2], one[-1]], ["g"], {})


def gradient(op, inputs, outputs, **args):
    ops, grads = core.GradientRegistry.GetGradientForOp(
        core.CreateOperator(op, inputs, outputs, **args), [o + "_grad" for o in outputs]
    )
    return [(o.type, list(o.input), list(o.output)) for o in ops], [None if g is None else str(g) for g in grads]


def test_gradient_operators_are_made_as_caffe2_makes_them():
    assert gradient("BooleanMask", ["x", "m"], ["y"]) == ([("BooleanMaskGradient", ["m", "y_grad"], ["x_grad"])], ["x_grad", None])  # fmt: skip
    assert gradient("FlexibleTopK", ["x", "k"], ["v", "i"]) == ([("FlexibleTopKGradient", ["x", "k", "v_grad", "i"], ["x_grad"])], ["x_grad", None])  # fmt: skip
    assert gradient("GatherByKey", ["k", "a", "b"], ["y"]) == ([("Partition", ["k", "y_grad"], ["_a_grad_keys", "a_grad", "_b_grad_keys", "b_grad"])], [None, "a_grad", "b_grad"])  # fmt: skip
    assert gradient("AffineChannel", ["x", "s", "b"], ["y"], is_learnable=1) == ([("AffineChannelGradient", ["y_grad", "x", "s"], ["x_grad", "s_grad", "b_grad"])], ["x_grad", "s_grad", "b_grad"])  # fmt: skip
    assert gradient("ConvTranspose", ["x", "w"], ["y"], kernel=2, no_gradient_to_input=1) == ([("ConvTransposeGradient", ["x", "w", "y_grad"], ["w_grad"])], [None, "w_grad"])  # fmt: skip
    assert gradient("MergeSingleMapFeatureTensors", ["l", "k", "v", "p"], ["a", "b", "c", "d", "e"], feature_ids=[1]) == ([("MergeSingleMapFeatureTensorsGradient", ["l", "p", "e_grad"], ["v_grad"])], [None, None, "v_grad", None])  # fmt: skip
    assert gradient("ReduceFrontWeightedSum", ["x", "w"], ["y"]) == ([("Shape", ["x"], ["_y_dims"]), ("ReduceFrontWeightedSumGradient", ["w", "y_grad", "_y_dims"], ["x_grad"])], ["x_grad", None])  # fmt: skip
    for op, n in (("OneHot", 2), ("Partition", 1), ("LengthsRangeFill", 1), ("FloatToFused8BitRowwiseQuantized", 1)):
        assert gradient(op, [f"x{k}" for k in range(n)], ["y"]) == ([], [None] * n)


def test_statistics_of_values():
    workspace.ResetWorkspace()
    workspace.FeedBlob("v", np.array([2.5]))
    for op in ("AveragePut", "IncrementPut", "StdDevPut"):
        for _ in range(2):
            workspace.RunOperatorOnce(core.CreateOperator(op, ["v"], [], stat_name=f"my{op}", magnitude_expand=10))
    workspace.RunOperatorOnce(core.CreateOperator("StatRegistryExport", [], ["keys", "values", "times"]))
    got = dict(zip(workspace.FetchBlob("keys"), workspace.FetchBlob("values"), strict=True))
    assert got[b"myAveragePut/stat_value/sum"] == 50 and got[b"myAveragePut/stat_value/count"] == 2
    assert got[b"myIncrementPut/stat_value"] == 50 and got[b"myStdDevPut/stat_value/sum"] == 50
    with pytest.raises(RuntimeError, match="Default value"):
        run("AveragePut", [np.zeros(0)], [], {"stat_name": "none"})


def test_batches_of_lists_in_lists():
    workspace.ResetWorkspace()
    fields = ["id", "a:lengths", "a:values:lengths", "a:values:values"]
    data = [i8([1, 2, 3]), i4([2, 0, 1]), i4([1, 2, 3]), f4([0.5, 1, 2, 3, 4, 5])]
    for name, value in zip("abcd", data, strict=True):
        workspace.FeedBlob(name, value)
    workspace.RunOperatorOnce(core.CreateOperator("CheckDatasetConsistency", list("abcd"), [], fields=fields))
    workspace.RunOperatorOnce(core.CreateOperator("CreateTreeCursor", [], ["cursor"], fields=fields))
    batches = []
    for _ in range(2):
        workspace.RunOperatorOnce(core.CreateOperator("ReadNextBatch", ["cursor", *"abcd"], list("wxyz"), batch_size=2))
        batches.append([workspace.FetchBlob(n).tolist() for n in "wxyz"])
    assert batches == [[[1, 2], [2, 0], [1, 2], [0.5, 1, 2]], [[3], [1], [3], [3, 4, 5]]]
    workspace.FeedBlob("c", i4([1, 2]))
    with pytest.raises(RuntimeError, match="a:values:lengths"):
        workspace.RunOperatorOnce(core.CreateOperator("CheckDatasetConsistency", list("abcd"), [], fields=fields))
