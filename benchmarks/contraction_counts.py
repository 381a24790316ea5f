"""Print the size of the contraction lists of every level beside MLIP's, and the time they take.

The table of docs/contractions.md is the output of ``python benchmarks/contraction_counts.py``.
"""

from __future__ import annotations

import argparse
import time

from mtpot import _core

# Level: products and moments of the lists in MLIP-3's templates.
MLIP_LISTS = {
    2: (0, 1),
    4: (1, 2),
    6: (5, 8),
    8: (14, 18),
    10: (42, 41),
    12: (117, 84),
    14: (348, 174),
    16: (969, 350),
    18: (2634, 718),
    20: (6349, 1352),
    22: (15431, 2621),
    24: (36170, 4991),
    26: (82520, 9396),
    28: (180069, 17366),
}
COLUMNS = (
    "level",
    "scalars",
    "basic moments",
    "K",
    "parameters",
    "products",
    "MLIP's",
    "moments",
    "MLIP's",
    "seconds",
)


def template(level: int) -> _core.Potential:
    """Make an untrained potential of one species, with the caps of MLIP's templates, R = 8."""
    return _core.Potential.new(
        level=level,
        species=["Si"],
        cutoff=5.0,
        min_distance=2.0,
        radial_size=8,
        radial_basis="RBChebyshev",
        max_factors=4,
        max_mu=5,
        max_nu=10,
    )


def table_row(level: int) -> tuple[object, ...]:
    """Generate one level and describe it; call once a level, since the lists are cached."""
    start = time.perf_counter()
    potential = template(level)
    seconds = time.perf_counter() - start
    mlip_products, mlip_moments = MLIP_LISTS[level]
    return (
        level,
        len(potential.scalars),
        len(potential.basics),
        potential.radial_function_count,
        len(potential.parameters),
        len(potential.products),
        mlip_products,
        potential.moment_count,
        mlip_moments,
        f"{seconds:.2f}",
    )


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--highest", type=int, default=28, help="last level of the table")
    highest = parser.parse_args().highest
    print("|", " | ".join(COLUMNS), "|")
    print("|" + "---:|" * len(COLUMNS))
    for level in MLIP_LISTS:
        if level <= highest:
            print("|", " | ".join(map(str, table_row(level))), "|", flush=True)


if __name__ == "__main__":
    main()
