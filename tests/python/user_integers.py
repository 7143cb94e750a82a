"""Every operator with its integer arguments, one at a time and all at once, replaced by values from the edges of 64 bits.

    python user_integers.py rushlight|torch RESULTS [FIRST]

makes the calls from number FIRST on and writes a line `NUMBER<tab>RESULT` for each, `NUMBER<tab>` before it starts: the
last line tells which call killed the process. The calls follow from the operator records' schemas. test_user_integers.py
looks for what kills or hangs; the results of two modules can be compared line by line.
"""

import importlib
import itertools
import os
import resource
import sys
import warnings
from pathlib import Path

SOURCE = Path(__file__).parents[2]
sys.path.insert(0, str(SOURCE / "tools"))
from gen_api import parse_schema, records  # noqa: E402

EXTREMES = [0, 1, -1, 2, 2**31, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63)]
SHAPES = [(), (3,), (2, 3), (2, 4, 4), (2, 4, 3, 3), (1, 2, 3, 4, 4)]
KIB = 3_000_000  # address space of a process

# Tensors that hold positions, lengths or conditions.
POSITIONS = {"index", "indices", "target", "targets", "offsets", "repeats", "tensor_indices_or_sections", "mapping"}
POSITIONS |= {"input_lengths", "target_lengths", "crow_indices"}
# What a schema's default does not say.
TEXTS = {
    "reduce": "sum",
    "indexing": "ij",
    "mode": "constant",
    "equation": "...->...",
    "approximate": "none",
    "side": "left",
}


def is_integer(kind):
    return kind.rstrip("?").startswith("int")


def schemas():
    """(module, name, schema, called as a method) of every function and method that takes an integer."""
    for record in records(SOURCE):
        for text in record["schemas"]:
            schema = parse_schema(text)
            # What only other operators call checks nothing that they have checked.
            if not schema.name.startswith("_") and any(is_integer(a.type) for a in schema.args):
                yield record["module"], schema, "function" not in record["forms"]


def lengths(kind):
    """How long a list to pass."""
    size = kind.rstrip("?")[4:-1]
    return [int(size)] if size else [1, 2, 4]


def base_value(arg, dtype, length):
    kind = arg.type.rstrip("?")
    if kind == "Tensor":
        if arg.type.endswith("?") and arg.default == "None":
            return None
        name = arg.name
        return ("bool" if name in ("mask", "condition") else "int64" if name in POSITIONS else dtype,)
    if kind.startswith("Tensor["):
        return [(dtype,), (dtype,)]
    if arg.default is not None and not (is_integer(arg.type) and arg.default == "None"):
        return Ellipsis
    if kind == "int":
        return 1
    if kind.startswith("int["):
        return [1] * length
    if kind in ("Scalar", "float"):
        return 1 if kind == "Scalar" else 0.5
    if kind.startswith("float["):
        return [1.5] * length
    if kind == "bool":
        return False
    if kind.startswith("bool["):
        return [True] * length
    if kind == "str":
        return TEXTS.get(arg.name, "mean")
    if kind == "ScalarType":
        return "float32"
    return Ellipsis


def calls():
    """(schema, is a method, shape, values); a value is (dtype,) for a tensor and Ellipsis for the schema's default."""
    for module, schema, method in schemas():
        at = [i for i, a in enumerate(schema.args) if is_integer(a.type)]
        tensors = any("Tensor" in a.type for a in schema.args)
        sizes = sorted({n for i in at for n in (lengths(schema.args[i].type) if "[" in schema.args[i].type else [1])})
        dtypes = ["float32", "int64"] if tensors else ["float32"]
        for shape, dtype, length in itertools.product(SHAPES if tensors else [()], dtypes, sizes):
            base = [base_value(a, dtype, length) for a in schema.args]
            places = [[i] for i in at] + ([at] if len(at) > 1 else [])
            for place, value in itertools.product(places, EXTREMES):
                values = list(base)
                for i in place:
                    kind = schema.args[i].type
                    fits = lengths(kind) if "[" in kind else []
                    values[i] = [value] * (length if length in fits or not fits else fits[0]) if "[" in kind else value
                yield module, schema, method, shape, values


def made(value, shape, module):
    if isinstance(value, tuple):
        n = 1
        for s in shape:
            n *= s
        if value[0] == "bool":
            return module.ones(shape, dtype=module.bool)
        t = module.arange(n, dtype=getattr(module, value[0])).reshape(shape)
        return t % 2 if value[0] == "int64" else t
    if isinstance(value, list):
        return [made(v, shape, module) for v in value]
    return value


def arguments(schema, values, shape, module):
    args, kwargs = [], {}
    for a, v in zip(schema.args, values, strict=True):
        if v is Ellipsis:
            continue
        v = getattr(module, v) if a.type.rstrip("?") == "ScalarType" else made(v, shape, module)
        kwargs[a.name] = v
    return args, kwargs


def find(module, where, schema, method):
    """The operator under the schema's own argument names."""
    if module.__name__ == "torch":
        packet = getattr(module.ops.aten, schema.name)
        return getattr(packet, schema.overload or "default")
    c = module._C
    if method:
        return getattr(module.Tensor, schema.name)
    owner = getattr(c, "_" + where) if where else c._ops
    name = schema.name.removeprefix(where + "_") if where in ("linalg", "special", "fft") else schema.name
    return getattr(owner, name, None) or getattr(c._ops, schema.name)


def shown(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown(v) for v in value[:40]) + "]"
    if hasattr(value, "dtype"):
        numbers = ""
        if value.numel() <= 100:
            flat = value.detach().reshape(-1).tolist()
            numbers = " ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in flat)
        return f"{str(value.dtype).split('.')[-1]}{tuple(value.shape)} {numbers}".replace("-0 ", "0 ")
    return repr(value)


def main():
    module, path, first = (
        importlib.import_module(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]) if len(sys.argv) > 3 else 0,
    )
    if hasattr(module, "set_num_threads"):
        module.set_num_threads(1)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (KIB * 1024, KIB * 1024))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    found, known = None, None
    for number, (where, schema, method, shape, values) in enumerate(calls()):
        if number < first:
            continue
        os.write(out, f"{number}\t".encode())
        if schema is not known:
            known = schema
            try:
                found = find(module, where, schema, method)
            except (AttributeError, RuntimeError):
                found = None
        if found is None:
            text = "absent"
        else:
            try:
                args, kwargs = arguments(schema, values, shape, module)
                if method and module.__name__ != "torch":
                    args = [kwargs.pop(schema.args[0].name)]
                elif module.__name__ != "torch":  # the schema's self is Python's input
                    while schema.args[len(args)].name in kwargs and not schema.args[len(args)].kwarg_only:
                        args.append(kwargs.pop(schema.args[len(args)].name))
                        if len(args) == len(schema.args):
                            break
                module.manual_seed(0)
                text = shown(found(*args, **kwargs))
            except Exception as e:
                text = f"{type(e).__name__}: {e}".splitlines()[0][:150]
        os.write(out, text.replace("\n", " ").encode() + b"\n")


if __name__ == "__main__":
    main()
