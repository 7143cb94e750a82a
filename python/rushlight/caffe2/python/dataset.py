"""caffe2.python.dataset: records in memory, that are read and written by nets.

>>> import numpy as np
>>> from rushlight.caffe2.python import core, dataset, schema, workspace
>>> init = core.Net("init")
>>> values = schema.Struct(("x", np.arange(5)))
>>> data = dataset.Dataset(schema.ConstRecord(init, values))
>>> reader = data.reader(init, batch_size=2)
>>> step, batch = reader.execution_step("read")
>>> total, add = init.Const(0), core.Net("add")
>>> _ = add.Add([total, add.Cast(add.SumElementsInt(add.Cast(batch.x(), to="int32")), to="int64")], [total])
>>> _ = step.AddNet(add)
>>> plan = core.Plan("sum")
>>> plan.AddStep(core.execution_step("init", init)), plan.AddStep(step)
(None, None)
>>> _ = workspace.RunPlan(plan)
>>> int(workspace.FetchBlob(total))
10
"""

from __future__ import annotations

import numpy as np

from rushlight.caffe2.python import core, workspace
from rushlight.caffe2.python.dataio import Reader, Writer
from rushlight.caffe2.python.schema import InitEmptyRecord, Struct, from_blob_list, from_column_list


class _CursorReader(Reader):
    """A reader of a dataset by a cursor, which is made once."""

    def __init__(self, dataset, name, batch_size, enforce_batch_size):
        super().__init__(dataset.content())
        self.dataset = dataset
        self.name = name or (dataset.name + "_cursor")
        self.batch_size, self.enforce_batch_size = batch_size, enforce_batch_size
        self.cursor = None

    def setup_ex(self, init_net, exit_net):
        if self.cursor is None:
            blob = init_net.NextScopedBlob(self.name)
            self.cursor = init_net.CreateTreeCursor([], blob, fields=self.dataset.fields)

    def reset(self, net):
        net.ResetCursor([self.cursor], [])

    def _read(self, read_net, kind, more=(), **arguments):
        assert self.cursor, "setup_ex not called."
        content = self.dataset.content()
        with core.NameScope(read_net.NextName(self.name)):
            fields = getattr(read_net, kind)(
                [self.cursor, *more, *content.field_blobs()],
                content.field_names(),
                batch_size=self.batch_size,
                enforce_batch_size=self.enforce_batch_size,
                **arguments,
            )
            fields = core.output_to_list(fields)
            return read_net.IsEmpty([fields[0]]), fields


class _DatasetReader(_CursorReader):
    """Rows in their order."""

    def read(self, read_net):
        return self._read(read_net, "ReadNextBatch")


class _DatasetRandomReader(_CursorReader):
    """Rows in the order of a blob of indices, which sort_and_shuffle makes where none is given; computeoffset has to be called too."""

    def __init__(self, dataset, name, indices, batch_size=1, loop_over=False, enforce_batch_size=False):
        super().__init__(dataset, name, batch_size, enforce_batch_size)
        self.indices, self.loop_over = indices, loop_over
        self.offsets = None

    def computeoffset(self, net):
        """Adds operators that find where the entries of each row are."""
        self.reset(net)
        self.offsets = net.ComputeOffset([self.cursor, *self.dataset.content().field_blobs()], "offsets")

    def sort_and_shuffle(self, net, sort_by_field=None, shuffle_size=1, batch_size=1):
        """Adds operators that make the order: by a field, in batches whose rows are shuffled, and which change places in groups of shuffle_size."""
        content = self.dataset.content()
        place = -1
        if sort_by_field:
            assert sort_by_field in content.field_names(), "Must be valid field."
            place = content.field_names().index(sort_by_field)
        self.reset(net)
        self.indices = net.SortAndShuffle(
            [self.cursor, *content.field_blobs()],
            "indices",
            sort_by_field_idx=place,
            shuffle_size=shuffle_size,
            batch_size=batch_size,
        )

    def read(self, read_net):
        assert self.indices, "sort_and_shuffle not called"
        assert self.offsets, "computeoffset not called"
        return self._read(read_net, "ReadRandomBatch", [self.indices, self.offsets], loop_over=self.loop_over)


class _DatasetWriter(Writer):
    """Appends rows."""

    def __init__(self, content):
        self._content = content
        self.mutex = None

    def setup_ex(self, init_net, exit_net):
        if self.mutex is None:
            self.mutex = init_net.CreateMutex([])

    def write(self, writer_net, fields):
        assert self.mutex is not None, "setup not called."
        blobs = self._content.field_blobs()
        assert len(fields) == len(blobs), f"Expected {len(blobs)} fields, got {len(fields)}."
        writer_net.CheckDatasetConsistency(fields, [], fields=self._content.field_names())
        writer_net.AtomicAppend([self.mutex, *blobs, *fields], blobs)


def Const(net, value, dtype=None, name=None):
    """A new external input of the net, which is fed now."""
    assert isinstance(net, core.Net), "net must be a core.Net instance."
    blob = net.AddExternalInput(net.NextName(prefix=name))
    workspace.FeedBlob(str(blob), np.array(value, dtype=dtype))
    return blob


def execution_step_with_progress(name, init_net, substeps, rows_read):
    """Steps at the same time, beside which a blob is printed every five seconds."""
    report = core.Net("report_net")
    report.Print([rows_read], [])
    return core.execution_step(name, substeps, report_net=report, concurrent_substeps=True, report_interval=5)


class Dataset:
    """Rows of a record in memory.

    Args:
        fields: a struct, whose blobs (if it has some) are the rows; or a list of names.
        name: part of the names of its blobs.
    """

    def __init__(self, fields, name=None):
        assert isinstance(fields, (list, Struct)), "fields must be either a Struct or a list of raw field names."
        self.schema = from_column_list(fields) if isinstance(fields, list) else fields
        self.fields = self.schema.field_names()
        self.name = name or "dataset"
        self.field_blobs = self.schema.field_blobs() if self.schema.has_blobs() else None

    def trim(self, net, multiple_of):
        """Adds an operator that leaves a multiple of so many rows."""
        net.TrimDataset(self.field_blobs, self.field_blobs, fields=self.fields, multiple_of=multiple_of)

    def init_empty(self, init_net):
        """Makes blobs, which the net sets to no rows."""
        self.field_blobs = InitEmptyRecord(init_net, self.schema.clone_schema()).field_blobs()

    def init_from_dataframe(self, net, dataframe):
        """Feeds blobs with the columns of a Pandas dataframe now; they are external inputs of the net."""
        assert len(self.fields) == len(dataframe.columns), (
            f"expected {len(self.fields)} columns, got {len(dataframe.columns)}"
        )
        columns = (dataframe[column].to_numpy() for column in dataframe.columns)
        self.field_blobs = [Const(net, values, name=field) for field, values in zip(self.fields, columns)]

    def get_blobs(self):
        return self.field_blobs

    def content(self):
        """The record of all rows."""
        return from_blob_list(self.schema, self.field_blobs)

    def field_names(self):
        return self.fields

    def field_types(self):
        return self.schema.field_types()

    def _set_up(self, part, init_net):
        if init_net is not None:
            part.setup_ex(init_net, None)
        return part

    def reader(self, init_net=None, cursor_name=None, batch_size=1, enforce_batch_size=False):
        """Reads batches of so many rows; with enforce_batch_size none of fewer. init_net: what makes its cursor."""
        assert self.field_blobs, "Dataset not initialized."
        return self._set_up(_DatasetReader(self, cursor_name, batch_size, enforce_batch_size), init_net)

    def random_reader(
        self, init_net=None, indices=None, cursor_name=None, batch_size=1, loop_over=False, enforce_batch_size=False
    ):
        """Reads batches in another order; with loop_over again and again."""
        assert self.field_blobs, "Dataset not initialized."
        reader = _DatasetRandomReader(self, cursor_name, indices, batch_size, loop_over, enforce_batch_size)
        return self._set_up(reader, init_net)

    def writer(self, init_net=None):
        """Appends rows. init_net: what makes its mutex."""
        assert self.field_blobs, "Dataset not initialized."
        return self._set_up(_DatasetWriter(self.content()), init_net)
