"""Writes the type stubs of the Python package from the operator records.

    gen_stubs.py SOURCE_DIR OUT_DIR PARSER

  OUT_DIR/_C.pyi         tools/stubs/_C.pyi with the methods of Tensor in place of its line `#: methods`
  OUT_DIR/__init__.pyi   tools/stubs/__init__.pyi with the functions in place of its line `#: functions`, dtypes of `#: dtypes`

They are made by the build and not checked in: an operator is one file.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from gen_api import TYPES, Arg, Schema, read_schemas, records, variants, write

# Inside class Tensor the names int, float and bool are methods, so the stubs say _int, _float and _bool.
ARGUMENT = {name: row[3] for name, row in TYPES.items() if row[3]}
RESULT = {name: row[4] for name, row in TYPES.items() if row[4]}
KEYWORDS = {"from", "lambda", "in", "is", "print"}


def argument_type(arg: Arg, numbers: str) -> str:
    kind = arg.type
    optional = kind.endswith("?") and "[" not in kind[-2:]
    kind = kind[:-1] if optional else kind
    sized = re.fullmatch(r"(int|float)\[\d+\]", kind)
    text = f"_{sized[1]} | Sequence[_{sized[1]}]" if sized else ARGUMENT.get(kind, "Any")
    if kind == "Tensor" and (numbers == "always" or (numbers == "fallback" and arg.name != "self")):
        text += " | Number"
    return text + " | None" if optional else text


def parameters(schema: Schema, method: bool, spread: bool, numbers: str) -> str | None:
    parts, star, factory = ["self"] if method else [], False, set()
    for arg in schema.args:
        factory.add(arg.name)
        if method and arg.name == "self":
            continue
        if arg.name in KEYWORDS:
            return None
        name = "input" if arg.name == "self" else arg.name
        if spread and arg.type == "int[]" and not arg.kwarg_only:
            parts.append(f"*{name}: _int")
            star = True
            continue
        if arg.kwarg_only and not star:
            parts.append("*")
            star = True
        parts.append(f"{name}: {argument_type(arg, numbers)}{'' if arg.default is None else ' = ...'}")
    if {"dtype", "layout", "device", "pin_memory"} <= factory and schema.kind == "function":
        parts.append("requires_grad: _bool = ...")
    return ", ".join(parts)


def result(schema: Schema) -> str:
    kinds = [RESULT.get(r, "Any") for r in schema.returns]
    return "None" if not kinds else kinds[0] if len(kinds) == 1 else f"tuple[{', '.join(kinds)}]"


def signatures(schema: Schema, method: bool, numbers: str) -> list[str]:
    """One overload, or two where a list of ints may be spread out: x.view(2, 3)."""
    positional = [a for a in schema.args if not a.kwarg_only and not (method and a.name == "self")]
    texts = [parameters(schema, method, False, numbers)]
    if len(positional) == 1 and positional[0].type == "int[]":
        texts.append(parameters(schema, method, True, numbers))
    return [f"({text}) -> {result(schema)}: ..." for text in texts if text is not None]


def definitions(by_name: dict[str, list[str]], indent: str) -> str:
    lines = []
    for name, overloads in sorted(by_name.items()):
        unique = list(dict.fromkeys(overloads))
        for text in unique:
            if len(unique) > 1:
                lines.append(f"{indent}@overload")
            lines.append(f"{indent}def {name}{text}")
    return "\n".join(lines) + "\n"


def merged(schema: Schema, record: dict) -> Schema:
    """The functional form with the out= of its out= form."""
    if schema.kind == "function" and "out" in record["forms"]:
        kind = "Tensor?" if len(schema.returns) == 1 else "Tensor[]?"
        return Schema(schema.name, schema.overload, [*schema.args, Arg(kind, "out", "None", True)], schema.returns)
    return schema


def dtypes(source: Path) -> str:
    """A line for each name in the table of dtypes."""
    table = (source / "rushlight" / "core" / "dtype.h").read_text()
    rows = re.findall(r'X\(\w+, (\w+), \d+, \w+, "(\w*)"', re.sub(r"\s*\\\n\s*", " ", table))
    names = [name for row in rows for name in row if name]
    return "".join(f"{name}: dtype\n" for name in names)


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    hand = {name: (source / "tools" / "stubs" / name).read_text() for name in ("_C.pyi", "__init__.pyi")}
    native = set(re.findall(r"^    def (\w+)", hand["_C.pyi"], re.M))
    by_hand = set(re.findall(r"^def (\w+)", hand["__init__.pyi"], re.M))
    methods: dict[str, list[str]] = {}
    functions: dict[str, list[str]] = {}
    taken: set[str] = set()
    all_records = records(source)
    read_schemas([text for r in all_records for text in r["schemas"]], sys.argv[3])
    for record in all_records:
        for schema in variants(record, taken):
            if schema.kind == "out" or not schema.name.isidentifier() or schema.name in KEYWORDS:
                continue
            if schema.name.startswith("special_"):  # the module special shows them
                continue
            if "method" in record["forms"] and schema.name not in native and any(a.name == "self" for a in schema.args):
                methods.setdefault(schema.name, []).extend(signatures(schema, True, record["numbers"]))
            if "function" in record["forms"] and not record["module"] and schema.name not in by_hand:
                functions.setdefault(schema.name, []).extend(
                    signatures(merged(schema, record), False, record["numbers"])
                )
    write(out / "_C.pyi", hand["_C.pyi"].replace("    #: methods\n", definitions(methods, "    ")))
    made = hand["__init__.pyi"].replace("#: functions\n", definitions(functions, ""))
    write(out / "__init__.pyi", made.replace("#: dtypes\n", dtypes(source)))


if __name__ == "__main__":
    main()
