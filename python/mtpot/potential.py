"""Moment tensor potentials as Python objects: a thin layer over the compiled engine."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtpot import _core
from mtpot.errors import InputError
from mtpot.files import installed_folder, write_atomic
from mtpot.intervals import ErrorModel, Intervals
from mtpot.short_range import core_radii

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from mtpot.short_range import Outer


class MTP:
    """A moment tensor potential: its form, its parameters, its active set and its committee.

    Make one with `MTP.load` or `MTP.new`. The energy of a structure is the sum over its atoms of
    V_i = e_{z_i} + sum_alpha xi_alpha B_alpha(i); Shapeev, Multiscale Model. Simul. 14 (2016)
    1153.
    """

    def __init__(self, core: _core.Potential, selection: _core.Selection | None = None) -> None:
        self._core = core
        self._selection = selection

    @classmethod
    def load(cls, path: str | PathLike[str], species: Sequence[str] | None = None) -> MTP:
        """Read an .mtp or .almtp file.

        Parameters
        ----------
        path
            The file.
        species
            Element symbols in the order of the file's types, for a file without names; must agree
            with the names of a file that has them.

        Raises
        ------
        FormatError
            If the file does not follow its format; names file and line.
        InputError
            If the species disagree with the file's, or the file cannot be read.
        """
        if isinstance(species, str):
            raise InputError(f"species must be a list of symbols, not the string {species!r}")
        core, selection = _core.read_potential(fspath(path))
        if species is not None:
            core = _with_species(core, list(species), fspath(path))
        return cls(core, selection)

    @classmethod
    def new(  # noqa: PLR0913, PLR0917 - the public signature
        cls,
        level: int,
        species: Sequence[str],
        cutoff: float,
        min_distance: float = 2.0,
        radial_size: int = 8,
        radial_basis: str = "RBChebyshev",
        max_factors: int = 4,
        max_mu: int = 5,
        max_nu: int = 10,
        core: Literal["none", "zbl"] = "none",
        core_outer: Outer = "auto",
    ) -> MTP:
        """Make an untrained potential with every scalar up to a level.

        Parameters
        ----------
        level
            Even, 2 to 32: accuracy and cost grow with it.
        species
            Element symbols.
        cutoff, min_distance
            Angstrom; the radial functions' interval.
        radial_size
            Polynomials in each radial function.
        radial_basis
            One of the registered bases: "RBChebyshev", "RBChebyshev_repuls" or
            "RBChebyshev_clamped".
        max_factors, max_mu, max_nu
            Caps on the scalars' factors, radial index and tensor order.
        core, core_outer
            "zbl": as `with_core` with this outer radius.

        Raises
        ------
        InputError
            If an argument is out of range.
        """
        if isinstance(species, str):
            raise InputError(f"species must be a list of symbols, [{species!r}], not a string")
        if core not in {"none", "zbl"}:
            raise InputError(f"core must be none or zbl, not {core!r}")
        potential = _core.Potential.new(
            level,
            list(species),
            cutoff,
            min_distance,
            radial_size,
            radial_basis,
            max_factors,
            max_mu,
            max_nu,
        )
        return cls(potential).with_core(core_outer) if core == "zbl" else cls(potential)

    def with_core(self, outer: Outer = "auto") -> MTP:
        """Return the potential with a repulsion of nuclei (ZBL) at short distances.

        It is whole below 0.8 times the outer radius. Parameters and active set stay as they are:
        what has been trained without a core keeps its energies only where no pair is closer
        than the outer radius.

        Parameters
        ----------
        outer
            Where the core begins, in angstrom: one number, or numbers by pairs of elements;
            "auto": 0.7 times the sum of covalent radii.

        Raises
        ------
        InputError
            If the potential names no elements, or a radius is out of range or beyond the cutoff.
        """
        radii = core_radii(self.species, self.cutoff, outer)
        return MTP(self._core.with_zbl(radii[..., 0], radii[..., 1]), self._selection)

    def with_members(self, linear: ArrayLike, intervals: Intervals | None = None) -> MTP:
        """Return the potential as the first among a committee; its active set stays.

        Members share its radial functions, so that one pass gives the energies of all. The file
        stays one that other programs read as the potential alone; with an active set besides, it
        is for mtpot alone.

        Parameters
        ----------
        linear
            Species energies and linear coefficients of each, shape [members, species + scalars].
        intervals
            How errors follow from the spread of these members.

        Raises
        ------
        InputError
            If there are no members, or their numbers do not fit the potential or are not finite.
        """
        numbers = [each.numbers for each in intervals] if intervals else [[], []]
        return MTP(self._core.with_ensemble(linear, *numbers), self._selection)

    def save(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the potential; a name that ends in .almtp holds the active set, too.

        The file appears whole or not at all.

        Raises
        ------
        InputError
            If the file exists and `overwrite` is false, if it cannot be written, or if an
            .almtp file is asked of a potential without an active set.
        """
        target = Path(path)
        selection = None
        if target.suffix == ".almtp":
            selection = self._selection
            if selection is None:
                raise InputError(f"{target}: this potential has no active set; save it as .mtp")
        write_atomic(target, _core.format_potential(self._core, selection), overwrite)

    @property
    def core(self) -> _core.Potential:
        """The engine's potential; a new object whenever the parameters change."""
        return self._core

    @property
    def selection(self) -> _core.Selection | None:
        """The active set and where its rows come from."""
        return self._selection

    @property
    def members(self) -> tuple[MTP, ...]:
        """The committee besides the potential itself, each a potential of its own."""
        return tuple(MTP(self._core.member(k)) for k in range(len(self._core.members)))

    @property
    def intervals(self) -> Intervals | None:
        """How errors follow from the spread of the members; None if no frames have told."""
        errors = self._core.ensemble_errors
        return Intervals(*map(ErrorModel.from_numbers, errors)) if errors else None

    @property
    def species(self) -> tuple[str, ...]:
        """Element symbols in the order of types; empty if the file names none."""
        return tuple(self._core.species)

    @property
    def level(self) -> int:
        """Largest level of a scalar."""
        return self._core.level

    @property
    def cutoff(self) -> float:
        """Distance in angstrom beyond which atoms do not interact."""
        return self._core.cutoff

    @property
    def core_radii(self) -> dict[tuple[str, str], tuple[float, float]] | None:
        """Inner and outer radius of the core for each pair of elements; None without a core.

        Types of a potential without names are "0", "1", ...
        """
        radii = self._core.zbl_radii
        if radii is None:
            return None
        names = self.species or tuple(map(str, range(self._core.species_count)))
        return {
            (names[i], names[j]): (float(radii[i, j, 0]), float(radii[i, j, 1]))
            for i in range(len(names))
            for j in range(i, len(names))
        }

    @property
    def parameters(self) -> NDArray[np.float64]:
        """Radial coefficients, species energies and linear coefficients, in this order.

        A copy: assign to change them, which forgets the active set, whose rows depend on them,
        and the members.
        """
        return self._core.parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        self._core = self._core.with_parameters(np.asarray(values, dtype=np.float64))
        self._selection = None

    def __deepcopy__(self, memo: dict[int, object]) -> MTP:
        """Share what never changes."""
        return MTP(self._core, self._selection)

    def __reduce__(self) -> tuple[Callable[[bytes], MTP], tuple[bytes]]:
        """Travel between processes as the content of a file."""
        return _restored, (_core.format_potential(self._core, self._selection),)

    def __repr__(self) -> str:
        return (
            f"MTP(level={self.level}, species={self.species}, cutoff={self.cutoff}, "
            f"parameters={len(self.parameters)}, trained={self._core.trained})"
        )


def _with_species(core: _core.Potential, species: list[str], path: str) -> _core.Potential:
    if core.species and core.species != species:
        raise InputError(
            f"{path} is for {', '.join(core.species)} in this order, not {', '.join(species)}"
        )
    return core.with_species(species)


def text_of(potential: MTP) -> str:
    """Write the content of its file, without the active set; every number survives."""
    return _core.format_potential(potential.core).decode()


def potential_of(text: str) -> MTP:
    """Return the potential that `text_of` has written.

    Raises
    ------
    FormatError
        It is damaged.
    """
    return MTP(_core.parse_potential(text.encode(), "a saved potential")[0])


def _restored(content: bytes) -> MTP:
    return MTP(*_core.parse_potential(content, "a potential from another process"))


def potential_path(name: str) -> Path:
    """Path of a potential that comes with the package, for instance "silicon".

    Raises
    ------
    InputError
        If there is none of this name; the message lists those there are.
    """
    folder = installed_folder() / "potentials"
    path = folder / name / "potential.almtp"
    if not path.is_file():
        known = sorted(each.parent.name for each in folder.glob("*/potential.almtp"))
        raise InputError(f"no potential {name!r} comes with mtpot; there are: {', '.join(known)}")
    return path
