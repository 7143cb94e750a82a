"""caffe2/proto/hsm.proto; the messages of all files are in one table."""

from rushlight.caffe2.proto._messages import classes

globals().update({name: cls for name, cls in classes.items() if "." not in name})
