"""Prints `N passed, N failed` over junit files, those of GoogleTest and of pytest; ends with 1 if a test failed.

count_tests.py REPORT.xml...

A report that is missing or cut short means that its run crashed, and counts as one failure.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped") is not None or case.get("status") == "notrun" or case.get("result") == "skipped"
    return "skipped" if skipped else "passed"


def main() -> None:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in map(Path, sys.argv[1:]):
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            print(f"{path.stem}: the tests ended before they could report")
            counts["failed"] += 1
            continue
        for case in cases:
            counts[outcome(case)] += 1
            if outcome(case) == "failed":
                print(f"failed: {case.get('classname')}.{case.get('name')}")
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    print(line + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    sys.exit(counts["failed"] > 0)


if __name__ == "__main__":
    main()
