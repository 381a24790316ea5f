"""Everything that one training depends on, in one record.

Each field of `Settings` is at once a flag (``--radial-size 8``), a key of the settings file
(``radial-size = 8`` or ``radial_size = 8``) and a line of its template; its help, its parser
and its place in the help text stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from mtpot.train.option import Option, about, options_in
from mtpot.train.parsers import (
    auto_or,
    choice,
    integer,
    number,
    parse_active_set,
    parse_ensemble,
    parse_factors,
    parse_level,
    parse_name,
    parse_path,
    parse_paths,
    parse_species,
    parse_switch,
)
from mtpot.train.solvers import SOLVERS

Weighting = Literal["vibrations", "molecules", "structures"]


def _solver_help() -> str:
    """Name every solver."""
    each = "; ".join(f"{name}: {solver.phrase}" for name, solver in SOLVERS.items())
    return f"how the parameters are found. {each}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One training, completely: the same settings and threads give the same potential.

    ``min_distance`` is in angstrom or ``"auto"`` (from the data); empty ``species`` means those
    of ``start`` or of the data; ``threads = 0`` means every core.
    """

    data: tuple[Path, ...] = field(
        metadata=about(
            "files",
            "frames to train on: extended XYZ, MLIP .cfg, ASE databases, outputs of programs; "
            "files, folders or patterns, several with commas",
            parse_paths,
            "FILE",
            '["train.xyz"]',
        )
    )
    test: tuple[Path, ...] = field(
        default=(),
        metadata=about(
            "files",
            "frames to judge the result by, never trained on; as in data",
            parse_paths,
            "FILE",
            '["test.xyz"]',
        ),
    )
    output: Path = field(
        metadata=about(
            "files",
            "folder for potential.mtp, potential.almtp, metrics.json and report/",
            parse_path,
            "DIR",
            '"run"',
        )
    )
    overwrite: bool = field(
        default=False,
        metadata=about(
            "files", "replace files of an earlier run in the output folder", parse_switch
        ),
    )
    resume: bool = field(
        default=False,
        metadata=about(
            "files",
            "go on with a training in the output folder that was killed or stopped; begin where "
            "there is none",
            parse_switch,
        ),
    )
    start: Path | None = field(
        default=None,
        metadata=about(
            "potential",
            "potential to begin from, trained or not; it fixes the rest of this section, and what "
            "a settings file says of that is ignored",
            parse_path,
            "FILE",
            '"start.mtp"',
        ),
    )
    species: tuple[str, ...] = field(
        default=(),
        metadata=about(
            "potential",
            "elements in the order of the types; without, those of start or of the data, by "
            "atomic number",
            parse_species,
            "Al,Ni",
            '["Al", "Ni"]',
        ),
    )
    level: int = field(
        default=16,
        metadata=about(
            "potential",
            "level, even, 2 to 32: 8 is fast and rough, 16 a good start, 28 the largest in use",
            parse_level,
            "L",
        ),
    )
    cutoff: float = field(
        default=5.0,
        metadata=about(
            "potential",
            "distance in angstrom beyond which atoms do not interact",
            number(0.0, open_low=True),
            "R",
            unit="Å",
        ),
    )
    min_distance: float | Literal["auto"] = field(
        default="auto",
        metadata=about(
            "potential",
            "shortest distance in angstrom that the radial functions resolve; auto: of the data",
            auto_or(number(0.0, open_low=True)),
            "R|auto",
            unit="Å",
        ),
    )
    radial_size: int = field(
        default=8, metadata=about("potential", "polynomials in each radial function", integer(2))
    )
    radial_basis: str = field(
        default="RBChebyshev",
        metadata=about(
            "potential",
            "radial basis, by its name in potential files; an unknown name lists those there are",
            parse_name,
            "NAME",
        ),
    )
    core: Literal["none", "zbl"] = field(
        default="none",
        metadata=about(
            "potential",
            "repulsion of nuclei at short distances: zbl (Ziegler, Biersack and Littmark; other "
            "programs cannot read such a potential) or none",
            choice("none", "zbl"),
            "NAME",
        ),
    )
    core_outer: float | Literal["auto"] = field(
        default="auto",
        metadata=about(
            "potential",
            "distance in angstrom from which on the core is zero; auto: for each pair of "
            "elements the shortest of the data",
            auto_or(number(0.0, open_low=True)),
            "R|auto",
            unit="Å",
        ),
    )
    max_factors: int = field(
        default=4, metadata=about("potential", "most moments in one product", integer(1))
    )
    max_mu: int = field(
        default=5, metadata=about("potential", "largest index mu of a radial function", integer(0))
    )
    max_nu: int = field(
        default=10, metadata=about("potential", "largest rank nu of a moment", integer(0))
    )
    max_parameters: int = field(
        default=0,
        metadata=about(
            "potential",
            "most parameters: of those of the level the most useful are kept, which beats all of "
            "a lower level; 0: all of them",
            integer(0),
        ),
    )
    energy_weight: float = field(
        default=1.0,
        metadata=about("loss", "weight of energies, per eV^2", number(0.0), "W", unit="eV⁻²"),
    )
    force_weight: float = field(
        default=0.01,
        metadata=about(
            "loss", "weight of forces, per (eV/angstrom)^2", number(0.0), "W", unit="(eV/Å)⁻²"
        ),
    )
    stress_weight: float = field(
        default=0.001,
        metadata=about(
            "loss",
            "weight of virials (stress times volume), per eV^2",
            number(0.0),
            "W",
            unit="eV⁻²",
        ),
    )
    weighting: Weighting = field(
        default="vibrations",
        metadata=about(
            "loss",
            "how the size of a frame counts: vibrations (snapshots of dynamics), molecules (total "
            "energies) or structures (energies and forces per atom)",
            choice(*get_args(Weighting)),
            "NAME",
        ),
    )
    scale_by_force: float = field(
        default=0.0,
        metadata=about(
            "loss",
            "s > 0 multiplies the weight of a force F by s/(F^2 + s), so that large ones count "
            "less; 0: off",
            number(0.0),
            "S",
            unit="(eV/Å)²",
        ),
    )
    scale_by_energy: float = field(
        default=0.0,
        metadata=about(
            "loss",
            "s > 0 multiplies the weights of a frame by s/(d + s), d its energy per atom above the "
            "lowest that is trained on, so that structures nobody will meet count less; 0: off",
            number(0.0),
            "S",
            unit="eV",
        ),
    )
    group_weights: Mapping[str, float] = field(
        default_factory=dict,
        metadata=about(
            "loss",
            "factors on the weights of groups; single frames have info keys for that: weight, or "
            "energy_weight, force_weight, stress_weight",
            parse_factors,
            "NAME=X,...",
            "{ Surface = 2.0, Elastic = 0.5 }",
        ),
    )
    ridge: float | Literal["auto"] = field(
        default=1e-10,
        metadata=about(
            "loss",
            "ridge of the linear solves, relative; auto: by five-fold cross-validation over frames",
            auto_or(number(0.0, open_low=True)),
            "X|auto",
        ),
    )
    solver: str = field(
        default="variable-projection",
        metadata=about("optimization", _solver_help(), choice(*SOLVERS), "NAME"),
    )
    features: int | None = field(
        default=None,
        metadata=about(
            "optimization",
            "coefficients of scalars that lasso and elimination keep; without, by five-fold "
            "cross-validation over frames",
            integer(1),
            example="40",
        ),
    )
    prior: Literal["flat", "level"] = field(
        default="flat",
        metadata=about(
            "optimization",
            "prior width of the coefficients in ridge and bayesian-ridge: flat, or level, which "
            "decays with the level of the scalar as fast as the data say",
            choice("flat", "level"),
            "NAME",
        ),
    )
    energy_correlation: float = field(
        default=0.0,
        metadata=about(
            "optimization",
            "correlation C of the errors of energies of neighbors in a trajectory, that of k-th "
            "neighbors being C^k; 0: independent",
            number(0.0, 1.0),
            "C",
        ),
    )
    max_steps: int | None = field(
        default=None,
        metadata=about(
            "optimization",
            f"most steps of the solver; without, {SOLVERS['variable-projection'].max_steps}, and "
            f"{SOLVERS['bfgs'].max_steps} for bfgs and l-bfgs",
            integer(1),
            example="60",
        ),
    )
    tolerance: float = field(
        default=1e-4,
        metadata=about(
            "optimization",
            "stop when steps lower the loss by less than this share of it",
            number(0.0, 1.0),
            "X",
        ),
    )
    warm_up: float = field(
        default=0.0,
        metadata=about(
            "optimization",
            "share of every group to train on first, before all, so that most steps cost less: "
            "0.1 for large sets; 0: none",
            number(0.0, 1.0),
            "SHARE",
        ),
    )
    validation: float = field(
        default=0.0,
        metadata=about(
            "optimization",
            "share of every group of the data to set aside: what does best on it is kept",
            number(0.0, 1.0),
            "SHARE",
        ),
    )
    split_by: Literal["frame", "trajectory", "group"] = field(
        default="frame",
        metadata=about(
            "optimization",
            "what --validation and the folds of cross-validation never part: frame (frames of the "
            "same structure), trajectory (of dynamics, whose snapshots are nearly copies) or "
            "group; of the latter two --ensemble draws whole ones",
            choice("frame", "trajectory", "group"),
            "NAME",
        ),
    )
    patience: int = field(
        default=5,
        metadata=about(
            "optimization",
            "with --validation, stop after so many steps that do no better on it; 0: never",
            integer(0),
        ),
    )
    active_set: str = field(
        default="nbh",
        metadata=about(
            "optimization",
            "active set of potential.almtp, for extrapolation grades: nbh (of every atom), cfg (of "
            "whole frames), weights of rows (energy=1,force=0.01,stress=0.001,site=0) or none",
            parse_active_set,
            "MODE",
        ),
    )
    ensemble: int = field(
        default=0,
        metadata=about(
            "optimization",
            "members of a committee, whose spread gives error bars: refits to frames drawn with "
            "replacement, calibrated on the validation frames; 0: none, 8: enough",
            parse_ensemble,
            "M",
        ),
    )
    threads: int = field(
        default=0, metadata=about("optimization", "threads; 0: every core", integer(0))
    )
    stream: bool = field(
        default=False,
        metadata=about(
            "optimization",
            "for data larger than memory: frames stay in a scratch file beside the output, and "
            "neighbor lists are made anew in every pass",
            parse_switch,
        ),
    )
    seed: int = field(
        default=0,
        metadata=about("optimization", "seed of the start and of the validation", integer(0)),
    )
    seeds: int = field(
        default=1,
        metadata=about(
            "optimization",
            "starts to train from, with seeds from --seed on; the best is kept, by its validation "
            "if there is one, else by its loss",
            integer(1),
        ),
    )

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, without the shape where ``start`` gives it."""
        omitted = SHAPE if self.start is not None else ()
        return {
            item.name: _plain(getattr(self, item.name))
            for item in fields(self)
            if item.name not in omitted
        }


SHAPE = (
    "level",
    "cutoff",
    "min_distance",
    "radial_size",
    "radial_basis",
    "max_factors",
    "max_mu",
    "max_nu",
    "core",
    "core_outer",
)
"""Fields that a starting potential fixes."""


def options() -> list[tuple[str, Option, Any]]:
    """Name, description and default (`dataclasses.MISSING` if required) of every setting."""
    return options_in(Settings)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
