"""Writes the TypeScript declarations of the Node package from the operator records.

    gen_node_types.py SOURCE_DIR OUT PARSER

OUT is node/index.d.ts with the operators in place of its line `//: functions`, the tensor's methods in place of `//: methods`, and the names of
dtypes in place of `//: dtypes`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from gen_api import Arg, Schema, read_schemas, records, variants, write
from gen_stubs import dtypes

KINDS = {
    "Tensor": ("Tensor", "Tensor"),
    "Scalar": ("Scalar", "Scalar"),
    "int": ("Int", "Int"),
    "SymInt": ("Int", "Int"),
    "float": ("Real", "number"),
    "bool": ("boolean", "boolean"),
    "str": ("string", "string"),
    "ScalarType": ("DTypeLike", "DType"),
    "Device": ("DeviceLike", "string"),
}
# Made by index.js itself, with a last argument that says whether a gradient is wanted.
CREATION = set(re.findall(r"\w+", "ones zeros rand randn empty full eye arange linspace randint randperm"))


def kind_of(kind: str, result: bool) -> str:
    kind = kind.partition("(")[0] + kind.partition(")")[2]  # Tensor(a!)
    if kind.endswith("?"):
        inner = kind_of(kind[:-1], result)
        return inner if inner == "unknown" else f"{inner} | null"
    if listed := re.fullmatch(r"(.*)\[(\d*)\]", kind):
        inner = kind_of(listed[1], result)
        one = f" | {inner}" if listed[2] and not result else ""
        return f"({inner})[]{one}" if "|" in inner else f"{inner}[]{one}"
    return KINDS.get(kind, ("unknown", "unknown"))[result]


def argument(arg: Arg, numbers: str) -> str:
    text = kind_of(arg.type, False)
    if arg.type == "Tensor" and (numbers == "always" or (numbers == "fallback" and arg.name != "self")):
        text += " | Scalar"
    return text


def signature(schema: Schema, method: bool, numbers: str) -> str:
    args = [a for a in schema.args if not (method and a.name == "self")]
    positional = [a for a in args if not a.kwarg_only]
    last = max((i for i, a in enumerate(positional) if a.default is None), default=-1)
    # TypeScript's names of parameters mean nothing, but some words are its own.
    parts = [f"{a.name}_{'?' if i > last else ''}: {argument(a, numbers)}" for i, a in enumerate(positional)]
    named = [
        f"{a.name}{'' if a.kwarg_only and a.default is None else '?'}: {argument(a, numbers)}"
        for a in args
        if a.kwarg_only or a.default is not None
    ]
    if named:
        needed = any("?:" not in n for n in named) and len(parts) == last + 1
        parts.append(f"options{'' if needed else '?'}: {{ {'; '.join(named)} }}")
    returns = [kind_of(r, True) for r in schema.returns]
    result = "null" if not returns else returns[0] if len(returns) == 1 else f"[{', '.join(returns)}]"
    out = [f"({', '.join(parts)}): {result};"]
    if not method and schema.name in CREATION and len(positional) == last + 1:
        plain = [f"{a.name}_: {argument(a, numbers)}" for a in positional]
        out.append(f"({', '.join([*plain, 'requiresGrad: boolean'])}): {result};")
    return "\n".join(out)


def members(by_name: dict[str, list[str]], indent: str) -> str:
    lines = []
    for name, overloads in sorted(by_name.items()):
        texts = dict.fromkeys(line for o in overloads for line in o.split("\n"))
        lines += [f"{indent}{name}{text}" for text in texts]
    return "\n".join(lines)


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    hand = (source / "node" / "index.d.ts").read_text()
    native = set(re.findall(r"^    (?:readonly )?(\w+)[(:]", hand, re.M))
    methods: dict[str, list[str]] = {}
    functions: dict[str, list[str]] = {}
    taken: set[str] = set()
    all_records = records(source)
    read_schemas([text for r in all_records for text in r["schemas"]], sys.argv[3])
    for record in all_records:
        for schema in variants(record, taken):
            if schema.kind == "out" or not schema.name.isidentifier() or schema.name in native:
                continue
            functions.setdefault(schema.name, []).append(signature(schema, False, record["numbers"]))
            if schema.args and schema.args[0].name == "self" and schema.args[0].type.startswith("Tensor"):
                methods.setdefault(schema.name, []).append(signature(schema, True, record["numbers"]))
    made = hand.replace("    //: functions", members(functions, "    ")).replace(
        "    //: methods", members(methods, "    ")
    )
    names = [line.partition(":")[0] for line in dtypes(source).splitlines()]
    made = made.replace("    //: dtypes", "\n".join(f"    readonly {name}: DType;" for name in names))
    write(out, made)


if __name__ == "__main__":
    main()
