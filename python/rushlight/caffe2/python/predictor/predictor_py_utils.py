"""Nets and blobs of a MetaNetDef."""

from rushlight.caffe2.python.predictor.predictor_exporter import (
    GetBlobs,
    GetNet,
    create_meta_net_def,
    create_predict_init_net,
    create_predict_net,
)

__all__ = ["GetBlobs", "GetNet", "create_meta_net_def", "create_predict_init_net", "create_predict_net"]
