"""The wheel in dist/ by itself: away from the build tree and from the environment's oneDNN, OpenBLAS and SLEEF."""

import os
import shutil
import sys
import zipfile

import cpp_examples
import pytest
from conftest import BUILD, ROOT, run


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the wheel's files."""
    wheels = sorted((ROOT / "dist").glob("rushlight-*.whl"))
    library = BUILD / "python" / "rushlight" / "librushlight.so"
    if not wheels or wheels[-1].stat().st_mtime < library.stat().st_mtime:
        pytest.skip("no wheel of this build in dist; ./dev wheel makes one")
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheels[-1]).extractall(folder)
    return folder


def test_it_loads_only_its_own_libraries(site):
    program = """
import rushlight as torch
a = torch.ones(64, 64)
assert (a @ a).sum().item() == 64.0**3
conv = torch.nn.Conv2d(3, 8, 3)
assert conv(torch.ones(1, 3, 9, 9)).shape == (1, 8, 7, 7)
names = ("librushlight", "libsleef", "libdnnl", "openblas")
maps = open("/proc/self/maps").read().split()
print(*sorted({path for path in maps if any(name in path.rpartition("/")[2] for name in names)}), sep="\\n")
"""
    loaded = run(sys.executable, "-c", program, env={**os.environ, "PYTHONPATH": str(site)}, cwd="/").splitlines()
    assert {"librushlight.so", "libsleef.so.3", "libdnnl.so.3"} <= {path.rpartition("/")[2] for path in loaded}
    assert all(path.startswith(str(site)) for path in loaded), loaded


def of_wheel(site, *command):
    """What a command of Python prints where the wheel is installed."""
    return run(sys.executable, *command, env={**os.environ, "PYTHONPATH": str(site)}, cwd="/").strip()


def test_cpp_projects_build_against_it(site, tmp_path):
    prefix = of_wheel(site, "-c", "import rushlight; print(rushlight.utils.cmake_prefix_path)")
    assert prefix.startswith(str(site))
    shutil.copytree(ROOT / "examples" / "cmake_project", tmp_path / "project")
    run("cmake", "-S", tmp_path / "project", "-B", tmp_path / "line", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "line")
    assert run(tmp_path / "line" / "line") == "1 3 5 7 \n"
    cpp_examples.check_cmake(prefix, tmp_path)


def test_a_cpp_program_builds_against_it_with_one_command(site, tmp_path):
    flags = of_wheel(site, "-m", "rushlight", "--cflags", "--libs").split()
    assert str(ROOT) not in " ".join(flags)
    program = tmp_path / "train_digits"
    run("g++", "-std=c++17", cpp_examples.SOURCES / "train_digits.cpp", "-o", program, *flags)
    cpp_examples.check("train_digits", program, tmp_path)


def test_it_names_no_folder_of_the_machine_that_made_it(site):
    here = str(ROOT).encode()
    assert not [file for file in site.rglob("*") if file.is_file() and here in file.read_bytes()]


def test_it_has_the_licence_of_each_library_in_it(site):
    texts = {path.name: path.read_text() for path in (site / "rushlight" / "licenses").iterdir()}
    assert "the rushlight authors" in texts["rushlight.txt"]
    assert "Apache License" in texts["oneDNN.txt"] and "oneDNN-third-party.txt" in texts
    assert "OpenBLAS" in texts["OpenBLAS.txt"] and "nanobind.txt" in texts
    assert "Boost Software License" in texts["SLEEF.txt"]
