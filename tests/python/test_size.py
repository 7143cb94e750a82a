"""How much there is to download and to load. Printed (pytest -s) as well as checked."""

import shutil
import subprocess
import zipfile

import pytest
from conftest import BUILD, ROOT

MB = 1e6


def test_library_stripped_is_at_most_25_mb(tmp_path, capsys):
    stripped = tmp_path / "librushlight.so"
    shutil.copy(BUILD / "python" / "rushlight" / "librushlight.so", stripped)
    subprocess.run(["strip", stripped], check=True)
    size = stripped.stat().st_size / MB
    with capsys.disabled():
        print(f"\nlibrushlight.so: {size:.1f} MB stripped")
    assert size <= 25


def test_wheel_is_at_most_30_mb_and_90_mb_unpacked(capsys):
    wheels = sorted((ROOT / "dist").glob("rushlight-*.whl"))
    if not wheels:
        pytest.skip("no wheel in dist; ./dev wheel makes one")
    packed = wheels[-1].stat().st_size / MB
    unpacked = sum(entry.file_size for entry in zipfile.ZipFile(wheels[-1]).infolist()) / MB
    with capsys.disabled():
        print(f"\n{wheels[-1].name}: {packed:.1f} MB, {unpacked:.1f} MB unpacked")
    assert packed <= 30
    assert unpacked <= 90
