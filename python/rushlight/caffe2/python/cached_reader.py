"""caffe2.python.cached_reader: what another reader reads, kept in a database from the first time on."""

from __future__ import annotations

import os

from rushlight.caffe2.python import core
from rushlight.caffe2.python.db_file_reader import DBFileReader
from rushlight.caffe2.python.pipeline import pipe
from rushlight.caffe2.python.task import Cluster, TaskGroup


class CachedReader(DBFileReader):
    """Reads the database that build_cache_step() makes of the original reader; see DBFileReader."""

    default_name_suffix = "cached_reader"

    def __init__(self, original_reader, db_path, db_type="leveldb", name=None, batch_size=100, loop_over=False):
        assert original_reader is not None, "original_reader can't be None"
        self.original_reader = original_reader
        super().__init__(db_path, db_type, name, batch_size, loop_over)

    def _init_reader_schema(self, field_names=None):
        return self.original_reader._schema

    def build_cache_step(self, overwrite=False):
        """A step that reads all and writes the database; an empty one where that is there, unless it is to be written again."""
        if os.path.exists(self.db_path) and not overwrite:
            return core.execution_step("build_step", [])
        init, save = core.Net("init"), core.Net("save")
        self._init_field_blobs_as_empty(init)
        with Cluster(), core.NameScope(self.name), TaskGroup() as copy:
            pipe(self.original_reader, self.ds.writer(), num_threads=16)
            step = copy.to_task().get_step()
        self._save_field_blobs_to_db_file(save)
        return core.execution_step("build_cache", [init, step, save])

    def _save_field_blobs_to_db_file(self, net):
        net.Save(
            self.ds.get_blobs(),
            [],
            db=self.db_path,
            db_type=self.db_type,
            blob_name_overrides=self.ds.field_names(),
            absolute_path=True,
        )
