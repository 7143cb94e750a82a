"""caffe2.python.predictor: nets for prediction, with their parameters, in one database."""
