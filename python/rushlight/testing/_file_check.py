"""FileCheck: that pieces of text come in a text, in order."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["FileCheck"]

# How a text's lines name the checks.
_NAMES = {"check": "", "not": "-NOT", "same": "-SAME", "next": "-NEXT", "dag": "-DAG", "regex": "-REGEX",
          "highlighted": "-SOURCE-HIGHLIGHTED", "count": "-COUNT"}  # fmt: skip


class FileCheck:
    """A list of checks, which run(text) makes one after another, each from where the last one ended.

    >>> torch.testing.FileCheck().check("relu").check_not("conv").check_count("add", 2).run("relu add add")
    """

    def __init__(self) -> None:
        self._checks: list[tuple[str, Any, int]] = []

    def _with(self, kind: str, what: Any, count: int = 1) -> FileCheck:
        self._checks.append((kind, what, count))
        return self

    def check(self, text: str) -> FileCheck:
        """The text comes later."""
        return self._with("check", text)

    def check_not(self, text: str) -> FileCheck:
        """The text does not come before what the next check finds; at the end: does not come any more."""
        return self._with("not", text)

    def check_same(self, text: str) -> FileCheck:
        """The text comes later in the same line."""
        return self._with("same", text)

    def check_next(self, text: str) -> FileCheck:
        """The text comes in the next line."""
        return self._with("next", text)

    def check_count(self, str: str, count: int, exactly: bool = False) -> FileCheck:  # PyTorch's name
        """The text comes `count` times; if `exactly`, not once more before what the next check finds."""
        if count:
            self._with("count", str, count)
        return self._with("not", str) if exactly else self

    def check_dag(self, text: str) -> FileCheck:
        """The text comes later; those of check_dag calls that follow each other come in any order."""
        return self._with("dag", text)

    def check_regex(self, pattern: str) -> FileCheck:
        """Something that the regular expression matches comes later."""
        return self._with("regex", pattern)

    def check_source_highlighted(self, text: str) -> FileCheck:
        """The text comes later, with `~~~` under it in the next line."""
        return self._with("highlighted", text)

    def run(self, checks_file: Any, test_file: Any = None) -> None:
        """Makes the checks on a text, or on a graph's. Without checks, and of two texts, they are read from `# CHECK: ...` lines of the
        first. RuntimeError if one fails."""
        text = checks_file if test_file is None else test_file
        if test_file is not None or not self._checks:
            self._read(str(checks_file))
        if not self._checks:
            raise RuntimeError("FileCheck.run: there are no checks (Check for bad input): add some with check(...)")
        text, at, forbidden, index = str(text), 0, [], 0
        while index < len(self._checks):
            kind, what, count = self._checks[index]
            if kind == "not":
                forbidden.append(what)
                index += 1
                continue
            if kind == "dag":
                last = index
                while last < len(self._checks) and self._checks[last][0] == "dag":
                    last += 1
                spans = [self._find(text, "dag", self._checks[i][1], at) for i in range(index, last)]
                index = last
                start, end = min(s for s, _ in spans), max(e for _, e in spans)
            elif kind == "count":
                start, end = self._find(text, kind, what, at, f"-{count}")
                for _ in range(count - 1):
                    end = self._find(text, kind, what, end, f"-{count}")[1]
                index += 1
            else:
                start, end = self._find(text, kind, what, at)
                index += 1
            self._refuse(text, forbidden, at, start)
            forbidden, at = [], end
        self._refuse(text, forbidden, at, len(text))

    def _find(self, text: str, kind: str, what: str, at: int, number: str = "") -> tuple[int, int]:
        stop = len(text)
        if kind == "same":
            found = text.find(what, at)
            if found >= 0:
                self._refuse(text, ["\n"], at, found)
            stop = len(text)
        elif kind == "next":
            line = text.find("\n", at)
            at = stop if line < 0 else line + 1
            found = text.find(what, at)
            if found >= 0:
                self._refuse(text, ["\n"], at, found)
        if kind == "regex":
            match = re.compile(what).search(text, at)
            if match:
                return match.span()
        else:
            found = text.find(what, at, stop)
            while kind == "highlighted" and found >= 0 and not self._underlined(text, found, len(what)):
                found = text.find(what, found + 1, stop)
            if found >= 0:
                return found, found + len(what)
        where = {"same": " in the same line", "next": " in the next line", "highlighted": " underlined"}.get(kind, "")
        self._fail(
            text,
            f'Expected to find "{what}"{where} after character {at}, but did not find it',
            f"CHECK{_NAMES[kind]}{number}: {what}",
        )
        raise AssertionError

    @staticmethod
    def _underlined(text: str, found: int, length: int) -> bool:
        column = found - (text.rfind("\n", 0, found) + 1)
        end = text.find("\n", found)
        below = "" if end < 0 else text[end + 1 :].split("\n", 1)[0]
        return below[column : column + length] == "~" * length

    def _refuse(self, text: str, forbidden: list[str], start: int, end: int) -> None:
        for what in forbidden:
            if what in text[start:end]:
                self._fail(text, f'Expected to not find "{what}" but found it', f"CHECK-NOT: {what}")

    def _fail(self, text: str, why: str, check: str) -> None:
        raise RuntimeError(f"FileCheck: {why} in:\n{text}\nFrom {check}")

    def _read(self, checks: str) -> None:
        kinds = {name: kind for kind, name in _NAMES.items() if kind != "count"}
        for kind, exactly, count, what, rest in re.findall(
            r"CHECK(?:-(?=COUNT))?((?:-[A-Z]+(?![A-Z]))*?)(?:COUNT-(EXACTLY-)?(\d+))?(?:: ?(.*)|([^\s:-].*))", checks
        ):
            if rest:
                raise RuntimeError(f"FileCheck: Could not parse check at: CHECK{rest}")
            if count:
                self.check_count(what, int(count), bool(exactly))
            elif kind in kinds:
                self._with(kinds[kind], what)
            else:
                raise RuntimeError(f"FileCheck: unknown check CHECK{kind}")
