"""The built table of operators, the C++ headers, the type stubs and the documentation say the same: which operators there are, in which
forms. The generators read the records as text, with the library's parser for the schemas; the table is what the compiler made of them."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

import rushlight
from rushlight import _C

ROOT = Path(__file__).parents[2]
GENERATED = Path(os.environ.get("RUSHLIGHT_BUILD", ROOT / "build")) / "generated"
PACKAGE = Path(rushlight.__file__).parent
sys.path.insert(0, str(ROOT / "tools"))

import gen_api  # noqa: E402

pytestmark = pytest.mark.skipif(not (GENERATED / "records.json").exists(), reason="needs the build folder")


def table() -> dict[str, gen_api.Schema]:
    """All forms of all operators, by their qualified names."""
    ops = [op for of in (_C._ops, _C._functional) for op in vars(of).values() if hasattr(op, "_schemas")]
    return {s.qualified: s for op in ops for s in map(gen_api.parse_schema, op._schemas)}


def cpp_parameters(schema: gen_api.Schema, out: bool) -> tuple:
    args = schema.args
    n = len(schema.returns) if out else 0
    return tuple(gen_api.cpp_type(a.type) for a in [*args[len(args) - n :], *args[: len(args) - n]])


def is_out(schema: gen_api.Schema) -> bool:
    return re.search(r"(^|_)out$", schema.overload) is not None


def test_cpp_has_every_form_of_the_table_and_no_other():
    ops = table()
    made = set()
    for shard in GENERATED.glob("functions_*.cpp"):
        made |= set(re.findall(r'NamedOp op\("([^"]+)"\)', shard.read_text()))
    assert made <= set(ops), sorted(made - set(ops))
    # Of overloads that C++ can't tell apart, the first is called.
    taken = {(ops[q].name, is_out(ops[q]), cpp_parameters(ops[q], is_out(ops[q]))) for q in made}
    missing = [
        q for q, s in ops.items() if q not in made and (s.name, is_out(s), cpp_parameters(s, is_out(s))) not in taken
    ]
    assert not missing, missing


def names_of(record: dict) -> set[str]:
    names = {gen_api.parse_schema(text).name for text in record["schemas"]} | set(record["aliases"])
    return names | {name + "_" for name in names} if "inplace" in record["forms"] else names


def test_methods_are_the_same_in_python_and_cpp_but_for_what_records_say():
    records = json.loads((GENERATED / "records.json").read_text())
    with_self = {s.name for s in table().values() if any(a.name == "self" for a in s.args)}
    first_self = {s.name for s in table().values() if s.args and s.args[0].name == "self"}
    named = {
        form: {n for r in records if form in r["forms"] for n in names_of(r)}
        for form in ("method", "cpp_method", "cpp_by_hand")
    }
    wanted = {n for n in named["method"] & with_self if not n.startswith("special_")}
    in_python = methods_of_python()
    assert in_python <= wanted, sorted(in_python - wanted)
    assert {n for n in wanted if not hasattr(rushlight.Tensor, n)} == set()
    made = (GENERATED / "rushlight" / "torch_methods.inc").read_text()
    in_cpp = set(re.findall(r"^ *[\w:<>, &*]+? (\w+)\(.*\) const (?:\{|__asm__)", made, re.M))
    by_record = {n for n in (wanted | named["cpp_method"]) & first_self}
    assert in_cpp <= by_record, sorted(in_cpp - by_record)
    assert by_record - in_cpp <= named["cpp_by_hand"], sorted(by_record - in_cpp - named["cpp_by_hand"])


KEYWORDS = {"from", "lambda", "in", "is", "print"}


def methods_of_python() -> set[str]:
    """Under their own names: some are shown under another's."""
    return {n for n, f in vars(_C.Tensor).items() if type(f).__name__ == "operator_method" and f.__name__ == n}


def test_stubs_name_every_operator_of_the_table_and_no_other():
    init, native = (PACKAGE / "__init__.pyi").read_text(), (PACKAGE / "_C.pyi").read_text()
    functions = set(re.findall(r"^def (\w+)\(", init, re.M)) | set(re.findall(r"import \w+ as (\w+)", init))
    methods = set(re.findall(r"^    def (\w+)\(", native, re.M))
    shown = {n for n in _C._functions if n.isidentifier() and n not in KEYWORDS}
    assert shown <= functions, sorted(shown - functions)
    unwritable = {s.name for s in table().values() if any(a.name in KEYWORDS for a in s.args)}  # uniform_(from=)
    with_method = methods_of_python() - KEYWORDS - unwritable
    assert with_method <= methods, sorted(with_method - methods)
    hand = (ROOT / "tools/stubs/_C.pyi").read_text() + (ROOT / "tools/stubs/__init__.pyi").read_text()
    written = set(re.findall(r"def (\w+)\(", hand)) | set(re.findall(r"import \w+ as (\w+)", hand))
    assert functions - written <= shown, sorted(functions - written - shown)
    assert all(hasattr(rushlight.Tensor, n) for n in methods - written)


def test_stubs_name_every_dtype():
    init = (PACKAGE / "__init__.pyi").read_text()
    assert set(re.findall(r"^(\w+): dtype$", init, re.M)) == set(_C._dtypes)


def test_documentation_shows_every_overload():
    for name, op in vars(_C._ops).items():
        if hasattr(op, "_schemas"):
            assert op.__doc__.count(name.rpartition("::")[2] + "(") >= len(op._schemas), name
