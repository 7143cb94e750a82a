"""The examples of docs/add-an-operator.md for operators outside of the tree run as they stand there."""

import re
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

TEXT = (ROOT / "docs" / "add-an-operator.md").read_text()


def blocks(language):
    section = TEXT[TEXT.index("## Operators of your own") :]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def run(*command, cwd):
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_example(tmp_path):
    run(sys.executable, "-c", blocks("python")[0], cwd=tmp_path)


@pytest.mark.skipif(not (BUILD / "generated").exists(), reason="needs the build tree's headers")
def test_the_cpp_example(tmp_path):
    (tmp_path / "mylib.cpp").write_text(blocks("cpp")[0])
    includes = [f"-I{p}" for p in (ROOT, ROOT / "include", BUILD / "generated")]
    libraries = BUILD / "python" / "rushlight"
    run(
        *("c++", "-std=c++17", "-O0", "-shared", "-fPIC", "mylib.cpp", "-o", "mylib.so", *includes),
        *(f"-L{libraries}", "-lrushlight", f"-Wl,-rpath,{libraries}"),
        cwd=tmp_path,
    )
    run(sys.executable, "-c", blocks("python")[1], cwd=tmp_path)
