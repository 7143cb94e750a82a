"""Prints where this Python's environment keeps oneDNN's headers, oneDNN and OpenBLAS: three lines, empty where not installed."""

from importlib.metadata import PackageNotFoundError, files


def locate(package: str, ending: str) -> str:
    try:
        found = [f for f in files(package) or [] if str(f).endswith(ending)]
    except PackageNotFoundError:
        return ""
    return str(found[0].locate().resolve()) if found else ""


print(locate("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.h").removesuffix("/oneapi/dnnl/dnnl.h"))
print(locate("onednn-cpu-gomp", "libdnnl.so.3"))
print(locate("scipy-openblas32", "libscipy_openblas.so"))
