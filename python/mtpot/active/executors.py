"""Where tasks run: `concurrent.futures` executors, by name.

All of them get a function of this package and the name of a task's folder; the workers share the
file system. A worker that dies is replaced by its engine, and its task is given again.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.active.imported import imported
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from distributed import Client
    from parsl.concurrent import ParslPoolExecutor
    from parsl.config import Config


@contextmanager
def processes(workers: int, setup: str, folder: Path) -> Iterator[Executor]:  # noqa: ARG001
    """Run on this machine: every task starts a process of its own, a thread waits for it."""
    _refuse(setup)
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _refuse(setup: str) -> None:
    if setup:
        raise InputError(f"executor processes has no use for executor-setup {setup}")


@contextmanager
def parsl(workers: int, setup: str, folder: Path) -> Iterator[Executor]:
    """Run by Parsl: `setup` names a `parsl.Config`; without, workers on this machine.

    Its programs are found beside Python's, whether or not that folder is in PATH.
    """
    config = _parsl_config(setup) or _workers_here(workers, folder)
    from parsl.concurrent import ParslPoolExecutor  # noqa: PLC0415 - it may be missing

    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    try:
        with _started(ParslPoolExecutor(config)) as pool:
            yield pool
    finally:
        os.environ["PATH"] = path


def _parsl_config(setup: str) -> Config | None:
    """Return the `parsl.Config` of the user, if there is one."""
    try:
        from parsl.config import Config  # noqa: PLC0415 - it may be missing
    except ImportError as error:
        raise InputError(f"executor parsl: {error}; pip install parsl") from error
    if not setup:
        return None
    try:
        config = imported(setup)
    except InputError as error:
        raise InputError(f"executor-setup {error}") from error
    if not isinstance(config, Config):
        kind = type(config).__name__
        raise InputError(f"executor-setup {setup} is no parsl.Config but a {kind}: name one")
    return config


def _workers_here(workers: int, folder: Path) -> Config:
    from parsl.config import Config  # noqa: PLC0415 - it may be missing
    from parsl.executors import HighThroughputExecutor  # noqa: PLC0415
    from parsl.providers import LocalProvider  # noqa: PLC0415

    local = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        max_workers_per_node=workers,
        cores_per_worker=1e-3,
        heartbeat_period=5,  # seconds until a lost worker is noticed
        heartbeat_threshold=60,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    return Config(executors=[local], retries=2, strategy="none", run_dir=str(folder / "parsl"))


@contextmanager
def _started(pool: ParslPoolExecutor) -> Iterator[ParslPoolExecutor]:
    """End a pool with the block; what it runs is waited for only if nothing went wrong."""
    well = False
    try:
        yield pool
        well = True
    finally:
        pool.shutdown(wait=well)


@contextmanager
def dask(workers: int, setup: str, folder: Path) -> Iterator[Executor]:
    """Run by Dask: `setup` is the address of a scheduler; without, workers on this machine."""
    _check_address(setup)
    from distributed import Client, LocalCluster  # noqa: PLC0415 - it may be missing

    if setup:
        with _connected(setup) as client:
            yield client.get_executor(pure=False)
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(folder / "dask"),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)


def _check_address(setup: str) -> None:
    try:
        from distributed.comm.addressing import get_address_host_port  # noqa: PLC0415 - it may be missing
    except ImportError as error:
        raise InputError(f'executor dask: {error}; pip install "dask[distributed]"') from error
    try:
        if setup:
            get_address_host_port(setup)
    except ValueError as error:
        raise InputError(
            f"executor-setup {setup} is no address of a Dask scheduler, such as tcp://host:8786: "
            f"{error}"
        ) from error


def _connected(address: str) -> Client:
    from distributed import Client  # noqa: PLC0415 - it may be missing

    try:
        return Client(address)
    except OSError as error:
        raise InputError(
            f"executor-setup {address}: no Dask scheduler answers: {error}; start it first"
        ) from error


EXECUTORS: dict[str, Callable[[int, str, Path], AbstractContextManager[Any]]] = {
    "processes": processes,
    "parsl": parsl,
    "dask": dask,
}
"""By the value of `executor`; made for a number of workers, a setup and the folder of a run."""
_CHECKS: dict[str, Callable[[str], object]] = {
    "processes": _refuse,
    "parsl": _parsl_config,
    "dask": _check_address,
}


def check_executor(name: str, setup: str) -> None:
    """Refuse an executor that cannot be made, without starting anything.

    Raises
    ------
    InputError
        It is not installed, or the setup is none; names it.
    """
    _CHECKS[name](setup)
