"""Whether this process is one of several under `mpirun`, and the way to the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from mtpot.errors import InputError

if TYPE_CHECKING:
    from mtpot.train.processes import Processes

_LAUNCHERS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Cray MPICH
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
)
"""Variables that launchers set: number of this process, number of processes."""


class Place(NamedTuple):
    """Number of this process, and how many its launcher has started."""

    rank: int
    size: int


def place() -> Place | None:
    """Return this process' place among several; None if it is alone.

    MPI is not touched: a single process needs none.
    """
    for rank, size in _LAUNCHERS:
        words = os.environ.get(rank, ""), os.environ.get(size, "")
        if all(map(str.isdecimal, words)) and int(words[1]) > 1:
            return Place(*map(int, words))
    return None


def join(found: Place) -> Processes:
    """Join the processes that were started together.

    Raises
    ------
    InputError
        mpi4py is missing, or belongs to another MPI than the launcher.
    """
    try:
        from mpi4py import MPI  # noqa: PLC0415 - loading it starts MPI
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"{found.size} processes were started, and they need mpi4py: "
            f"pip install 'mtpot[mpi]' ({error})"
        ) from error
    size = MPI.COMM_WORLD.Get_size()
    if size != found.size:
        raise InputError(
            f"{found.size} processes were started, but mpi4py sees {size}: it was built for "
            "another MPI than that of the launcher (pip install --no-binary mpi4py mpi4py builds "
            "it for this one)"
        )
    from mtpot.train.processes import Processes  # noqa: PLC0415 - as above

    return Processes(MPI.COMM_WORLD)
