"""How much there is to download and to load. Printed (pytest -s) as well as checked."""

import re
import shutil
import subprocess
import zipfile

import pytest
from conftest import BUILD, ROOT, run

MB, KB = 1e6, 1e3


def test_library_stripped_is_at_most_10_mb(tmp_path, capsys):
    stripped = tmp_path / "librushlight.so"
    shutil.copy(BUILD / "python" / "rushlight" / "librushlight.so", stripped)
    subprocess.run(["strip", stripped], check=True)
    size = stripped.stat().st_size / MB
    with capsys.disabled():
        print(f"\nlibrushlight.so: {size:.1f} MB stripped")
    assert size <= 10


def test_no_record_is_large(capsys):
    """The object code of each file of records, by the record: the largest are printed."""
    objects = BUILD / "CMakeFiles" / "rushlight.dir" / "rushlight" / "ops"
    if not objects.exists():
        pytest.skip("no object files: not a build tree")
    costs = []
    for source in sorted((ROOT / "rushlight" / "ops").rglob("*.cpp")):
        compiled = objects / source.relative_to(ROOT / "rushlight" / "ops").with_suffix(".cpp.o")
        records = len(re.findall(r"^OP\(", source.read_text(), re.M))
        if compiled.exists() and records:
            code = int(run("size", compiled).splitlines()[1].split()[0])
            costs.append((code / records / KB, records, source.relative_to(ROOT)))
    costs.sort(reverse=True)
    with capsys.disabled():
        print("\nKB a record:", *(f"{cost:6.1f} x {n:2} {name}" for cost, n, name in costs[:12]), sep="\n  ")
    assert costs[0][0] <= 100


def test_wheel_is_at_most_30_mb_and_100_mb_unpacked(capsys):
    wheels = sorted((ROOT / "dist").glob("rushlight-*.whl"))
    if not wheels:
        pytest.skip("no wheel in dist; ./dev wheel makes one")
    packed = wheels[-1].stat().st_size / MB
    unpacked = sum(entry.file_size for entry in zipfile.ZipFile(wheels[-1]).infolist()) / MB
    with capsys.disabled():
        print(f"\n{wheels[-1].name}: {packed:.1f} MB, {unpacked:.1f} MB unpacked")
    assert packed <= 30
    assert unpacked <= 100
