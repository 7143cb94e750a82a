"""Caffe2's Python API, over rushlight's graph and operators."""
