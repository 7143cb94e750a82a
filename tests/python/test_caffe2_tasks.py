"""Tasks, queues, datasets and pipelines of caffe2.python: plans whose steps run beside each other."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from rushlight.caffe2.python import core, dataio, net_printer, schema, timeout_guard, workspace
from rushlight.caffe2.python.cached_reader import CachedReader
from rushlight.caffe2.python.checkpoint import (
    CheckpointManager,
    Job,
    JobRunner,
    MultiNodeCheckpointManager,
    epoch_limiter,
)
from rushlight.caffe2.python.dataset import Dataset
from rushlight.caffe2.python.net_builder import NetBuilder, ops
from rushlight.caffe2.python.pipeline import NetProcessor, pipe, pipe_and_output
from rushlight.caffe2.python.queue_util import Queue, close_queue
from rushlight.caffe2.python.record_queue import RecordQueue
from rushlight.caffe2.python.session import LocalSession
from rushlight.caffe2.python.task import Node, SetupNets, Task, TaskGroup, WorkspaceType, final_output


@pytest.fixture(autouse=True)
def empty_workspace():
    workspace.ResetWorkspace()


def source(n=10, name="source"):
    """A dataset of the numbers below n, in the current workspace."""
    init = core.Net(name + "_init")
    with core.NameScope(name):
        made = Dataset(schema.ConstRecord(init, schema.Struct(("x", np.arange(n)))), name=name)
    workspace.RunNetOnce(init)
    return made


def sink(like, name="sink"):
    init = core.Net(name + "_init")
    with core.NameScope(name):
        made = Dataset(like, name=name)
        made.init_empty(init)
    workspace.RunNetOnce(init)
    return made


def ran(group):
    with LocalSession() as session:
        session.run(group)


def rows(dataset, field="x"):
    return sorted(workspace.FetchBlob(str(dataset.content()[field]())).tolist())


# ---- blocks


def test_loops_guards_and_conditions_are_steps():
    with NetBuilder() as builder:
        total, seen = ops.Const(0), ops.Const(0)
        with ops.loop(6) as loop:
            with ops.If(ops.GE([loop.iter(), ops.Const(4)])) as case:
                ops.Add([total, ops.Const(100)], [total])
            with case.Elif(ops.GE([loop.iter(), ops.Const(2)])) as case:
                ops.Add([total, ops.Const(10)], [total])
            with case.Else():
                ops.Add([total, ops.Const(1)], [total])
        with ops.stop_guard() as stopped:
            ops.stop_if(ops.GT([total, ops.Const(5)]))
            ops.Const(7, blob_out=seen)
        with ops.stop_guard() as went_on:
            ops.Const(8, blob_out=seen)
        with ops.loop():
            ops.Add([seen, ops.Const(1)], [seen])
            ops.stop()
    workspace.RunPlan(core.to_execution_step(builder))
    names = total, seen, stopped.has_stopped(), went_on.has_stopped()
    assert [workspace.FetchBlob(n).item() for n in names] == [222, 9, True, False]
    with pytest.raises(AssertionError, match="requires a stop condition"), NetBuilder(), ops.loop():
        ops.Const(1)
    with pytest.raises(AssertionError, match="Invalid use of Else"), NetBuilder():
        ops.Else()
    with pytest.raises(AssertionError, match="built already"):
        builder.add(core.Net("late"))
    with pytest.raises(AttributeError, match="No active NetBuilder"):
        ops.Relu("x")


def test_tasks_have_instances_with_blobs_of_their_own_and_setups():
    with TaskGroup() as group:
        with Task(num_instances=5, name="counts"):
            with ops.local_init():
                every = ops.CreateCounter([], ["every"])
            with ops.task_init():
                shared = ops.CreateCounter([], ["shared"])
            with ops.task_instance_init():
                own = ops.CreateCounter([], ["own"])
            with ops.loop(3):
                ops.CountUp(shared)
                ops.CountUp(own)
            with ops.task_instance_exit(), ops.loop(ops.RetrieveCount(own)):
                ops.CountUp(every)
            with ops.task_exit():
                counts = [final_output(ops.RetrieveCount(c)) for c in (shared, every)]
        ticks = core.Net("ticks")
        init = core.Net("ticks_init")
        tick = init.CreateCounter([], ["tick"])
        ticks.CountUp(tick)
        group.report_step(ticks, interval_ms=5)
        ticks.add_attribute(TaskGroup.LOCAL_SETUP, SetupNets([init]))
    ran(group)
    assert [int(c.fetch()) for c in counts] == [15, 15]
    assert not workspace.HasBlob("own")  # a private workspace ends with the run
    with pytest.raises(AssertionError, match="already used TaskGroup"):
        group.add(Task())


def test_python_functions_are_made_for_each_instance():
    made = []

    def builder(start):
        count = [start]
        made.append(count)

        def add(inputs, outputs):
            count[0] += 1

        return add

    with Task(num_instances=4) as task, ops.loop(6):
        ops.Python((builder, [10], {}))([], [])
    ran(task)
    assert [c[0] for c in made] == [16] * 4
    op = core.CreateOperator("Python", [], [], pickled_builder=b"x")
    with pytest.raises(RuntimeError, match="is a pickle of a function, which is not run"):
        workspace.RunOperatorOnce(op)


def test_sessions_run_steps_plans_and_nets():
    net = core.Net("increments")
    workspace.FeedBlob("n", np.array(0))
    net.Add(["n", net.Const(1)], ["n"])
    plan = core.Plan("twice")
    for _ in range(2):
        plan.AddStep(core.execution_step("step", [net]))
    with LocalSession() as session:
        session.run(net)
        session.run(core.execution_step("three", net, num_iter=3))
        session.run(plan)
        assert session.fetch_output("n") == 6
    with pytest.raises(AssertionError, match="Session is closed"):
        session.run(net)
    with pytest.raises(AssertionError, match="Require global but already have private"):
        LocalSession().run(TaskGroup(WorkspaceType.PRIVATE), WorkspaceType.GLOBAL)


# ---- queues


def test_who_finds_a_queue_full_or_empty_waits():
    made, put, take = core.Net("made"), core.Net("put"), core.Net("take")
    queue = made.CreateBlobsQueue([], "queue", capacity=2, num_blobs=1)
    total, count = made.Const(0), made.CreateCounter([], init_count=20)
    done = put.CountDown(count)
    put.SafeEnqueueBlobs([queue, put.Const(3)], ["in", "closed"])
    taken, empty = take.SafeDequeueBlobs(queue, ["out", "empty"])
    add = core.Net("add")
    add.Add([total, taken], [total])
    producer = close_queue(core.execution_step("produce", put, should_stop_blob=done), queue)
    consumer = core.execution_step("consume", [take, add], should_stop_blob=empty)
    workspace.RunNetOnce(made)
    workspace.RunPlan(core.execution_step("both", [producer, consumer], concurrent_substeps=True))
    assert workspace.FetchBlob(total) == 63  # the last CountDown is looked at behind the net
    workspace.RunNetOnce(made)
    with pytest.raises(RuntimeError, match="the queue is empty, and no other thread is there"):
        workspace.RunNetOnce(take)
    with pytest.raises(RuntimeError, match="the queue is full, and no other thread is there"):
        workspace.RunPlan(core.execution_step("fill", [put, put, put]))


def test_a_step_that_fails_ends_those_beside_it():
    made, take, fail = core.Net("made"), core.Net("take"), core.Net("fail")
    queue = made.CreateBlobsQueue([], "queue", capacity=2, num_blobs=1)
    take.DequeueBlobs(queue, ["out"])
    fail.ThrowException([], [], message="of its own")
    workspace.RunNetOnce(made)
    steps = [core.execution_step(n.Name(), n) for n in (take, fail)]
    with pytest.raises(RuntimeError, match="of its own"):
        workspace.RunPlan(core.execution_step("both", steps, concurrent_substeps=True))


def test_threads_of_python_feed_queues():
    made, take = core.Net("made"), core.Net("take")
    queue = made.CreateBlobsQueue([], "queue", capacity=1, num_blobs=1)
    take.DequeueBlobs(queue, ["out"])
    workspace.RunNetOnce(made)

    def feed():
        for k in range(5):
            time.sleep(0.01)
            workspace.FeedBlob("in", np.array(k))
            workspace.RunOperatorOnce(core.CreateOperator("EnqueueBlobs", [queue, "in"], ["in"]))

    thread = threading.Thread(target=feed)
    thread.start()
    got = []
    workspace.CreateNet(take)
    for _ in range(5):
        workspace.RunNet(take)
        got.append(int(workspace.FetchBlob("out")))
    thread.join()
    assert got == [0, 1, 2, 3, 4]
    workspace.RunOperatorOnce(core.CreateOperator("CloseBlobsQueue", [queue], []))
    with pytest.raises(RuntimeError, match="the queue is closed"):
        workspace.RunOperatorOnce(core.CreateOperator("EnqueueBlobs", [queue, "in"], ["in"]))
    late = core.CreateOperator("CreateBlobsQueue", [], ["slow"], capacity=1, num_blobs=1)
    workspace.RunOperatorOnce(late)
    thread = threading.Thread(target=time.sleep, args=(0.5,))
    thread.start()
    with pytest.raises(RuntimeError, match="Dequeue failed"):
        workspace.RunOperatorOnce(core.CreateOperator("DequeueBlobs", ["slow"], ["out"], timeout_secs=0.05))
    thread.join()


def test_rows_are_queued_in_batches_of_other_sizes():
    def op(kind, *args, **kwargs):
        workspace.RunOperatorOnce(core.CreateOperator(kind, *args, **kwargs))

    op("CreateRebatchingQueue", [], ["q"], capacity=10, num_blobs=2)
    workspace.FeedBlob("x", np.arange(8, dtype=np.float32).reshape(4, 2))
    workspace.FeedBlob("y", np.arange(4))
    op("EnqueueRebatchingQueue", ["q", "x", "y"], [], enqueue_batch=True)
    op("DequeueRebatchingQueue", ["q"], ["a", "b"], num_elements=3)
    assert workspace.FetchBlob("a").tolist() == [[0, 1], [2, 3], [4, 5]] and workspace.FetchBlob("b").tolist() == [
        0,
        1,
        2,
    ]
    op("CloseRebatchingQueue", ["q"], [])
    op("DequeueRebatchingQueue", ["q"], ["a", "b"], num_elements=3)
    assert workspace.FetchBlob("a").tolist() == [[6, 7]]
    with pytest.raises(RuntimeError, match="closed and empty"):
        op("DequeueRebatchingQueue", ["q"], ["a", "b"])


# ---- datasets


def test_datasets_are_read_in_their_order_and_in_another():
    init = core.Net("init")
    values = schema.Struct(("key", np.array([3, 1, 2])), ("words", schema.List(np.int64)))
    record = schema.from_blob_list(values.clone_schema(), [core.BlobReference(n) for n in ("k", "l", "w")])
    schema.FeedRecord(record, [np.array([3, 1, 2]), np.int32([2, 0, 1]), np.array([10, 11, 12])])
    data = Dataset(record, name="data")
    read, reader = core.Net("read"), data.reader(init, batch_size=2)
    stop, batch = reader.read_record(read)
    workspace.RunNetOnce(init)
    got = []
    for _ in range(3):
        workspace.RunNetOnce(read)
        got.append([workspace.FetchBlob(str(b)).tolist() for b in batch.field_blobs()])
    assert got == [[[3, 1], [2, 0], [10, 11]], [[2], [1], [12]], [[], [], []]] and workspace.FetchBlob(stop)
    shuffled, other = core.Net("other"), core.Net("read_other")
    random = data.random_reader(shuffled, batch_size=2, loop_over=True)
    random.sort_and_shuffle(shuffled, "key")
    random.computeoffset(shuffled)
    _, batch = random.read_record(other)
    workspace.RunNetOnce(shuffled)
    assert workspace.FetchBlob("offsets").tolist() == [[0, 0], [1, 2], [2, 2], [3, 3]]
    got = []
    for _ in range(3):
        workspace.RunNetOnce(other)
        got.append([workspace.FetchBlob(str(b)).tolist() for b in batch.field_blobs()])
    assert got == [[[1, 2], [0, 1], [12]], [[3], [2], [10, 11]], [[1, 2], [0, 1], [12]]]
    trim = core.Net("trim")
    data.trim(trim, 2)
    workspace.RunNetOnce(trim)
    assert [len(workspace.FetchBlob(n)) for n in "klw"] == [2, 2, 2]
    with pytest.raises(AssertionError, match="Dataset not initialized"):
        Dataset(["x"]).reader()


def test_readers_stop_at_limits():
    data = source(10)
    with TaskGroup() as group:
        limited = dataio.ReaderWithLimit(data.reader(batch_size=2), num_iter=3)
        out = sink(data.content().clone_schema())
        pipe(limited, out.writer())
        finished = final_output(limited.data_finished())
    ran(group)
    assert rows(out) == [0, 1, 2, 3, 4, 5] and not finished.fetch()
    with TaskGroup() as group:
        slow = dataio.ReaderWithTimeLimit(dataio.ReaderWithDelay(source(1000, "slow").reader(), 0.01), duration=0.1)
        some = sink(data.content().clone_schema(), "some")
        pipe(slow, some.writer())
        finished = final_output(slow.data_finished())
    ran(group)
    assert 0 < len(rows(some)) < 1000 and not finished.fetch()
    both = dataio.CompositeReader(["a", "b"], [source(4, "a").reader(), source(7, "b").reader()])
    with TaskGroup() as group:
        pairs = sink(both.schema().clone_schema(), "pairs")
        pipe(both, pairs.writer(), num_runtime_threads=2)
    ran(group)
    assert len(rows(pairs, "a:x")) == len(rows(pairs, "b:x")) == 4


# ---- pipelines


@pytest.mark.parametrize("threads", [{"num_threads": 3}, {"num_runtime_threads": 3}])
def test_records_go_through_queues(threads):
    data, out = source(17), sink(schema.Struct(("x", np.int64)))

    def doubled(record):
        return schema.Struct(("x", ops.Add([record.x(), record.x()])))

    half = core.Net("plus_one")
    record = half.set_input_record(schema.Struct(("x", np.int64)))
    half.set_output_record(schema.Struct(("x", half.Add([record.x(), half.Const(1)]))))
    with TaskGroup() as group:
        first = pipe(data.reader(), output=Queue(capacity=4, num_dequeue_records=3), processor=doubled, **threads)
        second = pipe(first, processor=NetProcessor(half))
        _, count = pipe_and_output(second, out.writer(), final_outputs=[out.field_blobs[0]])
    ran(group)
    assert rows(out) == [2 * k + 1 for k in range(17)] and len(count) == 1
    with pytest.raises(AssertionError, match="Only one of num_threads"):
        pipe(data.reader(), num_threads=2, num_runtime_threads=2)
    with pytest.raises(ValueError, match="expected a reader, a queue or a stream"):
        pipe(3)


def test_a_record_queue_is_filled_by_steps():
    data = source(9)
    init, net = core.Net("init"), core.Net("consume")
    reader = data.reader(init)
    queue = RecordQueue(data.content().clone_schema(), capacity=2, num_threads=2)
    read, fill, close, _ = queue.build(
        reader, process=lambda net, record: schema.Struct(("x", net.Add([record.x(), record.x()])))
    )
    step, record = read.execution_step("take")
    total = init.Const(np.array([0]))
    net.Add([total, record.x()], [total])
    step.AddNet(net)
    workspace.RunNetOnce(init)
    producer = core.execution_step("producer", [fill, close])
    workspace.RunPlan(core.execution_step("both", [producer, step], concurrent_substeps=True))
    assert workspace.FetchBlob(total) == 72


def test_what_was_read_is_kept_in_a_database(tmp_path):
    data = source(12)
    cached = CachedReader(data.reader(), str(tmp_path / "cache.db"), "minidb", batch_size=5)
    ran(cached.build_cache_step())
    assert not cached.build_cache_step().HasSubsteps()
    again = CachedReader(data.reader(), str(tmp_path / "cache.db"), "minidb", name="again", batch_size=5)
    out = sink(schema.Struct(("x", np.int64)))
    with TaskGroup() as group:
        pipe(again, out.writer())
    ran(group)
    assert rows(out) == list(range(12))
    with pytest.raises(AssertionError, match="Choose one of these"):
        CachedReader(data.reader(), "x", "nodb")


# ---- jobs


@pytest.mark.parametrize("nodes", [1, 2])
def test_jobs_are_saved_and_go_on(tmp_path, nodes):
    def build():
        with Job() as job:
            totals = []
            for k in range(nodes):
                with Node(f"node{k}"):
                    with job.init_group, Task():
                        data = Dataset(schema.ConstRecord(ops, schema.Struct(("x", np.arange(10)))), name=f"data{k}")
                        reader = data.reader(ops)
                        total = ops.Const([100])
                    limited = dataio.ReaderWithLimit(reader, num_iter=3)
                    pipe(limited, processor=lambda record, total=total: ops.Add([total, record.x()], [total]) and None)
                    job.add_stop_condition(limited.data_finished())
                    totals.append(total)
        job.compile(LocalSession)
        return job, totals

    def manager():
        if nodes == 1:
            return CheckpointManager(str(tmp_path), "node0", "minidb")
        return MultiNodeCheckpointManager(str(tmp_path), "minidb")

    job, totals = build()
    with LocalSession() as session:
        assert JobRunner(job, manager()).train(session) == 4
        assert session.fetch_output(totals[-1]).tolist() == [145]
    for epoch, want in ((1, 103), (3, 136)):
        workspace.ResetWorkspace()
        with LocalSession() as session:
            kept = manager()
            runner = JobRunner(job, kept, resume_from_epoch=epoch)
            assert runner.train(session) == 4
            assert session.fetch_output(totals[0]).tolist() == [145]
            session.run(kept.load(epoch))
            assert session.fetch_output(totals[0]).tolist() == [want]


def test_a_job_may_have_so_many_epochs():
    with Job() as job:
        with job.init_group, Task():
            count = ops.CreateCounter([], ["rounds"])
        with Task():
            ops.CountUp(count)
    epoch_limiter(job, 3)
    with LocalSession() as session:
        assert JobRunner(job)(session) == 3
    assert workspace.HasBlob("rounds")


def test_steps_are_printed_and_their_blobs_checked():
    def build():
        with Job() as job:
            with job.init_group, Task():
                total = ops.Const(0)
            with Task(num_instances=2), ops.loop(3):
                ops.Add([total, ops.Const(1)], [total])
        return job

    job = build()
    text = net_printer.to_string(job)
    for part in ("with Job.current().init_group:", "with parallel(num_instances=2):", "with loop():", ".Add(["):
        assert part in text
    net_printer.analyze(job)
    job = build()
    with job, Task():
        ops.Relu("nobody", "y")
    with pytest.raises(AssertionError, match="Blob undefined: nobody"):
        net_printer.analyze(job)
    net = core.Net("debugged")
    net.Relu("x", "y")
    assert [op.type for op in net_printer.debug_net(net).Proto().op] == ["GivenTensorStringFill", "Print", "Relu"]


def test_a_block_that_takes_too_long_is_interrupted():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in a job in the background it is ignored
    try:
        with timeout_guard.CompleteInTimeOrDie(30):
            pass
        with pytest.raises(KeyboardInterrupt), timeout_guard.CompleteInTimeOrDie(0.05):
            for _ in range(1000):
                time.sleep(0.01)
    finally:
        signal.signal(signal.SIGINT, before)
