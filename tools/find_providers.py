"""Prints where this environment keeps oneDNN's headers, oneDNN and OpenBLAS: three lines, empty if not installed."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


def locate(package: str, ending: str) -> str:
    try:
        found = [f for f in files(package) or [] if str(f).endswith(ending)]
    except PackageNotFoundError:
        return ""
    return str(Path(found[0].locate()).resolve()) if found else ""


print(locate("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.h").removesuffix("/oneapi/dnnl/dnnl.h"))
print(locate("onednn-cpu-gomp", "libdnnl.so.3"))
print(locate("scipy-openblas32", "libscipy_openblas.so"))
