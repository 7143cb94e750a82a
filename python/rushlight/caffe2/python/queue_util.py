"""caffe2.python.queue_util: queues of records between tasks. Who finds one full or empty waits."""

from __future__ import annotations

import logging

from rushlight.caffe2.python import core, dataio
from rushlight.caffe2.python.task import TaskGroup

logger = logging.getLogger(__name__)


class _QueueReader(dataio.Reader):
    def __init__(self, wrapper, num_dequeue_records=1):
        assert wrapper.schema() is not None, "Queue needs a schema in order to be read from."
        super().__init__(wrapper.schema())
        self._wrapper, self._num_dequeue_records = wrapper, num_dequeue_records

    def setup_ex(self, init_net, exit_net):
        exit_net.CloseBlobsQueue([self._wrapper.queue()], 0)

    def read_ex(self, local_init_net, local_finish_net):
        self._wrapper._new_reader(local_init_net)
        net, names = core.Net("dequeue"), self.schema().field_names()
        fields, status = dequeue(
            net, self._wrapper.queue(), len(names), field_names=names, num_records=self._num_dequeue_records
        )
        return [net], status, fields

    def read(self, net):
        net, _, fields = self.read_ex(net, None)
        return net, fields


class _QueueWriter(dataio.Writer):
    def __init__(self, wrapper):
        self._wrapper = wrapper

    def setup_ex(self, init_net, exit_net):
        exit_net.CloseBlobsQueue([self._wrapper.queue()], 0)

    def write_ex(self, fields, local_init_net, local_finish_net, status):
        self._wrapper._new_writer(self.schema(), local_init_net)
        net = core.Net("enqueue")
        enqueue(net, self._wrapper.queue(), fields, status)
        return [net]


class QueueWrapper(dataio.Pipe):
    """A queue that is in a blob. num_dequeue_records: how many records a reader takes as one batch."""

    def __init__(self, handler, schema=None, num_dequeue_records=1):
        super().__init__(schema, TaskGroup.LOCAL_SETUP)
        self._queue, self._num_dequeue_records = handler, num_dequeue_records

    def reader(self):
        return _QueueReader(self, num_dequeue_records=self._num_dequeue_records)

    def writer(self):
        return _QueueWriter(self)

    def queue(self):
        return self._queue


class Queue(QueueWrapper):
    """A queue of a blob of its own, made before the tasks that write to it or read from it."""

    def __init__(self, capacity, schema=None, name="queue", num_dequeue_records=1):
        net = core.Net(name)  # whose name is nobody else's
        super().__init__(net.AddExternalInput(net.NextName("handler")), schema, num_dequeue_records)
        self.capacity = capacity
        self._setup_done = False

    def setup(self, global_init_net):
        assert self._schema, "This queue does not have a schema."
        self._setup_done = True
        names = self._schema.field_names()
        global_init_net.CreateBlobsQueue(
            [], [self._queue], capacity=self.capacity, num_blobs=len(names), field_names=names
        )


def enqueue(net, queue, data_blobs, status=None):
    """Adds an operator that puts blobs into a queue. Returns the blob that says whether it is closed."""
    blobs = []
    for blob in data_blobs:
        if blob in blobs:  # an entry's blobs are different ones
            logger.warning("Need to copy blob %s to enqueue", blob)
            blob = net.Copy(blob)
        blobs.append(blob)
    status = net.NextName("status") if status is None else status
    return net.SafeEnqueueBlobs([queue, *blobs], [*blobs, status])[-1]


def dequeue(net, queue, num_blobs, status=None, field_names=None, num_records=1):
    """Adds an operator that takes blobs from a queue. Returns them, and the blob that says whether it is closed and empty."""
    if field_names is not None:
        assert len(field_names) == num_blobs, f"{len(field_names)} names for {num_blobs} blobs"
        names = [net.NextName(name) for name in field_names]
    else:
        names = [net.NextName("data", k) for k in range(num_blobs)]
    status = net.NextName("status") if status is None else status
    *blobs, status = net.SafeDequeueBlobs(queue, [*names, status], num_records=num_records)
    return blobs, status


def close_queue(step, *queues):
    """The step, and behind it one that closes queues."""
    net = core.Net("close_queue_net")
    for queue in queues:
        net.CloseBlobsQueue([queue], 0)
    close = core.execution_step(f"{net}_step", net)
    return core.execution_step(f"{net}_wraper_step", [step, close])
