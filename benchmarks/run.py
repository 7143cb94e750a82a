"""Times the cases of cases.py on rushlight and on PyTorch, in turns, and checks that their results agree.

run.py [CASES] [--modules torch,rushlight] [--threads 1] [--rounds 3]

Each module runs in a process of its own. Printed for each case: the best time of a call with each module, and the ratio of
the first to the last (above 1 the last is faster). An otherwise idle machine gives numbers that mean something.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import re
import subprocess
import sys
import time

from cases import CASES

SAMPLE = 0.05  # seconds; a sample repeats the call until it takes about so long


def worker(module: str, threads: int) -> None:
    """Answers each case named on a line of stdin by a line of JSON."""
    torch = importlib.import_module(module)
    torch.set_num_threads(threads)
    ready = {}
    for line in sys.stdin:
        name = line.strip()
        try:
            if name not in ready:
                call = CASES[name](torch)
                result = call()
                total = float(result.detach().double().sum()) if hasattr(result, "double") else None
                start = time.perf_counter()
                call()
                ready[name] = (call, max(1, int(SAMPLE / (time.perf_counter() - start))), total)
            call, loops, total = ready[name]
            start = time.perf_counter()
            for _ in range(loops):
                call()
            print(json.dumps({"time": (time.perf_counter() - start) / loops, "sum": total}), flush=True)
        except Exception as e:
            print(json.dumps({"error": f"{type(e).__name__}: {e}".splitlines()[0]}), flush=True)


def start(module: str, threads: int) -> subprocess.Popen:
    command = [sys.executable, __file__, "--worker", module, "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def ask(process: subprocess.Popen, name: str) -> dict:
    assert process.stdin and process.stdout
    process.stdin.write(name + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        sys.exit(f"{name}: the process that ran it ended")
    return json.loads(answer)


def human(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", default="", help="regular expression over the cases' names")
    parser.add_argument("--modules", default="torch,rushlight")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker, options.threads)
    modules = options.modules.split(",")
    workers = {m: start(m, options.threads) for m in modules}
    print(f"{'case':32}" + "".join(f"{m:>14}" for m in modules) + f"{'ratio':>8}")
    ratios: dict[str, list[float]] = {}
    for name in (n for n in CASES if re.search(options.cases, n)):
        best = dict.fromkeys(modules, math.inf)
        notes = []
        for _ in range(options.rounds):
            answers = {m: ask(workers[m], name) for m in modules}
            notes = [f"{m}: {a['error']}" for m, a in answers.items() if "error" in a]
            if notes:
                break
            best = {m: min(best[m], answers[m]["time"]) for m in modules}
            sums = [a["sum"] for a in answers.values() if a["sum"] is not None]
            if any(not math.isclose(s, sums[0], rel_tol=1e-3, abs_tol=1e-2) for s in sums):
                notes = [f"results differ: {sums}"]
        line = f"{name:32}"
        if all(map(math.isfinite, best.values())):
            ratio = best[modules[0]] / best[modules[-1]]
            ratios.setdefault(name.split("/")[0], []).append(ratio)
            line += "".join(f"{human(t):>14}" for t in best.values()) + f"{ratio:8.2f}"
        print(line, *notes, flush=True)
    for group, values in ratios.items():
        mean = math.exp(sum(map(math.log, values)) / len(values))
        print(f"{group}: geometric mean {mean:.2f}, worst {min(values):.2f} of {len(values)}")
    for process in workers.values():
        process.kill()


if __name__ == "__main__":
    main()
