"""Messages of Caffe2's formats, as protobuf's generated modules show them."""

from rushlight.caffe2.proto import caffe2_pb2, hsm_pb2, metanet_pb2, predictor_consts_pb2, prof_dag_pb2

__all__ = ["caffe2_pb2", "hsm_pb2", "metanet_pb2", "predictor_consts_pb2", "prof_dag_pb2"]
