"""The names that predictor_constants.pbtxt gives: of nets and blobs in an exported model."""

from rushlight.caffe2.proto import caffe2_pb2, metanet_pb2

__all__ = ["caffe2_pb2", "metanet_pb2", "predictor_constants"]


class _Constants:
    META_NET_DEF = "!!META_NET_DEF"
    PREDICTOR_DBREADER = "!!PREDICTOR_DBREADER"
    PARAMETERS_BLOB_TYPE = "PARAMETERS_BLOB_TYPE"
    INPUTS_BLOB_TYPE = "INPUTS_BLOB_TYPE"
    OUTPUTS_BLOB_TYPE = "OUTPUTS_BLOB_TYPE"
    GLOBAL_INIT_NET_TYPE = "GLOBAL_INIT_NET_TYPE"
    PREDICT_INIT_NET_TYPE = "PREDICT_INIT_NET_TYPE"
    PREDICT_NET_TYPE = "PREDICT_NET_TYPE"
    TRAIN_INIT_PLAN_TYPE = "TRAIN_INIT_PLAN_TYPE"
    TRAIN_PLAN_TYPE = "TRAIN_PLAN_TYPE"
    SHAPE_INFO_BLOB = "!!SHAPE_INFO_BLOB"


predictor_constants = _Constants()
