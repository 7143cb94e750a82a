"""caffe2.python.modeling: initialisers and parameter information, under the names of Caffe2's later versions."""
