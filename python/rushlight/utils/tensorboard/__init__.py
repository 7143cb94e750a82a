"""Writing event files that TensorBoard opens, without TensorBoard or protobuf."""

from ._record import RecordWriter
from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
