"""Extensions in C++: compiled, linked with rushlight and loaded, as a program runs (``load``, ``load_inline``) or by setuptools.

    >>> from rushlight.utils.cpp_extension import include_paths
    >>> all(isinstance(path, str) for path in include_paths())
    True

A source is compiled when it, a header that it includes, or the command has changed since. What the compiler says of a mistake is the text of
the error. Extensions that use ``PYBIND11_MODULE`` need the package pybind11; those that register operators (``TORCH_LIBRARY``) need none.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
CUDA_HOME: str | None = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
if CUDA_HOME is None:
    if _nvcc := shutil.which("nvcc"):
        CUDA_HOME = str(Path(_nvcc).resolve().parents[1])
    elif os.path.exists("/usr/local/cuda/bin/nvcc"):
        CUDA_HOME = "/usr/local/cuda"
ROCM_HOME = CUDNN_HOME = SYCL_HOME = None
IS_HIP_EXTENSION = IS_WINDOWS = False
IS_LINUX = sys.platform.startswith("linux")
IS_MACOS = sys.platform == "darwin"
TORCH_LIB_PATH = str(_PACKAGE)
COMMON_NVCC_FLAGS = ["--expt-relaxed-constexpr"]
_CUDA_SUFFIXES = (".cu", ".cuh")


# ---------------------------------------------------------------- where things are


def include_paths(device_type: str = "cpu", *, cuda: bool = False) -> list[str]:
    """The folders with rushlight's headers (and CUDA's, for ``device_type="cuda"``)."""
    if (_PACKAGE / "include").is_dir():
        paths = [str(_PACKAGE / "include")]
    else:  # the build tree, whose headers are in several places
        targets = _package_folder() / "lib" / "cmake" / "Rushlight" / "RushlightTargets.cmake"
        found = re.search(r'INTERFACE_INCLUDE_DIRECTORIES "([^"]*)"', targets.read_text())
        paths = found[1].split(";") if found else []
    if device_type == "cuda" or cuda:
        paths.append(os.path.join(_cuda_home(), "include"))
    return paths


def library_paths(
    device_type: str = "cpu", *, torch_include_dirs: bool = True, cross_target_platform: str | None = None
) -> list[str]:
    """The folders with the libraries to link."""
    paths = [str(_package_folder())]
    if device_type == "cuda":
        paths.append(os.path.join(_cuda_home(), "lib64"))
    return paths


def link_flags(device_type: str = "cpu") -> list[str]:
    """What the linker needs; of rushlight's smaller libraries (``torch::nn``, files of data) those that the program calls."""
    where = library_paths(device_type)
    flags = [f for p in where for f in (f"-L{p}", f"-Wl,-rpath,{p}")]
    smaller = [f"-l{n}" for n in ("rushlight_nn", "rushlight_data") if (_package_folder() / f"lib{n}.so").exists()]
    return [*flags, "-Wl,--push-state,--as-needed", *smaller, "-Wl,--pop-state", "-lrushlight"]


def _package_folder() -> Path:
    """Where librushlight is: the files of the build tree's package are links into the sources."""
    import rushlight._C as _C

    return Path(_C.__file__).parent


def _cuda_home() -> str:
    if CUDA_HOME is None:
        raise OSError("CUDA_HOME environment variable is not set. Please set it to your CUDA install root.")
    return CUDA_HOME


def _pybind11(folder: Path) -> list[str]:
    """The folder with pybind11's headers: of the package of this name, or of a PyTorch beside this one, which carries them."""
    if spec := importlib.util.find_spec("pybind11"):
        return [str(Path(spec.origin or "").parent / "include")]
    for place in map(Path, sys.path):
        carried = place / "torch" / "include" / "pybind11"
        if carried.is_dir() and not (place / "rushlight").exists():
            link = folder / "pybind11_include" / "pybind11"
            link.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                link.symlink_to(carried)
            return [str(link.parent)]
    return []


def get_default_build_root() -> str:
    """The folder under which ``load`` builds; ``TORCH_EXTENSIONS_DIR`` names another."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "rushlight_extensions")


def _get_build_directory(name: str, verbose: bool) -> str:
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or os.path.join(
        get_default_build_root(), f"py{sys.version_info.major}{sys.version_info.minor}_cpu"
    )
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    return folder


def is_ninja_available() -> bool:
    """Whether ninja is installed. Nothing here needs it."""
    return shutil.which("ninja") is not None


def verify_ninja_availability() -> None:
    """Does nothing: sources are compiled without it."""


def get_cxx_compiler() -> str:
    """The compiler: ``CXX``, or ``c++``."""
    return os.environ.get("CXX", "c++")


def check_compiler_ok_for_platform(compiler: str) -> bool:
    """Whether such a compiler is there."""
    return shutil.which(shlex.split(compiler)[0]) is not None


def get_compiler_abi_compatibility_and_version(compiler: str) -> tuple[bool, Any]:
    """``(True, version)`` where the compiler runs."""
    try:
        text = subprocess.run(
            [*shlex.split(compiler), "-dumpfullversion", "-dumpversion"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False, "0.0.0"
    return True, text.stdout.strip()


# ---------------------------------------------------------------- compiling and linking


def _run(command: Sequence[str], name: str, verbose: bool) -> None:
    if verbose:
        print(shlex.join(command), flush=True)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    except OSError as e:
        raise RuntimeError(f"Error building extension '{name}': {command[0]} can't be run: {e}") from e
    if done.returncode:
        hint = ""
        if "pybind11" in done.stdout and "No such file" in done.stdout:
            hint = "\nThe headers of pybind11 are missing: pip install pybind11"
        raise RuntimeError(f"Error building extension '{name}': {shlex.join(command)}\n{done.stdout}{hint}")
    if verbose and done.stdout:
        print(done.stdout, end="", flush=True)


def _dependencies(depfile: Path) -> list[str]:
    """The files that a Makefile rule of the compiler's names."""
    text = depfile.read_text().replace("\\\n", " ")
    return [p.replace("\\ ", " ") for p in re.findall(r"(?:[^\s\\]|\\.)+", text.partition(":")[2])]


def _is_current(output: Path, command: Sequence[str], inputs: Sequence[str]) -> bool:
    """Whether a command that made `output` from `inputs` need not run again."""
    stamp = Path(f"{output}.command")
    try:
        if json.loads(stamp.read_text()) != list(command):
            return False
        made = output.stat().st_mtime_ns
        return all(os.stat(p).st_mtime_ns <= made for p in inputs)
    except (OSError, ValueError):
        return False


class _Build:
    """The sources, flags and folder of one extension."""

    def __init__(self, name: str, sources: Sequence[str], folder: Path, verbose: bool, **flags: Sequence[str] | None):
        self.name, self.sources, self.folder, self.verbose = (
            name,
            [os.path.abspath(s) for s in sources],
            folder,
            verbose,
        )
        self.flags = {key: list(value or ()) for key, value in flags.items()}
        self.cuda = any(s.endswith(_CUDA_SUFFIXES) for s in sources)
        for source in self.sources:
            if not os.path.exists(source):
                raise FileNotFoundError(f"extension '{name}': the source {source} does not exist")

    def _includes(self) -> list[str]:
        own = [f"-I{p}" for p in self.flags.get("include", [])]
        return [*own, *(f"-I{p}" for p in include_paths("cuda" if self.cuda else "cpu")),
                *(f"-I{p}" for p in _pybind11(self.folder)), f"-I{sysconfig.get_path('include')}"]  # fmt: skip

    def _macros(self) -> list[str]:
        return [f"-DTORCH_EXTENSION_NAME={self.name}", "-DTORCH_API_INCLUDE_EXTENSION_H", *self.flags.get("macros", [])]

    def _compile_command(self, source: str, output: Path) -> list[str]:
        common = [*self._macros(), *self._includes()]
        if source.endswith(_CUDA_SUFFIXES):
            flags = self.flags.get("cuda", [])
            standard = [] if any(f.startswith(("-std=", "--std=")) for f in flags) else ["-std=c++17"]
            nvcc = os.path.join(_cuda_home(), "bin", "nvcc")
            depend = ["-MD", "-MF", f"{output}.d"]
            return [nvcc, *common, *COMMON_NVCC_FLAGS, *standard, "--compiler-options", "-fPIC", *flags, *depend,
                    "-c", source, "-o", str(output)]  # fmt: skip
        flags = self.flags.get("cxx", [])
        standard = [] if any(f.startswith("-std=") for f in flags) else ["-std=c++17"]
        return [*shlex.split(get_cxx_compiler()), *common, "-fPIC", *standard, *flags, "-MMD", "-MF", f"{output}.d",
                "-c", source, "-o", str(output)]  # fmt: skip

    def _compile(self, source: str, output: Path) -> None:
        command, depfile = self._compile_command(source, output), Path(f"{output}.d")
        if depfile.exists() and _is_current(output, command, [source, *_dependencies(depfile)]):
            return
        Path(f"{output}.command").unlink(missing_ok=True)
        _run(command, self.name, self.verbose)
        Path(f"{output}.command").write_text(json.dumps(command))

    def objects(self) -> list[str]:
        """Compiles what has changed, some at a time (``MAX_JOBS``)."""
        outputs = []
        for i, source in enumerate(self.sources):
            stem = (
                Path(source).stem
                if [Path(s).stem for s in self.sources].count(Path(source).stem) == 1
                else f"{Path(source).stem}_{i}"
            )
            outputs.append(self.folder / f"{stem}{'.cuda' if source.endswith(_CUDA_SUFFIXES) else ''}.o")
        jobs = int(os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
        with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(outputs)))) as pool:
            for made in [pool.submit(self._compile, s, o) for s, o in zip(self.sources, outputs, strict=True)]:
                made.result()
        return [str(o) for o in outputs]

    def link(self, output: Path, standalone: bool = False) -> Path:
        """Links the objects into `output` where one has changed."""
        objects = self.objects()
        libraries = link_flags("cuda" if self.cuda else "cpu")
        if self.cuda:
            libraries.append("-lcudart")
        shared = [] if standalone else ["-shared"]
        command = [
            *shlex.split(get_cxx_compiler()),
            *shared,
            *objects,
            *self.flags.get("ld", []),
            *libraries,
            "-o",
            str(output),
        ]
        if not _is_current(output, command, objects):
            output.unlink(missing_ok=True)  # a process may have the old one loaded: it keeps it
            _run(command, self.name, self.verbose)
            Path(f"{output}.command").write_text(json.dumps(command))
        return output


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time builds in a folder; the lock goes with the process."""
    with open(folder / "lock", "w") as file:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---------------------------------------------------------------- while a program runs

_versions: dict[str, tuple[str, int]] = {}  # of each folder and name: what was built, and the how manieth that is


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _build(
    name: str, sources: Sequence[str], folder: str | None, verbose: bool, python: bool, standalone: bool, flags: dict
) -> Any:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"load: the extension's name has to be an identifier, got {name!r}")
    place = Path(folder or _get_build_directory(name, verbose))
    if not place.is_dir():
        raise FileNotFoundError(f"load: the build directory {place} does not exist")
    with _locked(place):
        content = hashlib.sha256(repr(sorted((k, list(v or ())) for k, v in flags.items())).encode())
        for source in sources:
            with contextlib.suppress(OSError):
                content.update(Path(source).read_bytes())
        key = f"{place}/{name}"
        known, version = _versions.get(key, ("", -1))
        if known != content.hexdigest():
            version += 1
        # Python loads a module of one name once: what has changed since has another.
        module_name = name if version <= 0 else f"{name}_v{version}"
        build = _Build(module_name, sources, place, verbose, **flags)
        output = build.link(place / (name if standalone else f"{module_name}.so"), standalone)
        _versions[key] = (content.hexdigest(), version)
    if standalone:
        return str(output)
    if python:
        return _import(module_name, output)
    from .. import ops

    ops.load_library(str(output))
    return str(output)


def load(
    name: str, sources: str | Sequence[str], extra_cflags: Sequence[str] | None = None,
    extra_cuda_cflags: Sequence[str] | None = None, extra_sycl_cflags: Sequence[str] | None = None,
    extra_ldflags: Sequence[str] | None = None, extra_include_paths: Sequence[str] | None = None,
    build_directory: str | None = None, verbose: bool = False, with_cuda: bool | None = None,
    with_sycl: bool | None = None, is_python_module: bool = True, is_standalone: bool = False,
    keep_intermediates: bool = True,
) -> Any:  # fmt: skip
    """Compiles C++ (and, where nvcc is, CUDA) sources and loads the result.

    Args:
        name: of the extension, and of the Python module; ``TORCH_EXTENSION_NAME`` in its sources.
        sources: paths of .cpp and .cu files.
        extra_cflags, extra_cuda_cflags, extra_ldflags, extra_include_paths: for the compilers and the linker.
        build_directory: where objects are kept (by default a folder of the user's cache, or of ``TORCH_EXTENSIONS_DIR``).
        verbose: print the commands.
        is_python_module: import it and return the module; otherwise its operators are registered, and its path returned.
        is_standalone: build a program, and return its path.

    Raises RuntimeError with the compiler's text where a source doesn't compile, FileNotFoundError for one that is missing, and
    OSError where a .cu file is given and no CUDA is found.
    """
    flags = {"cxx": extra_cflags, "cuda": extra_cuda_cflags, "ld": extra_ldflags, "include": extra_include_paths}
    paths = [os.fspath(sources)] if isinstance(sources, (str, os.PathLike)) else [os.fspath(s) for s in sources]
    return _build(name, paths, build_directory, verbose, is_python_module, is_standalone, flags)


def load_inline(
    name: str, cpp_sources: str | Sequence[str], cuda_sources: str | Sequence[str] | None = None,
    sycl_sources: str | Sequence[str] | None = None, functions: Any = None, extra_cflags: Sequence[str] | None = None,
    extra_cuda_cflags: Sequence[str] | None = None, extra_sycl_cflags: Sequence[str] | None = None,
    extra_ldflags: Sequence[str] | None = None, extra_include_paths: Sequence[str] | None = None,
    build_directory: str | None = None, verbose: bool = False, with_cuda: bool | None = None,
    with_sycl: bool | None = None, is_python_module: bool = True, with_pytorch_error_handling: bool = True,
    keep_intermediates: bool = True, use_pch: bool = False, no_implicit_headers: bool = False,
) -> Any:  # fmt: skip
    """As :func:`load`, from the text of sources. `functions` names those to show to Python: a name, a list, or a dict of names and docs.

    The text has ``torch/extension.h`` before it; CUDA text also CUDA's headers.
    """

    def listed(texts: str | Sequence[str] | None) -> list[str]:
        return [texts] if isinstance(texts, str) else list(texts or ())

    cpp, cuda = listed(cpp_sources), listed(cuda_sources)
    if not no_implicit_headers:
        cpp.insert(0, "#include <torch/extension.h>")
    if functions is not None:
        if isinstance(functions, str):
            functions = [functions]
        if not isinstance(functions, dict):
            functions = {f: f for f in functions}
        shown = [f'  m.def("{f}", {f}, {json.dumps(doc)});' for f, doc in functions.items()]
        cpp += ["PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {", *shown, "}"]
    folder = Path(build_directory or _get_build_directory(name, verbose))
    if not folder.is_dir():
        raise FileNotFoundError(f"load_inline: the build directory {folder} does not exist")
    sources = [_write(folder / "main.cpp", cpp)]
    if cuda:
        headers = (
            []
            if no_implicit_headers
            else ["#include <torch/types.h>", "#include <cuda.h>", "#include <cuda_runtime.h>"]
        )
        sources.append(_write(folder / "cuda.cu", [*headers, *cuda]))
    flags = {"cxx": extra_cflags, "cuda": extra_cuda_cflags, "ld": extra_ldflags, "include": extra_include_paths}
    return _build(name, sources, str(folder), verbose, is_python_module, False, flags)


def _write(path: Path, lines: Sequence[str]) -> str:
    """Writes a file only where its text is another, so that nothing is compiled again."""
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return str(path)


# ---------------------------------------------------------------- by setuptools


def _extension(name: str, sources: Sequence[str], kind: str, args: tuple, kwargs: dict) -> Any:
    import setuptools

    kwargs["include_dirs"] = [*(kwargs.get("include_dirs") or []), *include_paths(kind)]
    kwargs["library_dirs"] = [*(kwargs.get("library_dirs") or []), *library_paths(kind)]
    kwargs["libraries"] = [*(kwargs.get("libraries") or []), "rushlight"]
    kwargs.pop("dlink_libraries", None)
    kwargs.pop("py_limited_api", None)
    kwargs["language"] = "c++"
    # Flags per compiler are BuildExtension's to take apart.
    given = kwargs.pop("extra_compile_args", None)
    extension = setuptools.Extension(name, list(sources), *args, **kwargs)
    extension.extra_compile_args = given or []  # type: ignore[assignment]
    return extension


def CppExtension(name: str, sources: Sequence[str], *args: Any, **kwargs: Any) -> Any:
    """A setuptools.Extension in C++, with what it needs to compile against rushlight and link with it."""
    return _extension(name, sources, "cpu", args, kwargs)


def CUDAExtension(name: str, sources: Sequence[str], *args: Any, **kwargs: Any) -> Any:
    """A setuptools.Extension in C++ and CUDA. Raises OSError where no CUDA is found."""
    return _extension(name, sources, "cuda", args, kwargs)


def _build_extension_class() -> type:
    from setuptools.command.build_ext import build_ext

    class BuildExtension(build_ext):
        """setuptools' build_ext for CppExtension and CUDAExtension: ``cmdclass={"build_ext": BuildExtension}``.

        ``extra_compile_args`` is a list, or a dict of lists for "cxx" and "nvcc".
        """

        @classmethod
        def with_options(cls, **options: Any) -> type:
            """The class with options set: ``BuildExtension.with_options(use_ninja=False)``."""

            class WithOptions(cls):  # type: ignore[valid-type, misc]
                def __init__(self, *args: Any, **kwargs: Any) -> None:
                    super().__init__(*args, **{**kwargs, **options})

            return WithOptions

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.no_python_abi_suffix = kwargs.pop("no_python_abi_suffix", False)
            for ignored in ("use_ninja", "parallel"):
                kwargs.pop(ignored, None)
            super().__init__(*args, **kwargs)

        def get_ext_filename(self, ext_name: str) -> str:
            name = super().get_ext_filename(ext_name)
            parts = name.split(".")
            return f"{parts[0]}.{parts[-1]}" if self.no_python_abi_suffix and len(parts) > 2 else name

        def build_extension(self, ext: Any) -> None:
            given = ext.extra_compile_args
            flags = given if isinstance(given, dict) else {"cxx": given, "nvcc": given}
            name = ext.name.rpartition(".")[2]
            folder = Path(self.build_temp).absolute() / ext.name
            folder.mkdir(parents=True, exist_ok=True)
            macros = [f"-D{k}" if v is None else f"-D{k}={v}" for k, v in ext.define_macros or []]
            build = _Build(
                name,
                ext.sources,
                folder,
                bool(self.verbose),
                cxx=flags.get("cxx"),
                cuda=flags.get("nvcc"),
                include=[os.path.abspath(p) for p in ext.include_dirs],
                macros=[*macros, *(f"-U{u}" for u in ext.undef_macros or [])],
                ld=[
                    *(f"-L{p}" for p in ext.library_dirs),
                    *(os.path.abspath(o) for o in ext.extra_objects or []),
                    *(f"-l{x}" for x in ext.libraries if x != "rushlight"),
                    *(ext.extra_link_args or []),
                ],
            )
            output = Path(self.get_ext_fullpath(ext.name)).absolute()
            output.parent.mkdir(parents=True, exist_ok=True)
            linked = build.link(folder / output.name)
            shutil.copy2(linked, output)

    return BuildExtension


def __getattr__(name: str) -> Any:
    # setuptools is imported when it is needed: most who load extensions have no use for it.
    if name == "BuildExtension":
        globals()[name] = made = _build_extension_class()
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
