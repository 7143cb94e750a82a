"""python -m rushlight SCRIPT ARGS...: runs an unmodified PyTorch program on rushlight.

inspect FILE says what is in a model file (--code, --graph, --json), without executing anything; convert IN OUT writes it in another form.

data show PATH says what is in a file, folder or database; make-db SOURCE PATH makes a database of pictures or a csv file.
make_mnist_db, make_cifar_db, make_image_db and convert_db are Caffe2's tools of these names; each says its flags with --help.

-m MODULE, -c CODE and - (standard input) work as for python itself. The Python programs that it starts run on rushlight too.
--cflags and --libs print what a compiler and a linker of C++ programs need: g++ main.cpp $(rushlight --cflags --libs)
--env prints what to set in a shell for that: eval "$(python -m rushlight --env)"; python train.py
RUSHLIGHT_AS_TORCH=2.4.1 in the environment is the version that programs are told (2.13.0 if it says none).
"""

from __future__ import annotations

import os
import runpy
import shlex
import sys
import types

import rushlight


def _fresh_main(**names) -> dict:
    """The program's own module __main__, as the interpreter would have made it: worker processes and pickle look there."""
    module = types.ModuleType("__main__")
    vars(module).update(__builtins__=__builtins__, **names)
    sys.modules["__main__"] = module
    return vars(module)


def _compiler_flags(asked: list[str]) -> str:
    """What --cflags and --libs stand for, as a line of a shell."""
    from rushlight.utils.cpp_extension import include_paths, link_flags

    flags = [f"-I{p}" for p in include_paths()] if "--cflags" in asked else []
    if "--libs" in asked:
        flags += link_flags()
    return " ".join(map(shlex.quote, flags))


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if argv else 2
    if argv[:2] == ["data", "show"] or (argv[0] == "make-db" and not os.path.exists("make-db")):
        from rushlight.data._command import main as command

        return command(argv)
    if argv[0] in ("make_mnist_db", "make_cifar_db", "make_image_db", "convert_db") and not os.path.exists(argv[0]):
        from rushlight.caffe2._command import main as command

        return command(argv)
    if argv[0] in ("--cflags", "--libs"):
        print(_compiler_flags(argv))
        return 0
    if argv[0] in ("inspect", "convert") and not os.path.exists(argv[0]):
        from rushlight._inspect import main as command

        return command(argv)
    rushlight.as_torch()
    if argv[0] == "--env":
        for name in ("PYTHONPATH", "RUSHLIGHT_AS_TORCH"):
            print(f"export {name}={shlex.quote(os.environ[name])}")
        return 0
    if argv[0] in ("-m", "-c") and len(argv) < 2:
        print(f"python -m rushlight: argument expected for the {argv[0]} option", file=sys.stderr)
        return 2
    if argv[0] == "-m":
        sys.argv = argv[1:]
        sys.path[0] = os.getcwd()
        _fresh_main()
        runpy._run_module_as_main(argv[1])  # type: ignore[attr-defined]  # what `python -m` itself calls
    elif argv[0] in ("-c", "-"):
        code = argv[1] if argv[0] == "-c" else sys.stdin.read()
        sys.argv = [argv[0], *argv[2 if argv[0] == "-c" else 1 :]]
        sys.path[0] = ""
        exec(compile(code, "<string>" if argv[0] == "-c" else "<stdin>", "exec"), _fresh_main())
    elif not os.path.exists(argv[0]):
        print(f"python -m rushlight: can't open file '{argv[0]}': no such file", file=sys.stderr)
        return 2
    elif os.path.isdir(argv[0]) or argv[0].endswith((".zip", ".pyz", ".pyc")):
        sys.argv = argv
        del sys.path[0]
        runpy.run_path(argv[0], run_name="__main__")
    else:
        sys.argv = argv
        sys.path[0] = os.path.dirname(os.path.abspath(argv[0]))
        with open(argv[0], "rb") as file:
            code = compile(file.read(), argv[0], "exec")
        exec(code, _fresh_main(__file__=argv[0], __cached__=None))
    return 0


def console() -> int:
    """The command `rushlight`."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
