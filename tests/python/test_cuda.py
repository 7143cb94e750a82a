"""One source of the maths: operators' functors compile for CUDA, and give the host's values where a GPU is."""

import re
import shutil

import pytest
from conftest import BUILD, ROOT, run


@pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")
def test_functors_of_records_compile_for_cuda(tmp_path):
    library = BUILD / "python" / "rushlight"
    program = tmp_path / "functors"
    includes = [f"-I{folder}" for folder in (ROOT, ROOT / "include", BUILD / "generated")]
    link = [f"-L{library}", "-lrushlight", "-Xlinker", f"-rpath={library}"]
    options = ["-std=c++20", "-O1", "--expt-relaxed-constexpr", "-diag-suppress", "1835"]  # 1835: tls_model, host only
    run("nvcc", *options, *includes, ROOT / "tests/cuda/functors_test.cu", "-o", program, *link)
    counted = re.fullmatch(r"(\d+) functors compiled for CUDA, .*; 0 differences\n", run(program))
    assert counted and int(counted[1]) >= 10
