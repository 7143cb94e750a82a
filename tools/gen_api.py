"""Writes what is derived from the operator records, from the schemas as they stand in rushlight/ops/*.cpp.

    gen_api.py SOURCE_DIR OUT_DIR PARSER

  PARSER                           the program of tools/schemas.cpp, which reads schemas

  OUT_DIR/op_list.inc              RL_OP_ENTRY(name) for each line `OP(name, ...`
  OUT_DIR/cost_list.inc            RL_COST_ENTRY(name) for each line `COST(name, ...`
  OUT_DIR/rushlight/fn/NAME.h      C++ declarations of one operator's overloads, in all its forms
  OUT_DIR/rushlight/functions.h    all of them; functional.h those of the namespace functional
  OUT_DIR/functions_K.cpp          definitions, split so that each compiles fast
  OUT_DIR/rushlight/torch_methods.inc, torch_functions.inc   the C++ front end's torch::Tensor methods and torch:: functions
                                   (Note [One function, two types] in rushlight/api/tensor.h)
  OUT_DIR/rushlight/torch_namespaces.inc   those of torch::linalg, torch::fft and torch::special, by their short names
  OUT_DIR/rushlight/torch_meta.inc   at::meta::add(...), which tells the results of an operator of tensors without computing them
  OUT_DIR/rushlight/torch_ops.inc  at::_ops::add_Tensor::call(...), every overload by its own name
  OUT_DIR/records.json             the records, for stubs, documentation and tests

Files are rewritten only when they change, so adding an operator compiles that operator and little else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SHARDS = 4
LITERALS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'


@dataclass
class Arg:
    type: str
    name: str
    default: str | None = None
    kwarg_only: bool = False


@dataclass
class Schema:
    name: str
    overload: str
    args: list[Arg]
    returns: list[str]
    kind: str = "function"  # function, inplace, out
    return_names: list[str] = field(default_factory=list)
    required: int = 0  # C++ parameters before this one have no default, see disambiguate()

    @property
    def namespace(self) -> str:
        """Of C++, inside of rushlight: "" for aten."""
        return self.name.rpartition("::")[0]

    @property
    def cpp_name(self) -> str:
        return self.name.rpartition("::")[2] + ("_out" if self.kind == "out" else "")

    @property
    def qualified(self) -> str:
        return f"{self.name}.{self.overload}" if self.overload else self.name


BUILD = Path(os.environ.get("RUSHLIGHT_BUILD", Path(__file__).parent.parent / "build"))
_read: dict[str, Schema] = {}


def read_schemas(texts: list[str], parser: Path | str = BUILD / "tools" / "schemas") -> None:
    """Asks the library's own parser, which tools/schemas.cpp shows, for those that are new; all at once."""
    new = [text for text in dict.fromkeys(texts) if text not in _read]
    asked = subprocess.run([parser], input="\n".join(new), capture_output=True, text=True)
    if asked.returncode:
        raise SystemExit(f"gen_api: {asked.stderr.strip()}")
    for text, line in zip(new, asked.stdout.splitlines(), strict=True):
        found = json.loads(line)
        args = [Arg(a["type"], a["name"], a.get("default"), a.get("kwarg_only", False)) for a in found["args"]]
        returns, names = [r["type"] for r in found["returns"]], [r["name"] for r in found["returns"]]
        _read[text] = Schema(found["name"], found["overload"], args, returns, return_names=names)


def parse_schema(text: str) -> Schema:
    if text not in _read:
        read_schemas([text])
    return _read[text]


FORMS = {"kFunction": "function", "kMethod": "method", "kInPlace": "inplace", "kOut": "out"}
FORMS |= {
    "kOutConverts": "out",
    "kOutApart": "out",
    "kCppMethod": "cpp_method",
    "kCppByHand": "cpp_by_hand",
}  # dispatch/forms.h

# The forms that a kind of kernel has where the record names none, as in dispatch/table.cpp; any other spelling has to name them.
DEFAULT_FORMS = {
    "structured": {"function", "method", "out"},
    "updating": {"function", "method", "inplace", "out"},
    "pointwise": {"function", "method", "inplace", "out"},
    "composite": {"function", "method"},
    "RL_SCRIPT": {"function"},
    "function": {"function", "method"},
    "view": {"function", "method"},
    "mutation": {"function", "method"},
}


def joined(literals: str) -> str:
    """The text of adjacent string literals."""
    return "".join(json.loads(s) for s in re.findall(r'"(?:[^"\\]|\\.)*"', literals))


def records(source: Path) -> list[dict]:
    """The records of all operator files, in the order of the table."""
    found = []
    for path in sorted((source / "rushlight" / "ops").glob("**/*.cpp")):
        text = path.read_text()
        starts = [m for m in re.finditer(r"^OP\((\w+),", text, re.M)]
        for i, match in enumerate(starts):
            body = text[match.start() : starts[i + 1].start() if i + 1 < len(starts) else len(text)]

            def literal(key: str, body: str = body) -> str:
                m = re.search(rf"\.{key}\s*=\s*{LITERALS}", body)
                return joined(m[1]) if m else ""

            def many(key: str, body: str = body) -> list[str]:
                m = re.search(rf"\.{key}\s*=\s*\{{\s*{LITERALS[:-1]}(?:,\s*{LITERALS})*)\s*,?\s*\}}", body)
                return [joined(s) for s in re.findall(LITERALS, m[0])] if m else []

            forms = re.search(r"\.forms\s*=\s*([\w\s|]+)", body)
            kernel = re.search(r"\.kernel\s*=\s*(?:anywhere\()?(?:rushlight::)?(\w+)", body)
            if not kernel or not literal("schema"):
                raise SystemExit(f"gen_api: {path}: OP({match[1]}) needs .schema and .kernel = kind<...>(...)")
            if not forms and kernel[1] not in DEFAULT_FORMS:
                raise SystemExit(f"gen_api: {path}: OP({match[1]}) needs .forms: {kernel[1]}() doesn't tell them")
            shape = {FORMS[f.strip()] for f in forms[1].split("|")} if forms else DEFAULT_FORMS[kernel[1]]
            numbers = re.search(r"\.numbers\s*=\s*Numbers::(\w+)", body)
            level = re.search(r"\.level\s*=\s*Level::(\w+)", body)
            found.append(
                {
                    "id": match[1],
                    "file": str(path.relative_to(source)),
                    "schemas": [literal("schema"), *many("overloads")],
                    "aliases": many("aliases"),
                    "doc": literal("doc"),
                    "module": literal("module"),
                    "forms": sorted(shape),
                    "numbers": numbers[1].lower() if numbers else "never",
                    "level": level[1].lower() if level else "stable",
                    "cost": f"\nCOST({match[1]}," in body,
                }
            )
    return found


def variants(record: dict, taken: set[str]) -> list[Schema]:
    """All functions one record gives; mirrors OpTable::add. `taken` collects the names that have an overload `out`."""
    out = []
    for i, text in enumerate(record["schemas"]):
        base = parse_schema(text)
        for name in [base.name, *(record["aliases"] if i == 0 else [])]:
            out.append(Schema(name, base.overload, base.args, base.returns, return_names=base.return_names))
            if "inplace" in record["forms"]:
                out.append(Schema(name + "_", base.overload, base.args, ["Tensor"], "inplace"))
            if "out" in record["forms"] and i == 0:
                plain = base.overload in ("", "Tensor") and name not in taken
                overload = "out" if plain else base.overload + "_out"
                taken |= {name} if plain else set()
                n = len(base.returns)
                outs = [
                    Arg("Tensor", "out" if n == 1 else base.return_names[k] or f"out{k}", None, True) for k in range(n)
                ]
                out.append(Schema(name, overload, [*base.args, *outs], base.returns, "out"))
    return out


def schema_types() -> dict[str, tuple[str, ...]]:
    """The table of schema types: {name: (C++ parameter, C++ result, how it is taken, stub argument, stub result)}."""
    header = Path(__file__).parent.parent / "rushlight" / "dispatch" / "schema_types.h"
    rows = re.findall(r"X\(\w+, (\"[^\n]*?\")\)\s*(?=X\(|\n)", re.sub(r"\s*\\\n\s*", " ", header.read_text()) + "\n")
    cells = [re.findall(r'"([^"]*)"', row) for row in rows]
    return {name: tuple(rest) for name, _, *rest in cells}


TYPES = schema_types()
CPP = {name: row[0] for name, row in TYPES.items() if row[0]}
RETURN = {name: row[1] for name, row in TYPES.items() if row[1]}
TAKE = {name: row[2] for name, row in TYPES.items() if row[2]}
# Optional ones that C++ has another way than std::optional for.
CPP |= {
    "Tensor?": "const Tensor&",
    "Scalar?": "const std::optional<Scalar>&",
    "Generator?": "Generator*",
    "int[]?": "OptionalIntArrayRef",
}
RETURN |= {"Tensor?": "Tensor"}
TAKE |= {"Tensor?": "{}.optional_tensor()"}


def cpp_type(kind: str) -> str:
    kind = re.sub(r"\[\d+\]", "[]", kind)
    if kind in CPP:
        return CPP[kind]
    if kind.endswith("?"):
        return f"std::optional<{cpp_type(kind[:-1])}>"
    raise SystemExit(f"gen_api: no C++ type for {kind}")


def cpp_default(arg: Arg) -> str:
    d, kind = arg.default, arg.type
    if d is None:
        return ""
    if d == "None":
        empty = kind in ("Tensor?", "Generator?") and ("Tensor()" if kind == "Tensor?" else "nullptr")
        return " = " + (empty or "std::nullopt")
    if kind.startswith("int["):
        return " = {" + (d[1:-1] if d.startswith("[") else d) + "}"
    if kind.rstrip("?") in ("ScalarType", "MemoryFormat"):  # a number of the table of dtypes, of the formats
        contiguous = kind.startswith("Memory") and d == "0"
        return " = MemoryFormat::Contiguous" if contiguous else f" = {cpp_type(kind.rstrip('?'))}({d})"
    if kind == "str" or kind == "str?":
        return ' = "' + d.strip("'\"") + '"'
    named = {"True": "true", "False": "false", "inf": "__builtin_inf()"}
    return " = " + named.get(d, d + "0" if d.endswith(".") else d)


def ordered(schema: Schema) -> list[Arg]:
    """C++ order: out= tensors first, as in PyTorch's add_out(out, self, other)."""
    n = len(schema.returns) if schema.kind == "out" else 0
    args = schema.args
    return [*args[len(args) - n :], *args[: len(args) - n]] if n else args


def disambiguate(schemas: list[Schema]) -> None:
    """Takes defaults away where two overloads could be called with the same arguments: all(t) and all.dims(t, dim=None)."""

    def least(schema: Schema) -> int:
        args = ordered(schema)
        while args and args[-1].default is not None:
            args = args[:-1]
        return max(len(args), schema.required)

    by_function: dict[tuple[str, str], list[Schema]] = {}
    for schema in schemas:
        by_function.setdefault((schema.name, schema.kind), []).append(schema)
    for group in by_function.values():
        group.sort(key=lambda s: len(s.args))
        for i, later in enumerate(group):
            for earlier in group[:i]:
                mine, theirs = ([cpp_type(a.type) for a in ordered(s)] for s in (later, earlier))
                for n in range(least(later), len(theirs) + 1):
                    if n >= least(earlier) and mine[:n] == theirs[:n]:
                        later.required = n + 1


def result_type(schema: Schema, types: dict[str, str]) -> str:
    if not all(r in types for r in schema.returns):
        raise SystemExit(f"gen_api: no C++ type for the result of {schema.qualified}")
    names = [types[r] for r in schema.returns]
    return "void" if not names else names[0] if len(names) == 1 else f"std::tuple<{', '.join(names)}>"


BUILTIN = {"int64_t": "l", "double": "d", "bool": "b", "char": "c"}
SPELLED = {
    "TensorList": "ArrayRef<Tensor>",
    "IntArrayRef": "ArrayRef<int64_t>",
    "complex128": "std::complex<double>",
    "std::string_view": "std::basic_string_view<char, std::char_traits<char>>",
}


def symbol(schema: Schema) -> str:
    """The library's symbol of a function, as the C++ ABI of gcc and clang on Linux spells its name and the types of its parameters."""
    seen: list[str] = []  # what may be said shortly where it comes again

    def again(what: str) -> str:
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        i = seen.index(what)
        return "S_" if i == 0 else f"S{digits[i - 1] if i <= 36 else digits[(i - 1) // 36] + digits[(i - 1) % 36]}_"

    def name(text: str) -> str:
        """Of a class or template, without what surrounds it."""
        if text not in seen:
            seen.append(text)
            return ("" if text.startswith("std::") else "S_") + ident(text)
        return again(text)

    def ident(text: str) -> str:
        short = text.removeprefix("std::")
        return f"{'St' if short != text else ''}{len(short)}{short}"

    def spell(text: str) -> str:
        text = SPELLED.get(text, text)
        if text in BUILTIN:
            return BUILTIN[text]
        if text in seen:
            return again(text)
        if text.endswith(("&", "*")):
            out = ("R" if text[-1] == "&" else "P") + spell(text[:-1])
        elif text.startswith("const "):
            out = "K" + spell(text[6:])
        else:
            template, _, inside = text.partition("<")
            if not inside:
                out = name(text)
                return out if text.startswith("std::") else f"N{out}E"
            out = name(template) + "I" + "".join(map(spell, re.split(r", (?![^<]*>)", inside[:-1]))) + "E"
            out = out if text.startswith("std::") else f"N{out}E"
        seen.append(text)
        return out

    spaces = ["rushlight", *schema.name.split("::")[:-1]]
    seen += ["::".join(spaces[: i + 1]) for i in range(len(spaces))]
    path = "".join(f"{len(n)}{n}" for n in [*spaces, schema.cpp_name])
    return f"_ZN{path}E{''.join(spell(cpp_type(a.type)) for a in ordered(schema)) or 'v'}"


def signature(schema: Schema, defaults: bool) -> str:
    all_default = True
    params = []
    for i, arg in reversed(list(enumerate(ordered(schema)))):  # C++ wants defaults only at the end
        all_default = all_default and arg.default is not None and i >= schema.required
        params.append(f"{cpp_type(arg.type)} {arg.name}{cpp_default(arg) if defaults and all_default else ''}")
    result = "const Tensor&" if writes(schema) else result_type(schema, RETURN)
    return f"{result} {schema.cpp_name}({', '.join(reversed(params))})"


def box(arg: Arg) -> str:
    kind = re.sub(r"\[\d+\]", "[]", arg.type)
    if kind in (
        "Tensor",
        "Tensor?",
        "Tensor[]",
        "Tensor?[]",
        "int[]",
        "bool[]",
        "float[]",
        "str",
        "Generator?",
        "Generator",
    ):
        return f"IValue::borrow({arg.name})"
    if kind in ("int[]?", "float[]?", "str?"):
        return f"{arg.name} ? IValue::borrow(*{arg.name}) : IValue()"
    return f"IValue({arg.name})"


def definition(schema: Schema) -> str:
    args = ", ".join(box(a) for a in schema.args) or "IValue()"
    count = max(len(schema.args), 1)
    n = len(schema.returns)
    take = [TAKE[r].format(f"rets[{i}]") for i, r in enumerate(schema.returns)]
    lines = [
        f"{signature(schema, False)} {{",
        f'  static NamedOp op("{schema.qualified}");',
        f"  Arguments<{count}> args = {{{{{args}}}}};",
    ]
    if writes(schema):
        return "\n".join([*lines, f"  call_named(op, args.v, {count});", f"  return {ordered(schema)[0].name};", "}"])
    if take == [TAKE["Tensor"].format("rets[0]")]:
        return "\n".join([*lines, f"  return call_named(op, args.v, {count});", "}"])
    lines += [f"  IValue rets[{max(n, 1)}];", f"  call_named(op, args.v, {count}, rets);"]
    if n == 1:
        lines.append(f"  return {take[0]};")
    elif n:
        lines.append(f"  return {{{', '.join(take)}}};")
    return "\n".join([*lines, "}"])


OPTIONS = ["dtype", "layout", "device", "pin_memory"]
FRONT = {"Tensor?": "MaybeTensor", "Generator?": "MaybeGenerator"}
FRONT_RETURN = RETURN | {"Tensor[]": "std::vector<Tensor>"}


def front_end(schema: Schema, method: bool, shown: str = "") -> str:
    """PyTorch's signature, bound to the library's function. `shown`: its name, where that is another."""
    result = "Tensor&" if writes(schema) else result_type(schema, FRONT_RETURN)
    name = shown or schema.cpp_name
    names = [a.name for a in schema.args]
    with_options = [n for n in names if n in OPTIONS] == OPTIONS and schema.kind != "out" and schema.name[0] != "_"
    bound, params, call = [], [], []
    for i, arg in enumerate(ordered(schema)):
        plain = re.sub(r"\[\d+\]", "[]", arg.type)
        if method and arg.name == "self":
            continue
        kind, default = FRONT.get(plain, cpp_type(arg.type)), cpp_default(arg) if i >= schema.required else ""
        bound.append((f"{kind} {arg.name}", " = {}" if plain in FRONT and default else default))
        if with_options and arg.name == "dtype":
            params.append(("const TensorOptions& options", " = {}"))
            call.append(f"options.dtype_or({'' if arg.default in (None, 'None') else f'DType({arg.default})'})")
        elif with_options and arg.name in OPTIONS:
            call.append("std::nullopt" if arg.name == "pin_memory" else f"options.{arg.name}_opt()")
        else:
            params.append(bound[-1])
            call.append(f"options.format_or({arg.name})" if with_options and plain == "MemoryFormat?" else arg.name)
    end, label = " const" if method else "", f'__asm__("{symbol(schema)}")'
    if not with_options:
        return f"{result} {name}({with_defaults(bound)}){end} {label};"
    # The four arguments of a factory apart, and as TensorOptions.
    return (
        f"{result} {name}({', '.join(p for p, _ in bound)}){end} {label};\n"
        f"{'' if method else 'inline '}{result} {name}({with_defaults(params)}){end} "
        f"{{ return options.{'converted' if name == 'to' else 'finish'}({name}({', '.join(call)})); }}"
    )


def meta_function(schema: Schema) -> str:
    """at::meta::add: the operator's call on the meta device, wherever its arguments are."""
    params, call = [], []
    for i, arg in enumerate(ordered(schema)):
        kinds = FRONT | {"Tensor?": "const std::optional<Tensor>&"}
        kind, default = kinds.get(arg.type, cpp_type(arg.type)), cpp_default(arg) if i >= schema.required else ""
        params.append((f"{kind} {arg.name}", " = {}" if arg.type in kinds and default else default))
        call.append(f"on_meta({arg.name})" if arg.type.startswith("Tensor") else arg.name)
    result, name = result_type(schema, FRONT_RETURN), schema.cpp_name
    return (
        f"inline {result} {name}({with_defaults(params)}) {{ NoGradGuard off; return api::{name}({', '.join(call)}); }}"
    )


def writes(schema: Schema) -> bool:
    """To one tensor, its first argument, which is also the result: a reference to it."""
    in_place = schema.name.endswith("_") and not schema.name.endswith("__")
    return schema.returns == ["Tensor"] and (schema.kind == "out" or in_place)


def with_defaults(params: list[tuple[str, str]]) -> str:
    """C++ wants defaults only at the end."""
    last = max((i for i, (_, default) in enumerate(params) if not default), default=-1)
    return ", ".join(p + (default if i > last else "") for i, (p, default) in enumerate(params))


SPACES = ("linalg", "fft", "special")
OWN = {"Tensor?": "const std::optional<Tensor>&", "Generator?": "std::optional<Generator>"}  # PyTorch's


def overload_struct(schema: Schema) -> str:
    """at::_ops::add_Tensor: one overload, its arguments in the schema's order and none left out."""
    params, call = [], []
    for arg in schema.args:
        plain = re.sub(r"\[\d+\]", "[]", arg.type)
        params.append(f"{OWN.get(plain, cpp_type(arg.type))} {arg.name}")
        lower = plain in OWN or plain in ("Scalar?", "Tensor[]", "Tensor?[]")
        call.append((arg.name, f"lowered({arg.name})" if lower else arg.name))
    given = dict(call)
    body = f"::rushlight::{schema.cpp_name}({', '.join(given[a.name] for a in ordered(schema))})"
    result = {"Tensor": "Tensor", "Tensor[]": "std::vector<Tensor>"}
    types = [result.get(r, RETURN[r]) for r in schema.returns]
    if schema.returns == ["Tensor[]"]:
        body = f"adopt({body})"
    elif len(types) > 1:
        body = f"adopt<{', '.join(types)}>({body})"
    returned = "void" if not types else types[0] if len(types) == 1 else f"std::tuple<{', '.join(types)}>"
    name = schema.name + (f"_{schema.overload}" if schema.overload else "")
    keys = ", ".join(["DispatchKeySet", *params])
    again = ", ".join(a.name for a in schema.args)
    text = (
        f"struct {name} {{\n  static {returned} call({', '.join(params)}) {{ return {body}; }}\n"
        f"  static {returned} redispatch({keys}) {{ AutoDispatchBelowAutograd below; return call({again}); }}\n}};"
    )
    return re.sub(r"\bstd::", "::std::", text)  # there is an operator of that name


def by_hand(schema: Schema) -> bool:
    """Of such a record the forms on tensors themselves: item(), index_put_(); not the function index_put()."""
    return schema.kind == "inplace" or "Tensor" not in schema.returns


def inside(schema: Schema) -> str:
    """The C++ namespace."""
    return f"rushlight::{schema.namespace}" if schema.namespace else "rushlight"


def write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def print_headers() -> None:
    """gen_api.py --headers SOURCE_DIR OUT_DIR: the files in rushlight/fn, for which names are enough."""
    source, out = Path(sys.argv[2]), Path(sys.argv[3])
    names = {n for r in records(source) for n in [*(re.split(r"[.(]", s)[0] for s in r["schemas"]), *r["aliases"]]}
    print(";".join(f"{out}/rushlight/fn/{n.replace('::', '_')}.h" for n in sorted(names)), end="")


def main() -> None:
    if sys.argv[1] == "--headers":
        return print_headers()
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    all_records = records(source)
    read_schemas([text for r in all_records for text in r["schemas"]], sys.argv[3])
    write(out / "op_list.inc", "".join(f"RL_OP_ENTRY({r['id']})\n" for r in all_records))
    write(out / "cost_list.inc", "".join(f"RL_COST_ENTRY({r['id']})\n" for r in all_records if r["cost"]))
    write(out / "records.json", json.dumps(all_records, indent=1))
    by_name: dict[str, list[Schema]] = {}
    chosen: list[tuple[dict, Schema]] = []
    seen: set[str] = set()
    taken: set[str] = set()
    for record in all_records:
        for schema in variants(record, taken):
            base = schema.name[:-1] if schema.kind == "inplace" else schema.name
            key = schema.namespace + " " + signature(schema, False)
            if key not in seen:
                by_name.setdefault(base.replace("::", "_"), []).append(schema)
                chosen.append((record, schema))
                seen.add(key)
    for schemas in by_name.values():
        disambiguate(schemas)
    methods: list[str] = []
    functions: list[str] = []
    on_meta: list[str] = []
    spaces: dict[str, list[str]] = {space: [] for space in SPACES}
    overloads: dict[str, str] = {}
    for record, schema in chosen:
        space, _, short = schema.name.partition("_")
        if "function" in record["forms"] and space in spaces and schema.kind != "inplace":
            out_of = "_out" if schema.kind == "out" else ""
            spaces[space].append(front_end(schema, False, short + out_of))
        if not schema.namespace:
            overloads.setdefault(f"{schema.name}_{schema.overload}", overload_struct(schema))
        if "function" in record["forms"] and not schema.namespace:
            functions.append(front_end(schema, False))
            of_tensors = schema.args and schema.args[0].type.startswith("Tensor")
            if of_tensors and schema.kind == "function" and not any(a.name == "device" for a in schema.args):
                on_meta.append(meta_function(schema))
        forms = set(record["forms"])
        is_method = forms & {"method", "cpp_method"} and not ("cpp_by_hand" in forms and by_hand(schema))
        is_method = is_method and not schema.name.startswith("special_")  # names of that module are functions
        if is_method and schema.kind != "out" and schema.args[0].name == "self":
            methods.append(front_end(schema, True))
    for name, schemas in by_name.items():
        declarations = "\n".join(signature(s, True) + ";" for s in schemas)
        space = inside(schemas[0])
        write(
            out / "rushlight" / "fn" / f"{name}.h",
            f'// Made by tools/gen_api.py from the record of {name}.\n#pragma once\n#include "rushlight/dispatch/api_types.h"\n\n'
            f"namespace {space} {{\n{declarations}\n}}  // namespace {space}\n",
        )
    for stale in (out / "rushlight" / "fn").glob("*.h"):
        if stale.stem not in by_name:
            stale.unlink()
    names = sorted(by_name)
    for header, of_namespace in (("functions.h", False), ("functional.h", True)):
        mine = [n for n in names if bool(by_name[n][0].namespace) == of_namespace]
        write(out / "rushlight" / header, "#pragma once\n" + "".join(f'#include "rushlight/fn/{n}.h"\n' for n in mine))
    write(out / "rushlight" / "torch_methods.inc", "\n".join(methods) + "\n")
    write(out / "rushlight" / "torch_functions.inc", "\n".join(functions) + "\n")
    nested = (f"namespace {s} {{\n" + "\n".join(lines) + f"\n}}  // namespace {s}\n" for s, lines in spaces.items())
    write(out / "rushlight" / "torch_namespaces.inc", "".join(nested))
    write(out / "rushlight" / "torch_meta.inc", "\n".join(on_meta) + "\n")
    write(out / "rushlight" / "torch_ops.inc", "\n".join(overloads.values()) + "\n")
    for k in range(SHARDS):
        mine = names[k::SHARDS]
        body = "\n\n".join(
            f"namespace {inside(s)} {{\n{definition(s)}\n}}  // namespace" for n in mine for s in by_name[n]
        )
        includes = "".join(f'#include "rushlight/fn/{n}.h"\n' for n in mine)
        write(
            out / f"functions_{k}.cpp",
            f'#include "rushlight/dispatch/call_named.h"\n{includes}\n{body}\n',
        )


if __name__ == "__main__":
    main()
