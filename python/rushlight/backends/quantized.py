"""The quantisation engine that programs choose."""

supported_engines = ["none"]
engine = "none"
