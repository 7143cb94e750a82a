"""caffe2.python.onnx: models of ONNX as nets (backend), and nets as models of ONNX (frontend)."""
