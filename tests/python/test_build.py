"""What the built library depends on, and that it is right whatever the process around it has loaded."""

import os
import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT, run

LIBRARY = BUILD / "python" / "rushlight" / "librushlight.so"
PACKAGES = LIBRARY.parent / "lib" / "cmake"  # what rushlight.utils.cmake_prefix_path says
CPP_TESTS = BUILD / "tests" / "rushlight_tests"


def test_library_needs_only_what_every_system_has():
    needed = {line.split("[")[1][:-1] for line in run("readelf", "-d", LIBRARY).splitlines() if "NEEDED" in line}
    # and SLEEF, which the wheel carries
    everywhere = {
        "libsleef.so.3",
        "libstdc++.so.6",
        "libm.so.6",
        "libgcc_s.so.1",
        "libc.so.6",
        "ld-linux-x86-64.so.2",
        "libz.so.1",
    }
    assert needed <= everywhere


def run_cpp_tests(pattern, **environment):
    command = [CPP_TESTS, "--gtest_brief=1", f"--gtest_filter={pattern}"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# libmvec has functions of the names that gcc calls in vectorised loops, of 4 ulp: a process that has it loaded must not
# change what we compute (rushlight/kernels/sleef.cpp).
@pytest.mark.parametrize("isa", ["base", "avx2", "avx512"])
@pytest.mark.parametrize("preload", ["", "libmvec.so.1"])
def test_vector_maths_is_exact(isa, preload):
    run_cpp_tests("VectorMath*", RUSHLIGHT_ISA=isa, LD_PRELOAD=preload)


@pytest.mark.parametrize("isa", ["base", "avx2", "avx512"])
def test_formulas_give_the_kernels_bits(isa):
    run_cpp_tests("ExprTest*", RUSHLIGHT_ISA=isa)


@pytest.mark.parametrize("from_where", ["build", "prefix"])
def test_project_outside_the_tree_builds_and_runs(from_where, tmp_path):
    shutil.copytree(ROOT / "examples" / "cmake_project", tmp_path / "project")
    if from_where == "build":
        prefix = PACKAGES
    else:
        prefix = tmp_path / "prefix"
        run("cmake", "--install", BUILD, "--prefix", prefix)
    run("cmake", "-S", tmp_path / "project", "-B", tmp_path / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "line") == "1 3 5 7 \n"


@pytest.mark.parametrize("standard", [17, 20])
def test_pytorch_project_builds_as_it_stands(standard, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(example LANGUAGES CXX)\nfind_package(Torch REQUIRED)\n"
        'set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} ${TORCH_CXX_FLAGS}")\nadd_executable(example example.cpp)\n'
        'target_link_libraries(example "${TORCH_LIBRARIES}")\n'
        f"set_property(TARGET example PROPERTY CXX_STANDARD {standard})\n"
    )
    (tmp_path / "example.cpp").write_text(
        "#include <torch/script.h>\n"  # which brings <iostream>, as PyTorch's does
        "int main() { std::cout << torch::ones({2, 3}).numel(); }\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={PACKAGES}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "example") == "6"
