"""The CPU's instructions."""


def get_cpu_capability() -> str:
    """ "AVX512", "AVX2" or "DEFAULT"."""
    from ..__config__ import cpu_capability

    return cpu_capability()
