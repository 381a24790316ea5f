"""The compiled engine.

Arrays are float64 and C-contiguous unless said; other layouts, and types that NumPy casts safely,
are converted.
"""

from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

def simd_name() -> str:
    """Instruction set of the kernels in use (``avx512``, ``avx2`` or ``portable``)."""

def radial_basis_names() -> list[str]:
    """Names of the registered radial bases, as they stand in potential files."""

@final
class Potential:
    """Functional form and parameters, immutable."""

    @staticmethod
    def new(
        level: int,
        species: list[str],
        cutoff: float,
        min_distance: float,
        radial_size: int,
        radial_basis: str,
        max_factors: int,
        max_mu: int,
        max_nu: int,
    ) -> Potential: ...
    @property
    def name(self) -> str: ...
    @property
    def species(self) -> list[str]:
        """Element symbols; empty if the file names none."""
    @property
    def species_count(self) -> int: ...
    @property
    def level(self) -> int: ...
    @property
    def cutoff(self) -> float: ...
    @property
    def min_distance(self) -> float: ...
    @property
    def scaling(self) -> float: ...
    @property
    def radial_basis(self) -> str: ...
    @property
    def radial_size(self) -> int: ...
    @property
    def radial_function_count(self) -> int: ...
    @property
    def trained(self) -> bool: ...
    @property
    def parameters(self) -> Floats:
        """A copy, in the order radial | species | linear."""
    @property
    def basics(self) -> Integers:
        """Basic moments, shape [n, 4]: mu, a, b, c."""
    @property
    def products(self) -> Integers:
        """The file's product list, shape [n, 4]: left, right, multiplier, target."""
    @property
    def scalars(self) -> Integers:
        """Which moments are the scalar basis functions, shape [n]."""
    @property
    def moment_count(self) -> int: ...
    def with_parameters(self, parameters: ArrayLike) -> Potential: ...
    def radial_values(self, distances: ArrayLike) -> Floats:
        """Radial basis at distances [n] in angstrom, without coefficients, shape [n, size]."""
    def with_species(self, species: list[str]) -> Potential: ...
    def with_zbl(self, inner: ArrayLike, outer: ArrayLike) -> Potential:
        """With a ZBL core between the species; radii in angstrom, shape [species, species]."""
    @property
    def zbl_radii(self) -> Floats | None:
        """Inner and outer radii of the core, shape [species, species, 2]; None without one."""
    def with_ensemble(
        self, members: ArrayLike, energy_errors: ArrayLike, force_errors: ArrayLike
    ) -> Potential:
        """With members, shape [members, species + scalars]; errors: `ErrorModel.numbers`."""
    @property
    def members(self) -> Floats:
        """Species energies and linear coefficients, shape [members, species + scalars]."""
    @property
    def ensemble_errors(self) -> tuple[list[float], list[float]] | None:
        """Of energies and of forces."""
    def member(self, number: int) -> Potential:
        """One of the members, without the others."""
    def deviation(self, number: int) -> Potential:
        """Subtract the potential from a member: energies are linear in it; no core."""
    def keep_scalars(self, kept: list[int]) -> Potential:
        """Leave out the other scalars, and all that only they need; ascending positions."""

@final
class Selection:
    """Active set and its origin, as the selection section of an .almtp file holds it."""

    def __init__(
        self,
        active_set: ActiveSet,
        weights: tuple[float, float, float, float],
        weight_scaling: int,
        origins: ArrayLike,
        configurations: str,
    ) -> None: ...
    @property
    def active_set(self) -> ActiveSet:
        """A copy: `select` on it leaves the selection as it is. Keep it to grade many rows."""
    @property
    def weights(self) -> tuple[float, float, float, float]:
        """Of the rows of energy, forces, virial and sites; see `mtpot.grading.RowWeights`."""
    @property
    def weight_scaling(self) -> int: ...
    @property
    def origins(self) -> Integers:
        """Shape [n, 2]: configuration and equation of each row, -1 if unset."""
    @property
    def configurations(self) -> str:
        """The selected configurations as .cfg text."""

class Cost:
    @property
    def floating_point_operations(self) -> float:
        """Of the engine's arithmetic; a fused multiply-add counts as two."""
    @property
    def effort(self) -> float:
        """Estimated nanoseconds, see cost.hpp; elsewhere in proportion to time."""

def cost(potential: Potential, neighbors: float) -> Cost:
    """Cost of energies and forces of an atom with so many neighbors.

    Scalars with a coefficient of zero cost nothing.
    """

def read_potential(path: str) -> tuple[Potential, Selection | None]: ...
def parse_potential(content: bytes, path: str) -> tuple[Potential, Selection | None]:
    """Read the content of a file; `path` stands in messages."""

def format_potential(potential: Potential, selection: Selection | None = None) -> bytes:
    """Content of an .mtp (without selection) or .almtp file."""

@final
class ActiveSet:
    def __init__(self, size: int) -> None: ...
    @staticmethod
    def restore(matrix: ArrayLike, inverse_transposed: ArrayLike) -> ActiveSet: ...
    @property
    def size(self) -> int: ...
    @property
    def matrix(self) -> Floats: ...
    @property
    def inverse_transposed(self) -> Floats: ...
    def grade(self, rows: ArrayLike) -> Floats:
        """Grades of rows [m, size], shape [m]."""
    def select(self, rows: ArrayLike, threshold: float) -> list[tuple[int, int, float]]:
        """Swap rows in until none exceeds the threshold: (position, row, grade) of each swap."""
    def log_determinant(self) -> float: ...

@final
class Neighborhoods:
    """All atoms of one structure as centers, from an unsorted full list of pairs.

    species: type of each atom, shape [n]; centers and neighbors: shape [pairs];
    vectors: r_j - r_i, shape [pairs, 3], angstrom.
    """

    def __init__(
        self, species: ArrayLike, centers: ArrayLike, neighbors: ArrayLike, vectors: ArrayLike
    ) -> None: ...
    @property
    def atom_count(self) -> int: ...
    @property
    def pair_count(self) -> int: ...

NO_PAIR_COUPLINGS: str
"""What to tell the user of a potential that does not couple pairs."""

@final
class Evaluator:
    def __init__(self, potential: Potential, precision: str = "double") -> None:
        """Compile for a precision, "double" or "mixed"."""
    @property
    def couples_pairs(self) -> bool:
        """Whether the list of products was rewritten as pair couplings, the faster form."""
    def evaluate(
        self, neighborhoods: Neighborhoods, threads: int = 0
    ) -> tuple[Floats, Floats, Floats]:
        """Site energies [n], forces [n, 3], virial [3, 3] (W = -V sigma, eV)."""

@final
class Grader:
    """Extrapolation grades of sites, with the active set as it is now."""

    def __init__(self, potential: Potential, active_set: ActiveSet) -> None: ...
    def with_active_set(self, active_set: ActiveSet) -> Grader:
        """Return the potential's grader with another active set, in little time."""
    def grades(self, neighborhoods: Neighborhoods, threads: int = 0) -> Floats:
        """Grades of the sites, shape [n]."""

@final
class LabeledFrame:
    """A structure with its labels and weights; a weight of zero means "no such label".

    virial: W = -V sigma in eV, xx yy zz yz xz xy; force_weights: one per atom.
    """

    def __init__(
        self,
        neighborhoods: Neighborhoods,
        energy: float,
        forces: ArrayLike,
        virial: ArrayLike,
        energy_weight: float,
        force_weights: ArrayLike,
        virial_weight: float,
    ) -> None: ...
    @property
    def neighborhoods(self) -> Neighborhoods: ...
    @property
    def energy(self) -> float: ...
    @property
    def forces(self) -> Floats:
        """A copy, shape [n, 3]."""
    @property
    def virial(self) -> Floats:
        """A copy, shape [6]."""
    @property
    def energy_weight(self) -> float: ...
    @property
    def force_weights(self) -> Floats:
        """A copy, shape [n]."""
    @property
    def virial_weight(self) -> float: ...

@final
class Design:
    def __init__(self, potential: Potential) -> None: ...
    def rows(self, neighborhoods: Neighborhoods, threads: int = 0) -> Floats:
        """dV_i/dtheta, shape [n, parameters]."""
    def tangents(
        self, neighborhoods: Neighborhoods, linear_only: bool = False
    ) -> tuple[Floats, Floats]:
        """Differentiate: [1 + 3 n + 6, columns] and the values [1 + 3 n + 6].

        Rows: energy, force components, virial xx yy zz yz xz xy.
        """
    def normal_equations(
        self, frames: list[LabeledFrame], linear_only: bool, threads: int = 0
    ) -> Floats:
        """Gram matrix of the weighted [J | label - prediction], shape [m + 1, m + 1].

        The virial's nine components count: the off-diagonal ones twice.
        J has the columns species | linear, or radial | species | linear.
        """
    def gradient(self, frames: list[LabeledFrame], threads: int = 0) -> Floats:
        """Last column of that matrix with all columns, in less time; shape [m + 1]."""

@final
class ImageLists:
    """Full neighbor lists of n atoms and the periodic images that they name.

    pairs: each pair of atoms i, j once, shape [pairs, 2]; shifts: the cell vectors S by which the
    image of j is shifted, r_ij = r_j - r_i + S H, shape [pairs, 3].
    """

    def __init__(self, atom_count: int, pairs: ArrayLike, shifts: ArrayLike) -> None: ...
    @property
    def atom_count(self) -> int: ...
    @property
    def entry_count(self) -> int:
        """Entries of all lists together, twice the number of pairs."""
    @property
    def owners(self) -> NDArray[np.int32]:
        """Atoms that the images are of, shape [images]."""
    @property
    def shifts(self) -> NDArray[np.int32]:
        """Shifts of the images in cell vectors, shape [images, 3]."""

ListResults: TypeAlias = tuple[Floats, Floats, Floats, Floats | None, Floats | None, Floats | None]

@final
class ListEvaluator:
    """Evaluates atoms with neighbor lists; a grader gives grades, a design the sum of rows."""

    def __init__(
        self, evaluator: Evaluator, grader: Grader | None = None, design: Design | None = None
    ) -> None: ...
    def evaluate(
        self, lists: ImageLists, positions: ArrayLike, types: ArrayLike, threads: int = 0
    ) -> ListResults:
        """Site energies [n], forces [n, 3], virial [3, 3], grades [n], sum of rows [parameters].

        With an ensemble also by how much its members' site energies differ, [n, members].

        positions, types: of atoms, then images. Entries of lists beyond the cutoff cost little.
        """
