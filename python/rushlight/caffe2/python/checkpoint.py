"""caffe2.python.checkpoint: jobs of several epochs, whose blobs are saved after each.

>>> import tempfile
>>> from rushlight.caffe2.python.checkpoint import CheckpointManager, Job, JobRunner
>>> from rushlight.caffe2.python.net_builder import ops
>>> from rushlight.caffe2.python.session import LocalSession
>>> from rushlight.caffe2.python.task import Task
>>> with Job() as job:
...     with job.init_group, Task():
...         total = ops.Const(0)
...     with Task():
...         _ = ops.Add([total, ops.Const(5)], [total])
...         done = ops.GE([total, ops.Const(20)])
...     job.add_stop_condition(done)
>>> folder = tempfile.mkdtemp()
>>> with LocalSession() as session:
...     JobRunner(job, CheckpointManager(folder, "here", "minidb")).train(session)
...     session.run(CheckpointManager(folder, "here", "minidb").load_blobs_from_checkpoint([str(total)], 2))
...     int(session.fetch_output(total))
4
10
"""

from __future__ import annotations

import logging
import os

from rushlight.caffe2.python import context, core
from rushlight.caffe2.python.net_builder import ops
from rushlight.caffe2.python.task import Node, Task, TaskGroup, TaskOutput, WorkspaceType, final_output

logger = logging.getLogger(__name__)


class Job(context.Managed):
    """What a JobRunner runs: a group once in the beginning, one for each epoch, and two in the end. Tasks inside of its block are of an epoch.

    An epoch is the last where one of the stop conditions is true behind it.
    """

    def __init__(
        self,
        init_group=None,
        epoch_group=None,
        download_group=None,
        exit_group=None,
        stop_conditions=None,
        nodes_to_checkpoint=None,
    ):
        self.init_group = init_group or TaskGroup(workspace_type=WorkspaceType.GLOBAL)
        self.epoch_group = epoch_group or TaskGroup()
        self.download_group = download_group or TaskGroup()
        self.exit_group = exit_group or TaskGroup()
        self.stop_conditions = stop_conditions or []
        self._nodes_to_checkpoint = nodes_to_checkpoint

    def nodes_to_checkpoint(self):
        return self._nodes_to_checkpoint or self.init_group.used_nodes()

    def compile(self, session_class):
        """Has a kind of session make what it runs of the groups."""
        self._nodes_to_checkpoint = self.nodes_to_checkpoint()
        for name in ("init_group", "epoch_group", "download_group", "exit_group"):
            setattr(self, name, session_class.compile(getattr(self, name)))

    def __enter__(self):
        super().__enter__()
        self.epoch_group.__enter__()
        return self

    def __exit__(self, *args):
        self.epoch_group.__exit__()
        super().__exit__(*args)

    def add_stop_condition(self, output):
        """A blob of one bool, or an output of a task."""
        if isinstance(output, core.BlobReference):
            output = Task(outputs=[output], group=self.epoch_group).outputs()[0]
        assert isinstance(output, TaskOutput), f"expected a blob or TaskOutput, got {type(output).__name__}"
        self.stop_conditions.append(output)


def get_ckpt_filename(node_name, epoch):
    return f"{node_name}.{epoch}"


def db_name(epoch, node_name, db_prefix, path_prefix=None):
    """The database that a node's blobs of an epoch are in."""
    name = get_ckpt_filename(node_name, epoch)
    return path_prefix + name if path_prefix else os.path.join(db_prefix, name)


class _Manager:
    """What managers of one node and of several have in common: who keeps what is known of checkpoints.

    A metadata_handler has write(epoch=), last_epoch(user_epoch=), set_params(...), cp_accessible(epoch) and report(action, stats).
    """

    def __init__(self, db_prefix, db_type, metadata_handler=None):
        self._db_prefix, self._db_type, self._metadata_handler = db_prefix, db_type, metadata_handler
        self._path_prefix = self._path_type = None

    def collect_checkpoint_stats(self, stats):
        raise NotImplementedError("managers of checkpoints must implement `collect_checkpoint_stats`")

    def report_checkpoint_stats(self, action_name):
        """Tells the handler how long saving or loading took, in nanoseconds."""
        stats = {}
        self.collect_checkpoint_stats(stats)
        if self._metadata_handler:
            self._metadata_handler.report(action_name, stats)

    def write_checkpoint_metadata(self, epoch):
        if self._metadata_handler is not None:
            self._metadata_handler.write(epoch=epoch)

    def get_resume_from_epoch_id(self, user_epoch=None):
        """The epoch to go on from: the given one, or what the handler says; None if there is none."""
        if self._metadata_handler is None:
            return user_epoch
        return self._metadata_handler.last_epoch(user_epoch=user_epoch)

    def _names_of(self, nodes):
        return [str(node) for node in nodes]

    def set_params(self, nodes, path_prefix=None, path_type=None):
        self._path_prefix = path_prefix or self._path_prefix
        self._path_type = path_type or self._path_type
        if self._metadata_handler:
            self._metadata_handler.set_params(
                db_prefix=self._db_prefix,
                db_type=self._db_type,
                node_names=self._names_of(nodes),
                path_prefix=self._path_prefix,
                path_type=self._path_type,
            )

    def cp_accessible(self, epoch=None):
        """Whether an epoch's checkpoint (None: any) can be reached."""
        return True if self._metadata_handler is None else self._metadata_handler.cp_accessible(epoch)


class CheckpointManager(_Manager):
    """Saves and loads the blobs of one node.

    Args:
        db_prefix: the folder of the databases. node_name: part of their names. db_type: "minidb", "leveldb" or "lmdb".
    """

    BLOB_NAMES = "blob_names"

    def __init__(self, db_prefix, node_name, db_type, metadata_handler=None):
        super().__init__(db_prefix, db_type, metadata_handler)
        self._node_name = node_name
        self._net = core.Net("!!checkpoint_mngr")
        self._blob_names = self._net.AddExternalInput(self.BLOB_NAMES)
        self._names_output = self._current_db_name = self._current_checkpoint_duration = None

    def _names_of(self, nodes):
        return [str(self._node_name)]

    def _db(self, epoch, path_prefix=None):
        return db_name(epoch, self._node_name, self._db_prefix, path_prefix)

    def init(self, nodes=None, retrieve_from_epoch=None, path_prefix=None, path_type=None):
        """A task that finds which blobs there are to save: all, or those of an epoch's checkpoint."""
        assert nodes is None or len(nodes) == 1, "CheckpointManager only supports single node."
        with Task(outputs=[self._blob_names]) as task:
            if retrieve_from_epoch is None:
                ops.GetAllBlobNames([], self._blob_names, include_shared=False)
            else:
                self._load([self._blob_names], self._db(retrieve_from_epoch, path_prefix), path_type)
        self._names_output = task.outputs()[0]
        return task

    def _load(self, blobs, db, db_type=None, **arguments):
        ops.Load([], blobs, db=db, db_type=db_type or self._db_type, absolute_path=True, **arguments)

    def blob_list(self):
        """Names of the blobs, once init()'s task has run."""
        assert self._names_output, "init() has to be called, and its task run, first"
        return self._names_output.fetch().tolist()

    def _timed_task(self, name, add):
        """A task of what add() adds, whose time collect_checkpoint_stats finds."""
        with Task(name=name) as task:
            with ops.task_init():
                timer = ops.TimerBegin([], counter_name=self._node_name)
            add()
            with ops.task_exit():
                self._current_checkpoint_duration = final_output(ops.TimerGetAndEnd(timer))
        return task

    def collect_checkpoint_stats(self, stats):
        if self._current_db_name and self._current_checkpoint_duration:
            stats[self._current_db_name] = self._current_checkpoint_duration.fetch().reshape(-1)[0]
        else:
            logger.info("Failed to collect checkpoint stats: %s", self._current_db_name)

    def load(self, epoch, path_prefix=None, path_type=None):
        """A task that loads all blobs of an epoch."""
        self._current_db_name = db = self._db(epoch, path_prefix)
        return self._timed_task(
            "checkpoint_load", lambda: self._load(self.blob_list(), db, path_type, keep_device=True)
        )

    def load_blobs_from_checkpoint(self, blob_names, epoch):
        """A task that loads some blobs of an epoch."""
        self._current_db_name = db = self._db(epoch)
        return self._timed_task("checkpoint_partial_load", lambda: self._load(blob_names, db, allow_incomplete=True))

    def check_db_exists(self, epoch):
        """A task whose output says whether there is a checkpoint of an epoch."""
        with Task() as task:
            there = ops.Const(False)
            ops.DBExists([], [there], db_name=self._db(epoch), db_type=self._db_type, absolute_path=True)
            task.add_output(there)
        return task

    def save(self, epoch):
        """A task that saves all blobs."""
        self._current_db_name = db = self._db(epoch)

        def add():
            ops.Save(self.blob_list(), [], db=db, db_type=self._db_type, absolute_path=True)

        return self._timed_task("checkpoint_save", add)


class MultiNodeCheckpointManager(_Manager):
    """Saves and loads the blobs of several nodes, each in a database of its own."""

    def __init__(self, db_prefix, db_type, metadata_handler=None):
        super().__init__(db_prefix, db_type, metadata_handler)
        self._node_managers = None

    def _group(self, add):
        """A group of what add(manager) makes on each node."""
        assert self._node_managers is not None, "init must be called first."
        with TaskGroup(WorkspaceType.GLOBAL) as group:
            for node, manager in self._node_managers:
                with Node(node):
                    add(manager)
        return group

    def _for_nodes(self, nodes):
        """Whether the managers are new."""
        if self._node_managers is not None:
            assert [node for node, _ in self._node_managers] == nodes, "the manager has been made for other nodes"
            return False
        self._node_managers = []
        for node in nodes:
            with Node(node):
                self._node_managers.append((node, CheckpointManager(self._db_prefix, str(node), self._db_type)))
        return True

    def init(self, nodes, retrieve_from_epoch=None, path_prefix=None, path_type=None):
        """A group that finds which blobs there are to save; see CheckpointManager.init."""
        if not self._for_nodes(nodes):
            return TaskGroup(WorkspaceType.GLOBAL)
        return self._group(lambda m: m.init(None, retrieve_from_epoch, path_prefix, path_type))

    def load(self, epoch, path_prefix=None, path_type=None):
        return self._group(lambda m: m.load(epoch, path_prefix, path_type))

    def save(self, epoch):
        return self._group(lambda m: m.save(epoch))

    def load_blobs_locally(self, nodes, blob_names, epoch, session):
        """Loads some blobs of all nodes' checkpoints. Returns False where one is missing."""
        self._for_nodes(nodes)
        for _, manager in self._node_managers:
            there = manager.check_db_exists(epoch)
            session.run(there)
            if not there.outputs()[0].fetch():
                logger.info("DB %s does not exist!", manager._db(epoch))
                return False
            session.run(manager.load_blobs_from_checkpoint(blob_names, epoch))
        return True

    def get_ckpt_db_name(self, node_name, epoch):
        for node, manager in self._node_managers:
            if str(node) == node_name:
                return manager._db(epoch)
        return None

    def collect_checkpoint_stats(self, stats):
        for _, manager in self._node_managers:
            manager.collect_checkpoint_stats(stats)


class UploadTaskGroupBuilder:
    """What makes the group that takes the last checkpoint elsewhere: build(epoch, checkpoint_manager)."""

    def build(self, epoch, checkpoint_manager):
        raise NotImplementedError("UploadTaskGroupBuilders must implement `build`")


class JobRunner:
    """Runs a job; with a manager its blobs are saved in the beginning and behind each epoch.

    Args:
        resume_from_epoch: the epoch whose checkpoint is loaded, instead of running the job's init_group.
        upload_task_group_builder: what takes the last checkpoint elsewhere.
    """

    def __init__(self, job, checkpoint_manager=None, resume_from_epoch=None, upload_task_group_builder=None):
        self.job, self.checkpoint_manager = job, checkpoint_manager
        self.resume_from_epoch, self.upload_task_group_builder = resume_from_epoch, upload_task_group_builder

    def __call__(self, session):
        return self.train(session)

    def train(self, session):
        """Runs the job. Returns the number of the last epoch."""
        job, manager = self.job, self.checkpoint_manager
        if manager:
            manager.set_params(nodes=job.nodes_to_checkpoint())
            self.resume_from_epoch = manager.get_resume_from_epoch_id(self.resume_from_epoch)
        first = self.resume_from_epoch is None
        if first:
            session.run(job.init_group)
        if manager:
            session.run(manager.init(job.nodes_to_checkpoint(), retrieve_from_epoch=self.resume_from_epoch))
            if first:
                self.save_checkpoints(0, session)
            else:
                session.run(manager.load(self.resume_from_epoch))
                manager.report_checkpoint_stats("checkpoint_load")
        epoch, done = 0 if first else self.resume_from_epoch, False
        while not done:
            epoch += 1
            logger.info("Starting epoch %d", epoch)
            session.run(job.epoch_group)
            done = any(output.fetch() for output in job.stop_conditions)
            if manager:
                self.save_checkpoints(epoch, session)
        if self.upload_task_group_builder:
            session.run(self.upload_task_group_builder.build(epoch, manager))
        session.run(job.download_group)
        session.run(job.exit_group)
        return epoch

    def load_blobs_from_checkpoints(self, blob_names, epoch, session):
        """Loads some blobs of an epoch's checkpoints into the session's workspace. Returns False where one is missing."""
        if not self.checkpoint_manager:
            raise ValueError("Checkpoint manager is None")
        nodes = self.job.nodes_to_checkpoint()
        loaded = self.checkpoint_manager.load_blobs_locally(nodes, blob_names, epoch, session)
        self.checkpoint_manager.report_checkpoint_stats("checkpoint_partial_load")
        return loaded

    def save_checkpoints(self, epoch, session):
        """Saves an epoch's blobs; what goes wrong is only told."""
        if not self.checkpoint_manager:
            raise ValueError("Checkpoint manager is None")
        try:
            if not self.checkpoint_manager.cp_accessible(epoch=None):
                logger.warning("there is no place for the checkpoint of epoch %d", epoch)
                return
            session.run(self.checkpoint_manager.save(epoch))
            self.checkpoint_manager.write_checkpoint_metadata(epoch)
            self.checkpoint_manager.report_checkpoint_stats("checkpoint_save")
        except Exception as e:
            logger.warning("the checkpoint of epoch %d was not saved: %r", epoch, e)


def epoch_limiter(job, num_epochs):
    """Has a job stop behind so many epochs."""
    with job.init_group:
        init = core.Net("epoch_counter_init")
        counter = init.CreateCounter([], init_count=num_epochs - 1)
        Task(step=init)
    with job.epoch_group:
        net = core.Net("epoch_countdown")
        job.add_stop_condition(Task(step=net, outputs=[net.CountDown(counter)]).outputs()[0])
