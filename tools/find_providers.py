"""Prints what this environment has of the libraries that a wheel carries, a line each, for CMake.

First oneDNN's headers, oneDNN and OpenBLAS, empty if not installed; then NAME=FILE for the licence texts of what goes into a wheel
and comes from PyPI, as the packages have them.
"""

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
for name, package, ending in [
    ("oneDNN.txt", "onednn-cpu-gomp", "onednn/LICENSE"),
    ("oneDNN-third-party.txt", "onednn-cpu-gomp", "onednn/THIRD-PARTY-PROGRAMS"),
    ("OpenBLAS.txt", "scipy-openblas32", "licenses/LICENSE.txt"),
    ("nanobind.txt", "nanobind", "licenses/LICENSE"),
]:
    if file := locate(package, ending):
        print(f"{name}={file}")
