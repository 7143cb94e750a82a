"""What to say about a machine in a bug report: python -m rushlight.utils.collect_env."""

from __future__ import annotations

import locale
import os
import platform
import sys
from importlib import metadata
from typing import NamedTuple

__all__ = ["SystemEnv", "get_env_info", "get_pretty_env_info", "main"]


class SystemEnv(NamedTuple):
    """The facts that the report has."""

    torch_version: str
    rushlight_version: str
    is_debug_build: str
    cuda_compiled_version: str
    os: str
    libc_version: str
    python_version: str
    python_platform: str
    is_cuda_available: str
    cpu_info: str
    threads: str
    pip_packages: str


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return f"{os.cpu_count()} x {names[0] if names else platform.processor() or platform.machine()}"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return f"{platform.system()} {platform.release()}"


def _packages() -> str:
    wanted = ("torch", "numpy", "rushlight", "mypy", "onnx", "triton", "nccl", "cuda", "transformers", "lightning")
    found = {
        f"{d.metadata['Name']}=={d.version}"
        for d in metadata.distributions()
        if d.metadata["Name"] and any(w in d.metadata["Name"].lower() for w in wanted)
    }
    return "\n".join(f"[pip3] {line}" for line in sorted(found))


def get_env_info() -> SystemEnv:
    """The facts, as text each."""
    import rushlight

    return SystemEnv(
        torch_version=rushlight.version.torch_version,
        rushlight_version=rushlight.version.__version__,
        is_debug_build=str(rushlight.version.debug),
        cuda_compiled_version=str(rushlight.version.cuda),
        os=_system(),
        libc_version="-".join(platform.libc_ver()),
        python_version=f"{sys.version} ({sys.maxsize.bit_length() + 1}-bit runtime)".replace("\n", " "),
        python_platform=platform.platform(),
        is_cuda_available=str(rushlight.cuda.is_available()),
        cpu_info=f"{_cpu()}, {rushlight.__config__.cpu_capability()}",
        threads=str(rushlight.get_num_threads()),
        pip_packages=_packages(),
    )


def get_pretty_env_info() -> str:
    """The facts as a report."""
    e = get_env_info()
    return (
        f"rushlight version: {e.rushlight_version} (the API of PyTorch {e.torch_version})\nIs debug build: {e.is_debug_build}\n"
        f"CUDA used to build: {e.cuda_compiled_version}\n\nOS: {e.os}\nLibc version: {e.libc_version}\n\n"
        f"Python version: {e.python_version}\nPython platform: {e.python_platform}\nIs CUDA available: {e.is_cuda_available}\n\n"
        f"CPU: {e.cpu_info}\nThreads: {e.threads}\nLocale: {locale.getlocale()}\n\nVersions of relevant libraries:\n{e.pip_packages}"
    )


def main() -> None:
    """Prints the report."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
