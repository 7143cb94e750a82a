"""One source of the maths: operators' functors and the CUDA library compile; the functors give the host's values where a GPU is."""

import ctypes
import re
import shutil

import pytest
from conftest import BUILD, ROOT, run

# As CMakeLists.txt has them; the warnings are about what only the host runs.
OPTIONS = ["-std=c++20", "-O1", "--expt-relaxed-constexpr", "-fmad=false", "-diag-suppress", "1835,20014"]


@pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")
def test_functors_of_records_compile_for_cuda(tmp_path):
    library = BUILD / "python" / "rushlight"
    program = tmp_path / "functors"
    includes = [f"-I{folder}" for folder in (ROOT, ROOT / "include", BUILD / "generated")]
    link = [f"-L{library}", "-lrushlight", "-Xlinker", f"-rpath={library}"]
    run("nvcc", *OPTIONS, *includes, ROOT / "tests/cuda/functors_test.cu", "-o", program, *link)
    counted = re.fullmatch(r"(\d+) functors compiled for CUDA, .*; 0 differences\n", run(program))
    assert counted and int(counted[1]) >= 10


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")
def test_the_cuda_library_compiles_links_and_says_why_it_cannot_start(tmp_path):
    library, made = BUILD / "python" / "rushlight", tmp_path / "librushlight_cuda.so"
    includes = [f"-I{folder}" for folder in (ROOT, ROOT / "include", BUILD / "generated")]
    link = [f"-L{library}", "-lrushlight", "-Xlinker", f"-rpath={library}", "-Xlinker", "-z,defs"]
    options = [*OPTIONS, "-Xcompiler", "-fPIC"]
    sources = sorted((ROOT / "rushlight" / "cuda").glob("*.cu"))
    assert {s.stem for s in sources} >= {"copy", "pointwise", "reduce"}
    run("nvcc", *options, *includes, "-shared", "-t", "2", *sources, "-o", made, *link)
    start = ctypes.CDLL(str(made)).rushlight_cuda_start
    start.restype = ctypes.c_char_p
    if not shutil.which("nvidia-smi"):
        assert start().startswith(b"CUDA: no device can be used")
