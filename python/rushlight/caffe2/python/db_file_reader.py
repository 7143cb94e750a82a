"""caffe2.python.db_file_reader: a reader of the fields that a database holds as blobs (written by Save)."""

from __future__ import annotations

import os

from rushlight.caffe2.python import core, workspace
from rushlight.caffe2.python.dataio import Reader
from rushlight.caffe2.python.dataset import Dataset
from rushlight.caffe2.python.schema import from_column_list


class DBFileReader(Reader):
    """Reads rows of a database, whose blobs are called after the fields.

    Args:
        db_type: "minidb", "leveldb" or "lmdb". name: part of the names of its blobs.
        loop_over: whether it begins anew behind the last row.
        field_names: names of the fields in their order. Default: those of the blobs, which are looked at now, in alphabetic order.
    """

    default_name_suffix = "db_file_reader"

    def __init__(self, db_path, db_type, name=None, batch_size=100, loop_over=False, field_names=None):
        assert db_path is not None, "db_path can't be None."
        known = workspace.C.registered_dbs()
        assert db_type in known, f"db_type [{db_type}] is not available. \nChoose one of these: {known}."
        self.db_path, self.db_type = os.path.expanduser(db_path), db_type
        self.name = name or f"{self._extract_db_name_from_db_path()}_{self.default_name_suffix}"
        self.batch_size, self.loop_over = batch_size, loop_over
        super().__init__(self._init_reader_schema(field_names))
        self.ds = Dataset(self._schema, self.name + "_dataset")
        self.ds_reader = None

    def _extract_db_name_from_db_path(self):
        return os.path.basename(self.db_path).rsplit(".", 1)[0]

    def _init_reader_schema(self, field_names=None):
        if field_names:
            return from_column_list(field_names)
        with core.NameScope(self.name):
            prefix = core.ScopedName("")
        load = core.CreateOperator(
            "Load", [], [], absolute_path=True, db=self.db_path, db_type=self.db_type, load_all=True, add_prefix=prefix
        )
        workspace.RunOperatorOnce(load)
        return from_column_list([b[len(prefix) :] for b in sorted(workspace.Blobs()) if b.startswith(prefix)])

    def setup_ex(self, init_net, finish_net):
        if self.ds_reader:
            self.ds_reader.setup_ex(init_net, finish_net)
            return
        self._init_field_blobs_as_empty(init_net)
        self._feed_field_blobs_from_db_file(init_net)
        self.ds_reader = self.ds.random_reader(init_net, batch_size=self.batch_size, loop_over=self.loop_over)
        self.ds_reader.sort_and_shuffle(init_net)
        self.ds_reader.computeoffset(init_net)

    def read(self, read_net):
        assert self.ds_reader, "setup_ex must be called first"
        return self.ds_reader.read(read_net)

    def _init_field_blobs_as_empty(self, init_net):
        with core.NameScope(self.name):
            self.ds.init_empty(init_net)

    def _feed_field_blobs_from_db_file(self, net):
        net.Load(
            [],
            self.ds.get_blobs(),
            db=self.db_path,
            db_type=self.db_type,
            absolute_path=True,
            source_blob_names=self.ds.field_names(),
        )
