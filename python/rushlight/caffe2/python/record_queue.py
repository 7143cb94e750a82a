"""caffe2.python.record_queue: a queue that steps fill from a reader, and that has a reader of its own."""

from __future__ import annotations

from rushlight.caffe2.python import core, workspace
from rushlight.caffe2.python.dataio import Reader, Writer
from rushlight.caffe2.python.schema import Field, Struct, from_column_list


class _QueueReader(Reader):
    def __init__(self, blobs_queue, schema, name=None):
        super().__init__(schema)
        self.blobs_queue, self.name = blobs_queue, name

    def read(self, read_net):
        with core.NameScope(read_net.NextName(self.name)):
            names = [*self._schema.field_names(), read_net.NextName()]
            *fields, status = read_net.SafeDequeueBlobs(self.blobs_queue, names)
            return status, fields


class _QueueWriter(Writer):
    def __init__(self, blobs_queue, schema):
        self.blobs_queue, self.schema = blobs_queue, schema

    def write(self, writer_net, fields):
        fields = fields.field_blobs() if isinstance(fields, Field) else list(fields)
        writer_net.CheckDatasetConsistency(fields, [], fields=self.schema.field_names())
        status = writer_net.NextName()
        writer_net.SafeEnqueueBlobs([self.blobs_queue, *fields], [*fields, status])
        return status


class RecordQueue:
    """A queue of records, made in the current workspace now.

    Args:
        fields: a struct, or a list of names. capacity: of the queue. num_threads: of build()'s step.
    """

    def __init__(self, fields, name=None, capacity=1, enforce_unique_name=False, num_threads=1):
        assert isinstance(fields, (list, Struct)), "fields must be either a Struct or a list of raw field names."
        self.schema = from_column_list(fields) if isinstance(fields, list) else fields
        self.name, self.num_threads = name or "queue", num_threads
        init = core.Net(f"{self.name}/init_net")
        self.blobs_queue = init.CreateBlobsQueue(
            [],
            1,
            capacity=capacity,
            num_blobs=len(self.schema.field_names()),
            enforce_unique_name=enforce_unique_name,
        )
        workspace.RunNetOnce(init)
        self.writer = _QueueWriter(self.blobs_queue, self.schema)
        self.reader = _QueueReader(self.blobs_queue, self.schema, f"{self.name}_reader")
        close = core.Net(f"{self.name}/exit_net")
        close.CloseBlobsQueue(self.blobs_queue, 0)
        self.exit_step = core.execution_step(f"{close}_close_step", close)

    def build(self, reader, process=None):
        """What fills the queue from a reader, through process(net, record).

        Returns the queue's reader, the step that fills it (which runs beside the one that reads), the step that closes it, and the record.
        """
        producers = []
        for k in range(self.num_threads):
            read, write = core.Net(f"reader_{k}"), core.Net(f"queue_writer{k}")
            should_stop, fields = reader.read_record(read)
            if process:
                fields = process(write, fields)
            self.writer.write(write, fields.field_blobs())
            steps = [core.execution_step(str(net), net) for net in (read, write)]
            producers.append(core.execution_step(f"producer_{k}", steps, should_stop_blob=should_stop))
        step = core.execution_step("producers", producers, concurrent_substeps=True)
        return self.reader, step, self.exit_step, self.schema
