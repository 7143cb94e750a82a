"""caffe2.python.dataio: what reads and writes streams of records, as operators of nets.

A reader adds operators that read the next batch, and a bool that says whether there was none; a writer those that write one.
See `dataset`, `queue_util` and `pipeline`.

>>> from rushlight.caffe2.python import core, dataio, workspace
>>> reader = dataio.CountUntil(3)
>>> init, net = core.Net("init"), core.Net("read")
>>> reader.setup_ex(init, init)
>>> nets, stop, fields = reader.read_ex(init, init)
>>> plan = core.Plan("count")
>>> plan.AddStep(core.execution_step("setup", init))
>>> plan.AddStep(core.execution_step("rounds", nets, should_stop_blob=stop))
>>> _ = workspace.RunPlan(plan)
>>> int(workspace.FetchBlob(fields[0]))
2
"""

from __future__ import annotations

import time

import numpy as np

from rushlight.caffe2.python import core
from rushlight.caffe2.python.schema import Field, Struct, from_blob_list


def _false(net, blob_out=1):
    return net.ConstantFill([], blob_out, shape=[], value=False, dtype=core.DataType.BOOL)


# ---- what readers and writers are


class Reader:
    """What reads. A class made of it has read(net), or read_ex with nets to set up; `schema` is the record that it reads."""

    def __init__(self, schema=None):
        assert schema is None or isinstance(schema, Field), f"expected a record, got {type(schema).__name__}"
        self._schema = schema

    def schema(self):
        assert self._schema is not None, "Schema not provided for this reader."
        return self._schema

    def _set_schema(self, schema):
        self._schema = schema

    def _record(self, fields):
        return from_blob_list(self._schema, fields) if self._schema else fields

    def setup_ex(self, init_net, finish_net):
        """Adds operators that run once before and behind all that reads."""

    def read(self, read_net):
        """Adds operators that read a batch. Returns a blob (whether there was none) and the blobs of the batch."""
        raise NotImplementedError("Readers must implement `read`.")

    def read_ex(self, local_init_net, local_finish_net):
        """The nets that read a batch, the blob that says whether there was none, and the blobs of the batch.

        local_init_net, local_finish_net: run before and behind the rounds of one thread.
        """
        read_net = core.Net("reader_body")
        return ([read_net], *self.read(read_net))

    def read_record_ex(self, local_init_net, local_finish_net):
        """The same with the batch as a record."""
        nets, should_stop, fields = self.read_ex(local_init_net, local_finish_net)
        return nets, should_stop, self._record(fields)

    def read_record(self, read_net):
        should_stop, fields = self.read(read_net)
        return should_stop, self._record(fields)

    def reset(self, net):
        """Adds operators after which the reader begins anew."""
        raise NotImplementedError("This reader cannot be resetted.")

    def execution_step(self, reader_net_name=None, external_should_stop=None):
        """A step that reads until there is nothing (or the other blob is true), and the record of the last batch."""
        net = core.Net(reader_net_name or "reader")
        should_stop, fields = self.read_record(net)
        if external_should_stop is not None:
            should_stop = net.Or([external_should_stop, should_stop])
        return core.execution_step(f"{reader_net_name}_step", net, should_stop_blob=should_stop), fields


class Writer:
    """What writes. A class made of it has write(net, fields), or write_ex with nets to set up."""

    _schema = None

    def schema(self):
        return self._schema

    def _blobs(self, fields):
        if isinstance(fields, Field):
            self._schema = fields
            return fields.field_blobs()
        return fields

    def setup_ex(self, init_net, finish_net):
        """Adds operators that run once before and behind all that writes."""
        self.commit(finish_net)

    def write(self, writer_net, fields):
        """Adds operators that write the blobs of a batch."""
        raise NotImplementedError("Writers must implement write.")

    def write_record(self, writer_net, fields):
        self.write(writer_net, self._blobs(fields))

    def write_ex(self, fields, local_init_net, local_finish_net, stop_blob):
        """The nets that write the blobs of a batch; they may set stop_blob."""
        net = core.Net("write_net")
        self.write(net, fields)
        return [net]

    def write_record_ex(self, fields, local_init_net, local_finish_net, stop_blob=None):
        """The nets that write a batch, and the blob that says whether that came to nothing."""
        fields = self._blobs(fields)
        if stop_blob is None:
            stop_blob = local_init_net.NextName("dequeue_status")
        return self.write_ex(fields, local_init_net, local_finish_net, stop_blob), stop_blob

    def commit(self, finish_net):
        """Adds operators that say that nothing more is written."""


class ReaderBuilder:
    """What makes readers: setup() once, then new_reader() for each."""

    def schema(self):
        raise NotImplementedError("ReaderBuilders must implement `schema`.")

    def setup(self, **kwargs):
        raise NotImplementedError("ReaderBuilders must implement `setup`.")

    def new_reader(self, **kwargs):
        raise NotImplementedError("ReaderBuilders must implement `new_reader`.")


def _reader_of(thing):
    """A reader, or that of a queue, pipe or dataset."""
    if isinstance(thing, Reader):
        return thing
    if hasattr(thing, "reader"):
        return thing.reader()
    raise ValueError(f"expected a reader, a queue or a stream, got {type(thing).__name__}")


class PipedReaderBuilder(ReaderBuilder):
    """Readers of another builder, each through ``piper(reader=..., ...)``."""

    def __init__(self, builder, piper):
        self._builder, self._piper = builder, piper

    def schema(self):
        return self._builder.schema()

    def setup(self, **kwargs):
        return self._builder.setup(**kwargs)

    def new_reader(self, **kwargs):
        return _reader_of(self._piper(reader=self._builder.new_reader(**kwargs), **kwargs))


class Pipe:
    """What is written at one end and read at the other. `obj_key`: under which nets that do keep it, so that it is set up."""

    def __init__(self, schema=None, obj_key=None):
        self._num_writers = self._num_readers = 0
        self._schema, self._obj_key = schema, obj_key

    def schema(self):
        return self._schema

    def setup(self, global_init_net):
        pass

    def reader(self):
        raise NotImplementedError("Pipes must implement `reader`.")

    def writer(self):
        raise NotImplementedError("Pipes must implement `writer`.")

    def num_readers(self):
        return self._num_readers

    def num_writers(self):
        return self._num_writers

    def _keep_in(self, net):
        if self._obj_key is not None:
            net.add_attribute(self._obj_key, self)

    def _new_writer(self, writer_schema, writer_init_net):
        if self._schema is None:
            self._schema = writer_schema
        self._num_writers += 1
        self._keep_in(writer_init_net)

    def _new_reader(self, reader_init_net):
        self._num_readers += 1
        self._keep_in(reader_init_net)


# ---- readers of other readers


class CounterReader(Reader):
    """Reads 0, 1, 2, ..."""

    def __init__(self):
        super().__init__(schema=Struct(("iter", np.int64)))
        self.counter = self.should_stop = None

    def setup_ex(self, global_init_net, global_finish_net):
        if self.counter is None:
            self.counter = global_init_net.CreateCounter([], init_count=0)
            self.should_stop = _false(global_init_net)

    def read_ex(self, local_init_net, local_finish_net):
        net = core.Net("limited_reader_counter")
        return [net], self.should_stop, [net.CountUp([self.counter], 1)]


class ReaderWithLimitBase(Reader):
    """A reader that stops before the other one does. A class made of it has setup_limiter and check_limiter_condition."""

    def __init__(self, reader):
        super().__init__(schema=reader._schema)
        self.reader = reader
        self.net = core.Net("reader_with_limit")
        self._data_finished = self.net.AddExternalInput(self.net.NextName("data_finished"))
        self.should_stop = None

    def setup_ex(self, global_init_net, global_finish_net):
        _false(global_init_net, [self._data_finished])
        self.reader.setup_ex(global_init_net, global_finish_net)
        self.setup_limiter(global_init_net, global_finish_net)

    def read_ex(self, local_init_net, local_finish_net):
        before = core.Net("limited_reader_condition")
        should_stop = self.check_limiter_condition(before)
        nets, finished, fields = self.reader.read_ex(local_init_net, local_finish_net)
        self._set_schema(self.reader._schema)
        behind = core.Net("limited_reader_post")
        # The step looks at the blob behind each net: that of the limit has been seen by now.
        behind.Copy(finished, should_stop)
        behind.Or([self._data_finished, finished], [self._data_finished])
        return [before, *nets, behind], should_stop, fields

    def setup_limiter(self, global_init_net, global_finish_net):
        raise NotImplementedError("Subclass must implement `setup_limiter`")

    def check_limiter_condition(self, stop_condition_net):
        raise NotImplementedError("Subclass must implement `check_limiter_condition")

    def data_finished(self):
        """A blob that says, behind the reading, whether the other reader had nothing more."""
        return self._data_finished


class ReaderWithLimit(ReaderWithLimitBase):
    """Stops after so many batches; None: with the other reader."""

    def __init__(self, reader, num_iter=1):
        super().__init__(reader)
        self.num_iter = num_iter
        self.counter = None
        if num_iter is not None:
            self.counter = self.net.AddExternalInput(self.net.NextName("counter"))

    def setup_limiter(self, global_init_net, global_finish_net):
        if self.counter:
            global_init_net.CreateCounter([], [self.counter], init_count=int(self.num_iter))

    def check_limiter_condition(self, stop_condition_net):
        return stop_condition_net.CountDown([self.counter], 1) if self.counter else _false(stop_condition_net)


def CountUntil(num_iter):
    """Reads the numbers below num_iter."""
    return ReaderWithLimit(CounterReader(), num_iter)


class ReaderWithTimeLimit(ReaderWithLimitBase):
    """Stops after so many seconds; 0 or None: with the other reader."""

    def __init__(self, reader, duration=0):
        super().__init__(reader)
        self.duration = duration
        self.timer = self.duration_ns_blob = None

    def setup_limiter(self, global_init_net, global_finish_net):
        if self.duration is None or self.duration <= 0:
            return
        self.timer = global_init_net.TimerBegin([], counter_name="epoch_timer")
        start = global_init_net.TimerGet(self.timer)
        self.duration_ns_blob = global_init_net.ConstantFill([start], value=int(self.duration * 10**9))
        global_finish_net.TimerEnd([self.timer], [])

    def check_limiter_condition(self, stop_condition_net):
        if self.timer is None:
            return _false(stop_condition_net)
        return stop_condition_net.GE([stop_condition_net.TimerGet(self.timer), self.duration_ns_blob])


class ReaderWithDelay(Reader):
    """Waits so many seconds before each batch; for tests."""

    def __init__(self, reader, delay):
        super().__init__(schema=reader._schema)
        self.reader, self.delay = reader, delay

    def setup_ex(self, global_init_net, global_finish_net):
        self.reader.setup_ex(global_init_net, global_finish_net)

    def read_ex(self, local_init_net, local_finish_net):
        net = core.Net("reader_body")
        net.Python(lambda inputs, outputs: time.sleep(self.delay))([], [])
        return ([net], *self.reader.read(net))


class CompositeReader(Reader):
    """Reads a batch of each of several readers; stops with the first of them that does."""

    def __init__(self, names, readers):
        assert len(names) == len(readers), f"{len(names)} names for {len(readers)} readers"
        super().__init__(schema=Struct(*((name, reader.schema()) for name, reader in zip(names, readers))))
        self._names, self._readers = names, readers

    def setup_ex(self, init_net, finish_net):
        for reader in self._readers:
            reader.setup_ex(init_net, finish_net)

    def read_ex(self, local_init_net, local_finish_net):
        parts = [reader.read_record_ex(local_init_net, local_finish_net) for reader in self._readers]
        should_stop = parts[-1][1]
        nets, blobs = [], []
        for name, (own, stop, record) in zip(self._names, parts):
            nets.extend(own)
            blobs.extend(record.field_blobs())
            if stop != should_stop:
                any_stop = core.Net(f"{name}_stop")
                any_stop.Or([should_stop, stop], should_stop)
                nets.append(any_stop)
        return nets, should_stop, blobs

    def reset(self, net):
        for reader in self._readers:
            reader.reset(net)


class CompositeReaderBuilder(ReaderBuilder):
    """Composite readers of those that builders make."""

    def __init__(self, names, reader_builders):
        self._names, self._reader_builders = names, reader_builders
        self._schema = Struct(*((name, builder.schema()) for name, builder in zip(names, reader_builders)))

    def schema(self):
        return self._schema

    def setup(self, **kwargs):
        """Sets all up; a `limiter` is the last one's, as it counts batches that all have. Returns what they return, as one dict."""
        limiter = kwargs.pop("limiter", None)
        finished = {}
        for builder in self._reader_builders:
            if limiter is not None and builder is self._reader_builders[-1]:
                kwargs["limiter"] = limiter
            own = builder.setup(**kwargs)
            assert not set(own) & set(finished), f"Overlapping keys: {set(own) & set(finished)}"
            same = set(own.values()) & set(finished.values())
            assert not same, f"Overlapping values: {same}"
            finished.update(own)
        return finished

    def new_reader(self, **kwargs):
        made = CompositeReader(self._names, [_reader_of(b.new_reader(**kwargs)) for b in self._reader_builders])
        assert made.schema() == self._schema, "the readers have other fields than their builders"
        return made
