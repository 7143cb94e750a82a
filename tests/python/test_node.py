"""The package for Node: its own tests with Node's runner, its types, and the package that `npm pack` makes."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import BUILD, ROOT

import rushlight as torch

NODE = shutil.which("node")
PACKAGE = BUILD / "node"
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="no node here"),
    pytest.mark.skipif(not (PACKAGE / "rushlight.node").exists(), reason="built without Node's headers"),
]


def environment(folder, tmp_path):
    archive = tmp_path / "linear.pt"
    torch.jit.script(torch.nn.Linear(4, 3)).save(archive)
    return {**os.environ, "RUSHLIGHT_NODE": str(folder), "RUSHLIGHT_ARCHIVE": str(archive)}


def test_nodes_own_tests(tmp_path):
    command = [NODE, "--expose-gc", "--test-reporter", "tap", ROOT / "node" / "test" / "package.test.js"]
    done = subprocess.run(command, env=environment(PACKAGE, tmp_path), capture_output=True, text=True, timeout=600)
    failed = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
    assert done.returncode == 0 and not failed, f"{failed}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "# pass" in done.stdout


PROGRAM = """
import rl = require(FOLDER);
const x: rl.Tensor = rl.ones([2, 3], false);
const y: rl.Tensor = rl.add(x, 1, { alpha: 2 }).softmax(1).sum({ dtype: rl.float64 });
const shape: number[] = y.shape;
const [values, indices]: rl.Tensor[] = rl.max(x, 1);
const m = new rl.ScriptModule('x.pt');
m.eval().forwardAsync(x, { a: x }, [1, 2], rl.tuple(1, 'a')).then((r) => console.log(r, shape, values, indices));
rl.tensor(new Float32Array(4), [2, 2]).add_(1);
rl.cat([x, x], 1);
rl.zeros([2], { dtype: 'int64' });
"""


@pytest.mark.skipif(shutil.which("tsc") is None, reason="no TypeScript here")
def test_the_declarations_type_check(tmp_path):
    def errors(program):
        (tmp_path / "program.ts").write_text(program.replace("FOLDER", repr(str(PACKAGE / "index"))))
        options = ["--noEmit", "--strict", "--target", "es2020", "--module", "commonjs"]
        return subprocess.run(["tsc", *options, tmp_path / "program.ts"], capture_output=True, text=True).stdout

    assert errors(PROGRAM) == ""
    assert "not assignable" in errors(PROGRAM + "rl.add(x, 'a');")
    assert "nothing" in errors(PROGRAM + "rl.nothing(x);")


def test_a_packed_package_is_small_and_runs_by_itself(tmp_path):
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here")
    folder = tmp_path / "npm"
    folder.mkdir()
    for name in ("index.js", "index.d.ts", "package.json", "README.md", "LICENSE", "rushlight.node"):
        shutil.copy(PACKAGE / name, folder)
    shutil.copy(BUILD / "python" / "rushlight" / "librushlight.so", folder)
    for name in ("rushlight.node", "librushlight.so"):
        subprocess.run(["strip", folder / name], check=True)
    command = [npm, "pack", "--json", "--offline", folder]
    made = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)[0]
    assert made["size"] <= 15e6 and not {f["path"] for f in made["files"]} ^ {f.name for f in folder.iterdir()}
    home = tmp_path / "app" / "node_modules" / "rushlight"
    home.mkdir(parents=True)
    shutil.unpack_archive(tmp_path / made["filename"], tmp_path / "app")
    shutil.copytree(tmp_path / "app" / "package", home, dirs_exist_ok=True)
    program = (
        "const rl = require('rushlight'); const fs = require('fs');"
        "const where = fs.readFileSync('/proc/self/maps', 'utf8').match(/\\S*librushlight\\.so/)[0];"
        "console.log(rl.ones([1, 3], false), where === process.argv[1])"
    )
    done = subprocess.run(
        [NODE, "-e", program, home / "librushlight.so"], cwd=tmp_path / "app", capture_output=True, text=True
    )
    assert done.stdout == "Tensor(float32, [1, 3]) true\n", done
