# ruff: noqa
# fmt: off
"""Lists and dicts. head.py stands before it; see test_script_language.py."""


@case(([1, 2, 3],))
def list_methods(l: List[int]):
    l.append(5)
    l.extend([7, 6])
    l.insert(0, 9)
    l.insert(-1, 8)
    a = l.pop()
    b = l.pop(0)
    l.remove(2)
    l.reverse()
    i = l.index(5)
    n = l.count(1)
    k = l.copy()
    l.sort()
    k.sort(reverse=True)
    m = l + k
    l.clear()
    return l, k, m, a, b, i, n


@case(([3, 1, 2],))
def deletes(l: List[int]):
    del l[0]
    del l[-1]
    return l


@case(([3, 1, 2, 4],))
def slice_assignment(l: List[int]):
    l[0] = 10
    l[-1] = 20
    return l


@case(([1, 2],))
def aliasing(l: List[int]):
    k = l
    k.append(3)
    m = l[:]
    m.append(4)
    n = list(l)
    n.append(5)
    return l, k, m, n


@case(({"a": 1, "b": 2},))
def dict_methods(d: Dict[str, int]):
    d["c"] = 3
    a = d.pop("a")
    b = d.pop("zz", 9)
    d.update({"x": 7})
    c = d.setdefault("y", 8)
    e = d.setdefault("b", 100)
    out: List[str] = []
    for k in d:
        out.append(k)
    for k, v in d.items():
        out.append(k + str(v))
    for v in d.values():
        out.append(str(v))
    for k in d.keys():
        out.append(k)
    del d["b"]
    f = d.copy()
    d.clear()
    return d, f, a, b, c, e, out


@case()
def dict_of_lists():
    d: Dict[str, List[int]] = {}
    for w in ["a", "b", "a"]:
        if w not in d:
            d[w] = []
        d[w].append(len(d[w]))
    return d


@case((torch.tensor(2.0),))
def dict_of_tensors(x):
    d = {"a": x, "b": x * 2}
    d["c"] = d["a"] + d["b"]
    total = torch.zeros(1)
    for k, v in d.items():
        total = total + v
    return total, d


@case(("the cat the dog",))
def counts(s: str):
    d: Dict[str, int] = {}
    for w in s.split():
        if w in d:
            d[w] += 1
        else:
            d[w] = 1
    return d


@case((["a", "b"],))
def comprehensions_of_declared_types(names: List[str]):
    x: List[Optional[int]] = [None for _ in names]
    w: List[List[int]] = [[] for _ in names]
    w[0].append(1)
    y: Dict[str, Optional[int]] = {name: None for name in names}
    y["c"] = 3
    x.append(2)
    return x, y, w
