"""caffe2.python.pipeline: tasks that read, work on what they have read, and write it.

>>> import numpy as np
>>> from rushlight.caffe2.python import core, schema, workspace
>>> from rushlight.caffe2.python.dataset import Dataset
>>> from rushlight.caffe2.python.net_builder import ops
>>> from rushlight.caffe2.python.pipeline import pipe
>>> from rushlight.caffe2.python.session import LocalSession
>>> from rushlight.caffe2.python.task import TaskGroup
>>> init = core.Net("init")
>>> source = Dataset(schema.ConstRecord(init, schema.Struct(("x", np.arange(4)))), name="source")
>>> sink = Dataset(source.content().clone_schema(), name="sink")
>>> sink.init_empty(init)
>>> def doubled(record):
...     return schema.Struct(("x", ops.Add([record.x(), record.x()])))
>>> with TaskGroup() as group:
...     queue = pipe(source.reader(), processor=doubled)
...     pipe(queue, sink.writer())
>>> with LocalSession() as session:
...     session.run(init)
...     session.run(group)
>>> schema.FetchRecord(sink.content()).x()
array([0, 2, 4, 6])
"""

from __future__ import annotations

from rushlight.caffe2.python import core, queue_util
from rushlight.caffe2.python.dataio import Reader, Writer, _reader_of
from rushlight.caffe2.python.net_builder import NetBuilder, ops
from rushlight.caffe2.python.schema import Field, as_record
from rushlight.caffe2.python.task import Node, Task, TaskGroup

DEFAULT_QUEUE_CAPACITY = 100


class Output:
    """What a processor gives: nets to run (or what `ops` got), a record, and a blob that ends the reading."""

    def __init__(self, nets=None, record=None, should_stop=None):
        built = NetBuilder.current().get()
        assert nets is None or not built, "Cannot both use `ops` syntax and return a list of nets."
        nets = built if nets is None else nets
        self.nets = [nets] if isinstance(nets, core.Net) else list(nets)
        self.record = None if record is None else as_record(record)
        self.should_stop = should_stop


def normalize_processor_output(output):
    """An Output of an Output, a record, (record, blob), (nets, record, blob) or nets."""
    if isinstance(output, Output):
        return output
    if isinstance(output, Field):
        return Output(record=output)
    if isinstance(output, tuple):
        if len(output) == 2 and isinstance(output[0], Field) and isinstance(output[1], core.BlobReference):
            return Output(None, *output)
        return Output(*output)
    return Output(output)


def make_processor(processor, reader=None):
    """A function of a record: a function, or a net that has input and output records."""
    if processor is None:
        return lambda record: record
    if isinstance(processor, core.Net):
        return NetProcessor(processor)
    if reader is not None and hasattr(processor, "schema_func"):
        processor.schema = lambda: processor.schema_func(reader)
    return processor


def processor_name(processor):
    """What a task that runs it is called."""
    for attribute in ("name", "func_name"):
        if hasattr(processor, attribute):
            return getattr(processor, attribute)
    return type(processor).__name__


class ProcessingReader(Reader):
    """A reader of what a processor makes of another reader's batches."""

    def __init__(self, reader, processor):
        super().__init__()
        self.reader = reader
        self.processor = make_processor(processor, reader)

    def schema(self):
        return self.processor.schema()

    def setup_ex(self, init_net, finish_net):
        self.reader.setup_ex(init_net, finish_net)

    def read_ex(self, init_net, exit_net):
        nets, status, record = self.reader.read_record_ex(init_net, exit_net)
        with NetBuilder() as builder:
            result = normalize_processor_output(self.processor(record))
        nets = [*nets, *result.nets]
        stops = [b for b in (result.should_stop, builder._stop_blob) if b]
        if stops:
            net = core.Net("stop_net")
            for blob in stops:
                net.Or([status, blob], [status])
            nets.append(net)
        if hasattr(self.processor, "setup"):
            init_net.add_attribute(TaskGroup.LOCAL_SETUP, self.processor)
        self._set_schema(result.record)
        return nets, status, result.record.field_blobs() if result.record else None


class NetProcessor:
    """A processor that runs a copy of a net with input (and output) records.

    Args:
        stop_signal: a blob of the net that ends the reading. thread_init_nets: run before, once for each copy.
    """

    def __init__(self, net, stop_signal=None, thread_init_nets=None, name=None):
        assert isinstance(net, core.Net), f"expected a Net, got {type(net).__name__}"
        assert stop_signal is None or isinstance(stop_signal, core.BlobReference), (
            "stop_signal should be a BlobReference"
        )
        self.name = name or str(net)
        self.net, self._stop_signal = net, stop_signal
        self.thread_init_nets = thread_init_nets or []
        self._blob_maps, self._cloned_init_nets = [], []
        self._frozen = False

    def schema(self):
        return self.net.output_record()

    def setup(self, init_net):
        self._frozen = True
        nets, self._cloned_init_nets = self._cloned_init_nets, []
        return nets

    def __call__(self, record):
        assert not self._frozen, "the processor has been set up: it takes no more records"
        prefix = f"{NetBuilder.current().name}/"
        renamed = {}
        for init in self.thread_init_nets:
            self._cloned_init_nets.append(core.clone_and_bind_net(init, f"{init}{prefix}", prefix, renamed)[0])
        net, renamed = core.clone_and_bind_net(self.net, f"{self.net}{prefix}", prefix, renamed, record)
        self._blob_maps.append(renamed)
        stop = self._stop_signal
        if stop is not None and str(stop) in renamed:
            stop = core.BlobReference(renamed[str(stop)], net=net)
        return Output([net], net.output_record(), stop)

    def blob_maps(self):
        """What blobs are called in each copy."""
        self._frozen = True
        return self._blob_maps


def pipe(
    input, output=None, num_threads=1, processor=None, name=None, capacity=None, group=None, num_runtime_threads=1
):
    """Adds a task that reads from the input, calls the processor, and writes to the output, until one of them ends.

    Args:
        input: a reader, or what has one. output: a writer, or what has one; a new queue of this capacity where it is None.
        processor: see make_processor. Where it gives no record, nothing is written.
        num_threads: how many read, each with nets of its own. 0: no task, but a reader of what the processor gives.
        num_runtime_threads: the same, where a plan makes the copies.
        name, group: of the task.
    Returns: the queue, or the output where that is no writer.
    """
    return _piped(input, output, num_threads, processor, name, capacity, group, num_runtime_threads)[0]


def pipe_and_output(
    input, output=None, num_threads=1, processor=None, name=None, capacity=None, group=None, num_runtime_threads=1,
    final_outputs=None,
):  # fmt: skip
    """The same, and outputs of the task: blobs or records that it gives at its end."""
    assert num_threads > 0, f"num_threads should be above 0, got {num_threads}"
    result, task = _piped(
        input, output, num_threads, processor, name, capacity, group, num_runtime_threads, final_outputs
    )
    if final_outputs is None:
        return result, None
    outputs = task.outputs()
    return result, outputs if isinstance(final_outputs, (list, tuple)) else outputs[0]


def _piped(input, output, num_threads, processor, name, capacity, group, num_runtime_threads, final_outputs=None):
    assert num_threads <= 1 or num_runtime_threads <= 1, "Only one of num_threads or num_runtime_threads must be set."
    reader = _reader_of(input)
    if processor is not None:
        reader = ProcessingReader(reader, processor)
    if num_threads == 0 or num_runtime_threads == 0:
        assert output is None, "a reader writes to no output"
        return reader, None
    if name is None:
        if processor is not None:
            name = processor_name(processor)
        else:
            name = f"pipe_from:{processor_name(input)}" if output is None else f"pipe_into:{processor_name(output)}"
    work = _Work(reader, output, capacity, "/".join([str(Node.current()), "pipe", name]))
    instances = num_runtime_threads if num_threads == 1 else None
    with Task(name=name, group=group, outputs=final_outputs, num_instances=instances) as task:
        (work.in_instances if num_threads == 1 else work.in_threads)(task, num_threads)
    return work.out, task


class _Work:
    """The nets of one task."""

    def __init__(self, reader, output, capacity, timer):
        self.reader, self.output, self.capacity, self.timer = reader, output, capacity, timer
        self.init, self.exit = core.Net("pipe:init"), core.Net("pipe:exit")
        self.out = self.writer = None

    def _open(self):
        """The writer, set up once, and what pipe() returns."""
        if self.writer is not None:
            return
        if self.output is None:
            self.out = queue_util.Queue(DEFAULT_QUEUE_CAPACITY if self.capacity is None else self.capacity)
            self.writer = self.out.writer()
        else:
            assert self.capacity is None, "capacity would not be used."
            if isinstance(self.output, Writer):
                self.writer = self.output
            elif hasattr(self.output, "writer"):
                self.out, self.writer = self.output, self.output.writer()
            else:
                raise ValueError(f"output must be a writer, queue or stream, got {type(self.output).__name__}")
        self.writer.setup_ex(self.init, self.exit)

    def _thread(self, task):
        """Nets before and behind, and the step in between, of one that reads."""
        init, exit = core.Net("pipe:instance:init"), core.Net("pipe:instance:exit")
        nets, status, record = self.reader.read_record_ex(init, exit)
        init.ConstantFill([], [status], shape=[], value=False, dtype=core.DataType.BOOL)
        if record is not None:
            with NetBuilder(_fullname=task.name):  # which the queue is called after, in whatever thread it is made
                self._open()
            nets = [*nets, *self.writer.write_record_ex(record, init, exit, status)[0]]
        begin, end = core.Net("timer_start"), core.Net("timer_end")
        end.TimerEnd(begin.TimerBegin([], counter_name=self.timer), [])
        return init, core.execution_step("body", [begin, *nets, end], should_stop_blob=status), end, exit

    def in_instances(self, task, _):
        """The task is what one thread does."""
        self.reader.setup_ex(self.init, self.exit)
        init, body, end, exit = self._thread(task)
        with ops.task_init():
            ops.net(self.init)
        with ops.task_instance_init():
            ops.net(init)
        ops.net(body)
        ops.net(end)
        with ops.task_instance_exit():
            ops.net(exit)
        with ops.task_exit():
            ops.net(self.exit)

    def in_threads(self, task, count):
        """The task has a step for each of them."""
        self.reader.setup_ex(self.init, self.exit)
        steps = []
        for k in range(count):
            with NetBuilder(name=f"t:{k}") as builder:
                for part in self._thread(task):
                    ops.net(part)
            steps.append(core.to_execution_step(builder))
        ops.net(self.init)
        ops.net(core.execution_step("body", steps, concurrent_substeps=True))
        ops.net(self.exit)
