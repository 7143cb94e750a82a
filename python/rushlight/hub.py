"""Entry points of model repositories in local folders, and checkpoints in local files. There is no network: a URL is an error that says so.

A repository is a folder with a file hubconf.py; every public function there is an entry point.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from ._missing import UnsupportedError

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

_list = list
_MODULE = "hubconf"
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # the start of its hash in a checkpoint's name
_dir: str | None = None


def _get_torch_home() -> str:
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir() -> str:
    """Where checkpoints and repositories are looked for: what set_dir() said, else $TORCH_HOME/hub, else ~/.cache/torch/hub."""
    if _dir is not None:
        return _dir
    return os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Sets the folder where checkpoints and repositories are looked for."""
    global _dir
    _dir = os.path.expanduser(d)


def _no_network(what: str, instead: str) -> UnsupportedError:
    return UnsupportedError(f"torch.hub: {what}: rushlight does not use the network; {instead}")


def _folder(repo: str | os.PathLike, source: str) -> str:
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        return os.fspath(repo)
    # What PyTorch has downloaded earlier is used; its folder is owner_name_branch.
    name, _, ref = os.fspath(repo).partition(":")
    owner, slash, project = name.partition("/")
    known = (ref,) if ref else ("main", "master")
    for branch in known if slash else ():
        folder = os.path.join(get_dir(), "_".join([owner, project, branch.replace("/", "_")]))
        if os.path.isdir(folder):
            return folder
    raise _no_network(
        f"the repository {repo!r} is not in {get_dir()}",
        "get a copy of it and call with source='local' and the path of its folder",
    )


@contextmanager
def _hubconf(folder: str):
    """The repository's module; its own imports find the folder."""
    path = os.path.join(folder, _MODULE + ".py")
    if not os.path.exists(path):
        raise FileNotFoundError(f"torch.hub: expected a file {_MODULE}.py in the folder {folder!r}, found none")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location(_MODULE, path)
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        missing = [d for d in getattr(module, "dependencies", ()) if importlib.util.find_spec(d) is None]
        if missing:
            raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
        yield module
    finally:
        sys.path.remove(folder)


def _entry(module: Any, name: str) -> Callable:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    function = getattr(module, name, None)
    if not callable(function):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return function


def list(github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = None, verbose: bool = True, source: str = "github") -> _list[str]:  # fmt: skip
    """The names of the entry points of a repository; `source="local"` takes the path of its folder."""
    with _hubconf(_folder(github, source)) as module:
        return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = None, source: str = "github") -> str | None:  # fmt: skip
    """The text that an entry point says about itself."""
    with _hubconf(_folder(github, source)) as module:
        return _entry(module, model).__doc__


def load(
    repo_or_dir: Any,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the entry point `model` of a repository gives for the arguments: torch.hub.load("folder", "resnet", source="local").

    Raises FileNotFoundError for a folder without hubconf.py, and UnsupportedError where the network would be needed.
    """
    with _hubconf(_folder(repo_or_dir, source)) as module:
        return _entry(module, model)(*args, **kwargs)


def _local(url: str) -> str | None:
    parts = urlparse(url)
    if parts.scheme == "file":
        return url2pathname(parts.path)
    return url if parts.scheme == "" else None


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Copies a file:// URL. Any other is an error: there is no network."""
    import shutil

    path = _local(url)
    if path is None:
        raise _no_network(f"{url} can't be downloaded", f"put the file at {dst} yourself")
    shutil.copyfile(path, dst)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> dict[str, Any]:
    """The checkpoint of that URL, if a file of its name is in `model_dir` (default: get_dir()/checkpoints), or of a file:// URL.

    Raises UnsupportedError if it would have to be downloaded.
    """
    from .serialization import load

    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        local = _local(url)
        if local is None:
            raise _no_network(f"{url} is not in {folder}", f"put the file at {path} yourself, or give a file:// URL")
        path = local
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) == 1:  # a legacy checkpoint that was zipped
                os.makedirs(folder, exist_ok=True)
                path = archive.extract(names[0], folder)
    return load(path, map_location=map_location, weights_only=weights_only)


class _Silent:
    """Stands for tqdm where that package is not installed: no bar."""

    def __init__(self, iterable: Any = None, **_: Any) -> None:
        self.iterable, self.n = iterable, 0

    def __iter__(self):
        return iter(self.iterable)

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass

    def update(self, n: int = 1) -> None:
        """Counts on."""
        self.n += n

    def close(self) -> None:
        """Nothing to end."""


def __getattr__(name: str) -> Any:
    if name == "tqdm":  # programs take it from here
        try:
            from tqdm import tqdm
        except ImportError:
            return _Silent
        return tqdm
    from ._missing import missing_name

    raise AttributeError(name) if name.startswith("__") else missing_name(sys.modules[__name__], name)
