"""summary: what a model's modules take, give, hold and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rushlight import nn

from .recording import Recording, record


@dataclass
class Row:
    """One call of a module.

    ``parameters`` are those of the module and all below it, ``own_parameters`` those of no module below; a module that is called again
    has none. ``multiply_adds`` and ``bytes`` (of results) are of all that ran inside of the call.
    """

    path: str
    type: str
    depth: int
    input_shapes: list[tuple[int, ...]]
    output_shapes: list[tuple[int, ...]]
    parameters: int = 0
    own_parameters: int = 0
    multiply_adds: int = 0
    bytes: int = 0


class Summary:
    """The table that `summary` returns: print it, or read ``rows`` and the totals."""

    def __init__(self, recording: Recording, model: Any) -> None:
        scopes = recording.scopes
        self.rows: list[Row] = []
        counted: set[int] = set()
        for i, s in enumerate(scopes):
            module = s.module
            again = id(module) in counted
            counted.add(id(module))
            self.rows.append(
                Row(
                    s.path,
                    type(module).__name__ if module is not None else "?",
                    sum(1 for _ in recording.ancestors(i)) - 1,
                    [recording.values[v].shape for v in s.inputs],
                    [recording.values[v].shape for v in s.outputs],
                    0 if again or module is None else sum(p.numel() for p in module.parameters()),
                    0 if again or module is None else sum(p.numel() for p in module.parameters(recurse=False)),
                )
            )
        self.multiply_adds = self.result_bytes = 0
        for call in recording.calls:
            size = sum(recording.values[v].bytes for v in call.outputs)
            self.multiply_adds += call.multiply_adds
            self.result_bytes += size
            for i in recording.ancestors(call.scope):
                self.rows[i].multiply_adds += call.multiply_adds
                self.rows[i].bytes += size
        if isinstance(model, nn.Module):
            parameters, buffers = list(model.parameters()), list(model.buffers())
        else:  # a function: what it uses that wants a gradient
            used = [v.tensor for i, v in enumerate(recording.values) if not v.produced and i not in recording.inputs]
            parameters, buffers = [t for t in used if t.requires_grad], [t for t in used if not t.requires_grad]
        self.parameters = sum(p.numel() for p in parameters)
        self.trainable_parameters = sum(p.numel() for p in parameters if p.requires_grad)
        self.parameter_bytes = sum(t.numel() * t.element_size() for t in [*parameters, *buffers])
        self.input_bytes = sum(recording.values[v].bytes for v in recording.inputs)

    @property
    def total_bytes(self) -> int:
        """Input, parameters with buffers, and all results: what a forward pass that keeps them for the gradient holds."""
        return self.input_bytes + self.parameter_bytes + self.result_bytes

    def __str__(self) -> str:
        def shapes(many: list[tuple[int, ...]]) -> str:
            return " ".join("x".join(map(str, s)) or "()" for s in many) or "-"

        lines = [["module", "type", "input", "output", "parameters", "multiply-adds", "results"]]
        for r in self.rows:
            name = "  " * r.depth + (r.path.rpartition(".")[2] or "(model)")
            cells = [name, r.type, shapes(r.input_shapes), shapes(r.output_shapes)]
            numbers = [f"{n:,}" if n else "-" for n in (r.parameters, r.multiply_adds)]
            lines.append([*cells, *numbers, _bytes(r.bytes) if r.bytes else "-"])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        table = [
            "  ".join(c.ljust(w) if i < 4 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        frozen = self.parameters - self.trainable_parameters
        totals = [
            f"parameters     {self.parameters:,}" + (f" ({frozen:,} of them frozen)" if frozen else ""),
            f"multiply-adds  {self.multiply_adds:,}",
            f"memory         {_bytes(self.total_bytes)}: input {_bytes(self.input_bytes)}, parameters and buffers "
            f"{_bytes(self.parameter_bytes)}, results {_bytes(self.result_bytes)}",
        ]
        return "\n".join(line.rstrip() for line in [table[0], rule, *table[1:], rule, *totals])

    __repr__ = __str__


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"


def summary(model: Callable, *inputs: Any, **kwargs: Any) -> Summary:
    """Calls the model once, in evaluation mode and without gradients, and tells what its modules take, give and cost.

    Multiply-adds are those of the operators that ran (products, convolutions, recurrent steps), whoever called them: modules, functions,
    tensors' methods. A multiply-add is two floating point operations.

    Args:
        model: a module, or any function of tensors.
        inputs, kwargs: what it is called with. A tuple of whole numbers stands for a float tensor of that shape.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> s = torch.summary(net, torch.zeros(3, 8))
    >>> s.parameters, s.multiply_adds, s.rows[1].output_shapes
    (46, 120, [(3, 4)])
    >>> print(torch.summary(lambda x: x @ x.T, (5, 7)))
    module  type  input  output  parameters  multiply-adds  results
    ---------------------------------------------------------------
    ---------------------------------------------------------------
    parameters     0
    multiply-adds  175
    memory         240 B: input 140 B, parameters and buffers 0 B, results 100 B
    """
    return Summary(record(model, inputs, kwargs), model)
