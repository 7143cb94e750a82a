"""Pipes of data against PyTorch's."""

import copy
import pickle

import pytest
import torch.utils.data.datapipes.iter as their_iter
import torch.utils.data.datapipes.map as their_map
from rushlight.utils.data.datapipes import iter as our_iter
from rushlight.utils.data.datapipes import map as our_map

import rushlight as rl

WALKS = {
    "map": lambda p: p(range(5)).map(lambda x: x * 2),
    "map a column": lambda p: p([(1, 2), (3, 4)]).map(lambda x: -x, input_col=1),
    "map columns": lambda p: p([(1, 2, 3)]).map(lambda a, b: a + b, input_col=[0, 2]),
    "map to a column": lambda p: p([(1, 2)]).map(lambda x: -x, input_col=0, output_col=-1),
    "map a dictionary": lambda p: p([{"a": 1}]).map(lambda x: -x, input_col="a", output_col="b"),
    "filter": lambda p: p(range(9)).filter(lambda x: x % 3 == 0),
    "batch": lambda p: p(range(5)).batch(2),
    "batch whole": lambda p: p(range(5)).batch(2, drop_last=True),
    "unbatch": lambda p: p(range(5)).batch(2).batch(2).unbatch(),
    "unbatch all": lambda p: p(range(5)).batch(2).batch(2).unbatch(unbatch_level=-1),
    "groups": lambda p: p(["ab", "cd", "a", "cc", "b"]).groupby(lambda s: s[0]),
    "groups of two": lambda p: p(["a1", "b1", "a2", "a3", "b2"]).groupby(lambda s: s[0], group_size=2, keep_key=True),
    "concat": lambda p: p(range(2)).concat(p(range(3))),
    "zip": lambda p: p(range(3)).zip(p("abcd")),
    "mux": lambda p: p([1, 2, 3]).mux(p([10, 20]), p([100, 200, 300])),
    "sharding": lambda p: p(range(5)).sharding_filter(),
    "fork": lambda p: p(range(3)).fork(2)[1],
    "demux": lambda p: p(range(6)).demux(3, lambda x: x % 3)[1],
}


@pytest.mark.parametrize("kind", WALKS)
def test_walks(kind):
    ours, theirs = WALKS[kind](our_iter.IterableWrapper), WALKS[kind](their_iter.IterableWrapper)
    for _ in range(2):  # a pipe can be walked again
        assert list(ours) == list(theirs)
    try:
        length = len(theirs)
    except TypeError:
        return
    assert len(ours) == length


def test_forks_share_one_walk():
    seen = []
    a, b = our_iter.IterableWrapper(range(4)).map(lambda x: seen.append(x) or x).fork(2)
    assert list(zip(a, b)) == [(i, i) for i in range(4)] and seen == [0, 1, 2, 3]
    a, b = our_iter.IterableWrapper(range(5)).fork(2, buffer_size=2)
    with pytest.raises(BufferError, match="buffer overflow"):
        list(a)


def test_shuffle_draws_from_the_seed():
    def order(pipe):
        rl.manual_seed(3)
        return list(pipe)

    pipe = our_iter.IterableWrapper(range(20)).shuffle()
    assert order(pipe) == order(pipe) != list(range(20)) and sorted(order(pipe)) == list(range(20))
    assert list(pipe.set_shuffle(False)) == list(range(20))
    assert sorted(our_map.SequenceWrapper(range(9)).shuffle().set_seed(1)) == list(range(9))


def test_maps():
    for ours, theirs in ((our_map, their_map),):
        pipes = []
        for m in (ours, theirs):
            p = m.SequenceWrapper(range(5)).map(lambda x: x + 1)
            pipes.append(
                (
                    list(p[i] for i in range(5)),
                    [p.batch(2)[i] for i in range(3)],
                    p.zip(p)[2],
                    p.concat(p)[7],
                    len(p.concat(p)),
                )
            )
        assert pipes[0] == pipes[1]


def test_collate_and_loader():
    pipe = our_iter.IterableWrapper(range(6)).batch(3).collate()
    assert [t.tolist() for t in pipe] == [[0, 1, 2], [3, 4, 5]]
    loader = rl.utils.data.DataLoader(our_iter.IterableWrapper(range(4)).map(float), batch_size=2)
    assert [b.tolist() for b in loader] == [[0.0, 1.0], [2.0, 3.0]]


def test_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.bin"):
        (tmp_path / name).write_text(name * 2)
    pipe = our_iter.FileLister(str(tmp_path), masks="*.txt").open_files().read_from_stream()
    assert [data for _, data in pipe] == ["a.txta.txt", "b.txtb.txt"]


def test_a_second_walk_ends_the_first():
    pipe = our_iter.IterableWrapper(range(3))
    first = iter(pipe)
    next(first)
    next(iter(pipe))
    with pytest.raises(RuntimeError, match="invalidated"):
        next(first)


def test_pipes_of_ones_own_and_their_decorators():
    data = rl.utils.data

    @data.functional_datapipe("_twice")
    class Twice(data.IterDataPipe):
        def __init__(self, source):
            self.source = source

        def __iter__(self):
            for item in self.source:
                yield item
                yield item

    assert list(our_iter.IterableWrapper([1, 2])._twice()) == [1, 1, 2, 2]
    with pytest.raises(Exception, match="already taken"):
        data.functional_datapipe("_twice")(Twice)
    with pytest.raises(TypeError, match="can only decorate"):
        data.functional_datapipe("x")(int)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(our_iter.IterableWrapper([1]), "nothing")  # noqa: B009
    wild = data.non_deterministic(Twice)
    wild([1])
    with data.guaranteed_datapipes_determinism(), pytest.raises(TypeError, match="non-deterministic"):
        wild([1])

    @data.argument_validation
    def f(pipe: data.IterDataPipe):
        return pipe

    with pytest.raises(TypeError, match="Expected argument 'pipe'"):
        f([1])


@pytest.mark.parametrize(
    "mistake",
    [
        lambda p: p.batch(0),
        lambda p: list(p.filter(lambda x: 1)),
        lambda p: p.map(abs, output_col=1),
        lambda p: list(p.unbatch()),
        lambda p: list(p.demux(2, lambda x: 5)[0]),
        lambda p: p.fork(0),
        lambda p: p.sharding_filter().apply_sharding(1, 1),
    ],
    ids=range(7),
)
def test_mistakes(mistake):
    kinds = []
    for m in (our_iter, their_iter):
        with pytest.raises(Exception) as e:
            mistake(m.IterableWrapper(range(3)))
        kinds.append(e.type)
    assert kinds[0] is kinds[1]


def test_pipes_say_what_they_give():
    """As annotations, and as bases: IterDataPipe[int]."""
    from rushlight.utils.data import IterDataPipe, MapDataPipe

    class Numbers(IterDataPipe[int]):
        def __iter__(self):
            return iter(range(3))

    class Named(MapDataPipe[str]):
        def __getitem__(self, i):
            return "ab"[i]

    assert list(Numbers().map(str)) == ["0", "1", "2"] and Named()[1] == "b"
    assert str(IterDataPipe[tuple[int, str]]).endswith("IterDataPipe[tuple[int, str]]")


def _odd(x):
    return x % 2


@pytest.mark.parametrize(
    "made",
    [
        lambda: our_map.SequenceWrapper(range(4)).map(),
        lambda: our_map.Mapper(our_map.SequenceWrapper(range(4))).batch(2),
        lambda: our_iter.IterableWrapper(range(4)).fork(2)[1],
        lambda: our_iter.IterableWrapper(range(4)).demux(2, _odd)[1].map(_odd),
        lambda: our_iter.Zipper(*our_iter.IterableWrapper(range(4)).fork(2)),
    ],
)
@pytest.mark.parametrize("walked", [False, True])
def test_pipes_go_to_other_processes(made, walked):
    """As workers that are spawned get them; a walk that has begun stays where it is."""
    pipe = made()
    if walked:
        next(iter(pipe))
    there = pickle.loads(pickle.dumps(pipe))
    assert [x for x in there] == [x for x in made()]
    again = copy.deepcopy(pipe)
    assert [x for x in again] == [x for x in made()]
