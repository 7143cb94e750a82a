"""Writes what rushlight/data/unicode.cpp knows of Unicode: kinds of characters, small letters, letters without their accents.

    python tools/gen_unicode.py OUT.h

The data is that of the Python that runs it.
"""

import sys
import unicodedata

KINDS = {"L": 1, "N": 2, "P": 3, "Z": 4, "Mn": 5, "C": 6}  # as in rushlight/data/unicode.h; 0: anything else


def kind(char: str) -> int:
    category = unicodedata.category(char)
    if category in ("Zs", "Mn"):
        return KINDS["Z" if category == "Zs" else "Mn"]
    return KINDS.get(category[0], 0) if category[0] not in "ZM" else 0


def without_accents(char: str) -> list[int]:
    return [ord(c) for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn"]


def main(path: str) -> None:
    everything = [chr(c) for c in range(0x110000)]
    starts, before = [], -1
    for c, char in enumerate(everything):
        if kind(char) != before:
            before = kind(char)
            starts.append(c << 3 | before)
    lower = [
        (c, ord(char.lower())) for c, char in enumerate(everything) if len(char.lower()) == 1 and char.lower() != char
    ]
    plain = []
    for c, char in enumerate(everything):
        hangul = 0xAC00 <= c < 0xD7A4  # by rule
        parts = without_accents(char)
        if not hangul and parts != [c] and kind(char) != KINDS["Mn"]:
            plain.append([c, *(parts + [0, 0, 0])[:3]])
            assert 1 <= len(parts) <= 3, char
    with open(path, "w") as out:
        out.write(f"// Made by tools/gen_unicode.py from Unicode {unicodedata.unidata_version}.\n")
        out.write("constexpr uint32_t kKinds[] = {" + ",".join(map(str, starts)) + "};\n")
        out.write("constexpr uint32_t kLower[][2] = {" + ",".join(f"{{{a},{b}}}" for a, b in lower) + "};\n")
        out.write(
            "constexpr uint32_t kPlain[][4] = {" + ",".join("{" + ",".join(map(str, p)) + "}" for p in plain) + "};\n"
        )


main(sys.argv[1])
