"""The commands `rushlight data show` and `rushlight make-db`."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str]) -> int:
    """Runs a command; errors of files are one line, and the status 1."""
    parser = argparse.ArgumentParser(prog="rushlight")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("data", help="look at data").add_subparsers(dest="action", required=True).add_parser(
        "show", help="what is in a file, folder or database: kinds, counts, shapes, labels; its first pictures in a contact sheet"
    )  # fmt: skip
    show.add_argument("path")
    show.add_argument(
        "--sheet",
        default="contact-sheet.png",
        help="the PNG file of the contact sheet; '' for none (default: %(default)s)",
    )
    show.add_argument("--count", type=int, default=64, help="pictures in it (default: %(default)s)")
    make = commands.add_parser(
        "make-db", help="make an LMDB or LevelDB of a folder of pictures by class, or of a csv file"
    )
    make.add_argument("source", help="a folder with a folder for each class, or a csv file")
    make.add_argument("path", help="the database, which must not exist yet")
    make.add_argument("--kind", choices=["lmdb", "leveldb"], default="lmdb")
    make.add_argument("--limit", type=int, default=-1, help="entries at the most")
    make.add_argument("--skip-errors", action="store_true", help="leave out what is damaged, and count it")
    arguments = parser.parse_args(argv)
    try:
        return _show(arguments) if arguments.command == "data" else _make(arguments)
    except (RuntimeError, OSError) as error:
        print(f"rushlight: {error}", file=sys.stderr)
        return 1


def _show(arguments) -> int:
    from ..vision.io import write_png
    from ._show import contact_sheet, show

    shown = show(arguments.path)
    print(f"{arguments.path}: {shown.kind}")
    for line in shown.lines:
        print(f"  {line}")
    sheet = contact_sheet(shown.pictures, arguments.count) if arguments.sheet else None
    if sheet is not None:
        write_png(sheet, arguments.sheet)
        print(f"  first pictures: {arguments.sheet}")
    return 0


def _make(arguments) -> int:
    from ._databases import make_db

    counts = make_db(
        arguments.source, arguments.path, arguments.kind, limit=arguments.limit, skip_errors=arguments.skip_errors
    )
    print(f"{arguments.path}: {counts['entries']} entries, {counts['classes']} classes, {counts['errors']} left out")
    return 0
