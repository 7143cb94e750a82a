"""The commands `rushlight inspect` and `rushlight convert`."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
from typing import Any

import rushlight

from . import _C

__all__ = ["convert", "inspect", "main"]


def inspect(path: str | os.PathLike, *, code: bool = False) -> dict[str, Any]:
    """What is in a .pt, .pth, .ptl, .pt2, .safetensors or .onnx file; nothing of it is executed.

    Args:
        code: True adds the TorchScript text of an archive, by the names of its entries.

    The dict has ``kind``, ``size`` and ``facts`` (versions, metadata), ``tensors`` (``name``, ``dtype``, ``shape``, ``bytes``),
    ``classes`` that a pickle names, and of archives ``entries`` and ``operators`` (``name``, ``calls``, ``level``, and whether this build
    has it: ``known``), of ONNX models ``operators``, ``inputs`` and ``outputs`` (``name``, ``type``). Raises RuntimeError for a file that is damaged or of no kind that is known.
    """
    return json.loads(_C._inspect(os.fspath(path), code))


def _graphs(path: str) -> dict[str, str]:
    """The graph of each method, which takes compiling it."""
    module = rushlight.jit.load(path, map_location="meta")
    return {"forward": str(module.graph)} if hasattr(module, "graph") else {}


def _bytes(n: int) -> str:
    for unit in ("B", "KB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}" if unit != "B" else f"{n} B"
        n = n / 1000  # type: ignore[assignment]
    return f"{n:.3g} GB"


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join("  " + "  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows)


def _text(report: dict[str, Any]) -> str:
    out = [f"{report['kind']}, {_bytes(report['size'])}"]
    out += [f"  {name}: {value}" for name, value in report["facts"].items()]
    for title in ("inputs", "outputs"):
        if ports := report.get(title):
            out += [title, _table([(p["name"], p["type"]) for p in ports])]
    if tensors := report["tensors"]:
        elements = sum(t["bytes"] for t in tensors)
        out.append(f"{len(tensors)} tensor{'s' * (len(tensors) != 1)}, {_bytes(elements)}")
        rows = [(t["name"] or ".", t["dtype"], "[" + ", ".join(map(str, t["shape"])) + "]") for t in tensors]
        out.append(_table(rows))
    if operators := report.get("operators"):
        out.append(f"{len(operators)} operator{'s' * (len(operators) != 1)}")
        out.append(_table([
            (o["name"], str(o["calls"]), "not in this build" if not o["known"] else "" if o["level"] == "stable" else o["level"])
            for o in operators
        ]))  # fmt: skip
    if classes := report.get("classes"):
        out.append("classes")
        out.append(_table([(name, str(count)) for name, count in classes.items()]))
    for title in ("code", "graphs"):
        for name, text in report.get(title, {}).items():
            out.append(f"---- {name}\n{text.rstrip()}")
    return "\n".join(out)


def _read(path: str) -> Any:
    """The object of a file by what it is: tensors by name, an object, or a script module."""
    kind = inspect(path)["kind"]
    if kind == "safetensors":
        from .safetensors import load_file

        return load_file(path)
    if kind == "ONNX model":
        return rushlight.onnx.load(path)
    return rushlight.jit.load(path, map_location="cpu") if kind.startswith("TorchScript") else rushlight.load(path)


def convert(source: str, target: str) -> None:
    """Writes what is in one file in another form, which the second name's ending says.

    - ``.safetensors``: the tensors of a state dict or of a script module
    - ``.pt``, ``.pth``: a checkpoint of today's format; of a script archive or an ONNX model, an archive of today's version
    - ``.ptl``: a script archive with bytecode for PyTorch's lite interpreter

    Raises ValueError where the first can't be written so.
    """
    ending = os.path.splitext(target)[1].lower()
    value = _read(source)
    is_module = isinstance(value, rushlight.jit.ScriptModule)
    if ending == ".safetensors":
        from .safetensors import save_file

        tensors = value.state_dict() if is_module else value
        flat = isinstance(tensors, dict) and all(isinstance(t, rushlight.Tensor) for t in tensors.values())
        if not flat:
            raise ValueError(f"convert: a safetensors file holds tensors by name only, and {source} has something else")
        save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, target)
    elif ending == ".ptl" and is_module:
        value._save_for_lite_interpreter(target)
    elif ending in (".pt", ".pth"):
        rushlight.jit.save(value, target) if is_module else rushlight.save(value, target)
    else:
        raise ValueError(f"convert: {source} can't be written as {ending or 'a file without ending'}")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"rushlight {argv[0]}")
    if argv[0] == "inspect":
        parser.description = (
            "Says what is in a .pt, .pth, .ptl, .pt2, .safetensors or .onnx file. Nothing of it is executed."
        )
        parser.add_argument("file")
        parser.add_argument("--code", action="store_true", help="with the TorchScript text")
        parser.add_argument("--graph", action="store_true", help="with the graphs, for which the text is compiled")
        parser.add_argument("--json", action="store_true", help="as JSON")
    else:
        parser.description = str(convert.__doc__)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("source", metavar="IN")
        parser.add_argument("target", metavar="OUT")
    given = parser.parse_args(argv[1:])
    try:
        if argv[0] == "convert":
            convert(given.source, given.target)
            return 0
        report = inspect(given.file, code=given.code)
        if given.graph and report["kind"].startswith("TorchScript"):
            report["graphs"] = _graphs(given.file)
        print(json.dumps(report, indent=1) if given.json else _text(report))
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as e:
        print(f"rushlight {argv[0]}: {e}", file=sys.stderr)
        return 1
    return 0
