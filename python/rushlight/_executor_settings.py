"""Settings of PyTorch's script compilers under their names in torch._C. Nothing here heeds them; who reads one gets what was set.

>>> import rushlight as torch
>>> before = torch._C._get_graph_executor_optimize(False)
>>> torch._C._get_graph_executor_optimize(before), torch._C._get_graph_executor_optimize()
(False, True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NOT_GIVEN = object()

# What PyTorch has at the start. The functions that set and that read each: PyTorch's spelling follows no rule.
_START: dict[str, Any] = {
    "optimize": True,
    "profiling executor": True,
    "profiling mode": True,
    "inline everything": False,
    "profiled runs": 1,
    "fuse on cpu": False,
    "fuse on gpu": False,
    "fuse on cpu, legacy": False,
    "texpr fuser": True,
    "texpr reductions": False,
    "llvm": True,
    "fusion groups inlined": True,
    "autodiff subgraphs inlined": True,
    "tracer's warnings": True,
    "emit hooks": (None, None),
    "symbolic shapes test": False,
    "logging": "",
}
_SETS = {
    "_get_graph_executor_optimize": "optimize",
    "_set_graph_executor_optimize": "optimize",
    "_jit_set_profiling_executor": "profiling executor",
    "_jit_set_profiling_mode": "profiling mode",
    "_jit_set_inline_everything_mode": "inline everything",
    "_jit_set_num_profiled_runs": "profiled runs",
    "_jit_override_can_fuse_on_cpu": "fuse on cpu",
    "_jit_override_can_fuse_on_gpu": "fuse on gpu",
    "_jit_override_can_fuse_on_cpu_legacy": "fuse on cpu, legacy",
    "_jit_set_texpr_fuser_enabled": "texpr fuser",
    "_jit_set_texpr_reductions_enabled": "texpr reductions",
    "_jit_set_te_must_use_llvm_cpu": "llvm",
    "_debug_set_fusion_group_inlining": "fusion groups inlined",
    "_debug_set_autodiff_subgraph_inlining": "autodiff subgraphs inlined",
    "_jit_set_tracer_state_warn": "tracer's warnings",
    "_jit_set_symbolic_shapes_test_mode": "symbolic shapes test",
    "_jit_set_logging_option": "logging",
}
_READS = {
    "_jit_get_inline_everything_mode": "inline everything",
    "_jit_get_num_profiled_runs": "profiled runs",
    "_jit_can_fuse_on_cpu": "fuse on cpu",
    "_jit_can_fuse_on_gpu": "fuse on gpu",
    "_jit_can_fuse_on_cpu_legacy": "fuse on cpu, legacy",
    "_jit_texpr_fuser_enabled": "texpr fuser",
    "_jit_texpr_reductions_enabled": "texpr reductions",
    "_jit_get_te_must_use_llvm_cpu": "llvm",
    "_debug_get_fusion_group_inlining": "fusion groups inlined",
    "_jit_get_tracer_state_warn": "tracer's warnings",
    "_jit_symbolic_shapes_test_mode_enabled": "symbolic shapes test",
    "_jit_get_logging_option": "logging",
}
_now = dict(_START)


def _setter(setting: str) -> Callable[..., Any]:
    def set_it(value: Any = _NOT_GIVEN) -> Any:
        """Sets it where a value is given, and gives what it was."""
        before = _now[setting]
        if value is not _NOT_GIVEN:
            _now[setting] = value
        return before

    return set_it


def of(name: str) -> Callable[..., Any] | None:
    """The function of that name in torch._C; None if it is not about a setting."""
    if name in _SETS:
        return _setter(_SETS[name])
    if name in _READS:
        return lambda setting=_READS[name]: _now[setting]
    if name == "_jit_get_emit_hooks":
        return lambda: _now["emit hooks"]
    if name == "_jit_set_emit_hooks":
        return lambda modules, functions: _now.update({"emit hooks": (modules, functions)})
    return None
