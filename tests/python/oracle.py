"""A moment tensor potential in plain NumPy, written for clarity: the tests' independent oracle.

It shares nothing with the package: it reads potential files itself, finds neighbors by going
through all periodic images, and evaluates the product list of the file in the order in which it
stands. Formulas: Shapeev, Multiscale Model. Simul. 14 (2016) 1153, with the conventions of MLIP-3
(Podryabinkin et al., J. Chem. Phys. 159 (2023) 084112):

    M_k(i) = sum_j f_mu(r_ij) x^a y^b z^c / r^(a+b+c),    m[t] += multiplier * m[l] * m[r],
    f_mu(r; z_i, z_j) = s * sum_beta c[z_i, z_j, mu, beta] * T_beta(xi) * (r - r_max)^2,
    V_i = e[z_i] + sum_alpha xi_alpha m[scalar_alpha] + sum_j core(r_ij).

Everything is a polynomial in the parameters, so that they may be complex numbers: the imaginary
part of a result at theta + i h d, divided by h, is its derivative along d to rounding
(`along`), and needs no code of its own.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from pathlib import Path

Array = NDArray[Any]

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class Pairs:
    """Full list of pairs within the cutoff: center i, neighbor j, r_j - r_i in angstrom."""

    centers: Array
    neighbors: Array
    vectors: Array


@dataclass(frozen=True)
class Prediction:
    """Energies in eV, forces [n, 3] in eV/angstrom, virial W = -V sigma [3, 3] in eV."""

    site_energies: Array
    forces: Array
    virial: Array

    @property
    def energy(self) -> Any:
        """Total energy, eV."""
        return self.site_energies.sum()

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """Site energies, forces, virial, as the engine returns them."""
        return self.site_energies, self.forces, self.virial

    @property
    def vector(self) -> Array:
        """Energy, force components, virial xx yy zz yz xz xy: the rows of tangents."""
        virial = [self.virial[a, b] for a, b in VOIGT]
        return np.concatenate([[self.energy], self.forces.ravel(), virial])


@dataclass(frozen=True)
class Zbl:
    """Screened repulsion of nuclei: numbers [C]; radii [C, C, 2], inner and outer, angstrom."""

    numbers: Array
    radii: Array

    def energies(self, centers: Array, neighbors: Array, distances: Array) -> tuple[Array, Array]:
        """Of pairs of types, eV, and their derivatives, eV/angstrom: both [pairs]."""
        charges = self.numbers[[centers, neighbors]]
        inner, outer = np.moveaxis(self.radii[centers, neighbors], -1, 0)
        x = distances / (0.46850 / (charges**0.23).sum(axis=0))
        terms = [
            (0.18175, 3.19980),
            (0.50986, 0.94229),
            (0.28022, 0.40290),
            (0.02817, 0.20162),
        ]
        bare = 14.399645 * charges.prod(axis=0) / distances
        phi = sum(a * np.exp(-b * x) for a, b in terms)
        slope = sum(-a * b * np.exp(-b * x) for a, b in terms) * x / distances
        t = np.clip((distances - inner) / (outer - inner), 0, 1)
        switch = 1 - 10 * t**3 + 15 * t**4 - 6 * t**5
        fall = -30 * t**2 * (1 - t) ** 2 / (outer - inner)
        energies = bare * phi
        slopes = bare * (slope - phi / distances)
        return switch * energies, switch * slopes + fall * energies


@dataclass(frozen=True)
class Oracle:
    """Functional form and parameters of one potential.

    radial: [C (center), C (neighbor), K, R]; species: [C], eV; linear: one per scalar;
    basics: [n, 4] of mu a b c; products: [n, 4] of left right multiplier target.
    """

    basis: str
    min_distance: float
    cutoff: float
    scaling: float
    radial: Array
    species: Array
    linear: Array
    basics: Array
    products: Array
    scalars: Array
    moment_count: int
    zbl: Zbl | None = None

    @property
    def parameters(self) -> Array:
        """All parameters in the order radial | species | linear."""
        return np.concatenate([self.radial.ravel(), self.species, self.linear])

    def with_parameters(self, parameters: Array) -> Oracle:
        """The same form with other parameters, which may be complex."""
        radial, species, linear = np.split(
            parameters, [self.radial.size, self.radial.size + self.species.size]
        )
        return replace(
            self, radial=radial.reshape(self.radial.shape), species=species, linear=linear
        )

    def predict(
        self, types: ArrayLike, positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike
    ) -> Prediction:
        """Energy, forces and virial of a structure; types are 0-based."""
        types = np.asarray(types)
        pairs = find_pairs(positions, cell, pbc, self.cutoff)
        moments, adjoints = self._moments(types, pairs)
        core, core_slope = self._core(types, pairs)
        energies = self.species[types] + moments[:, self.scalars] @ self.linear
        np.add.at(energies, pairs.centers, core)
        gradients = self._pair_gradients(types, pairs, adjoints, core_slope)
        forces = np.zeros((len(types), 3), gradients.dtype)
        np.add.at(forces, pairs.centers, gradients)
        np.subtract.at(forces, pairs.neighbors, gradients)
        return Prediction(energies, forces, -pairs.vectors.T @ gradients)

    def along(
        self,
        direction: Array,
        types: ArrayLike,
        positions: ArrayLike,
        cell: ArrayLike,
        pbc: ArrayLike,
    ) -> Prediction:
        """Derivative of the prediction along a direction of the parameters."""
        step = 1e-30
        moved = self.with_parameters(self.parameters + 1j * step * direction)
        result = moved.predict(types, positions, cell, pbc)
        return Prediction(
            result.site_energies.imag / step, result.forces.imag / step, result.virial.imag / step
        )

    def rows(
        self, types: ArrayLike, positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike
    ) -> Array:
        """dV_i/dtheta, shape [n, parameters]."""
        types = np.asarray(types)
        pairs = find_pairs(positions, cell, pbc, self.cutoff)
        count = len(types)
        moments, adjoints = self._moments(types, pairs)
        phi, _ = self._basis(np.linalg.norm(pairs.vectors, axis=1))
        angular, _ = self._angular(pairs.vectors)
        weights = adjoints[pairs.centers, : len(self.basics)] * angular
        radial = np.zeros((count, *self.radial.shape))
        where = (pairs.centers, types[pairs.centers], types[pairs.neighbors])
        for k, mu in enumerate(self.basics[:, 0]):
            np.add.at(
                radial, (*where, np.full(len(phi), mu)), self.scaling * weights[:, k, None] * phi
            )
        one_hot = np.eye(len(self.species))[types]
        return np.hstack([radial.reshape(count, -1), one_hot, moments[:, self.scalars]])

    def _moments(self, types: Array, pairs: Pairs) -> tuple[Array, Array]:
        """All moments of all sites, and the derivatives of V_i in them: both [n, moments]."""
        values, _ = self._radial(types, pairs)
        angular, _ = self._angular(pairs.vectors)
        moments = np.zeros((len(types), self.moment_count), values.dtype)
        np.add.at(
            moments[:, : len(self.basics)], pairs.centers, values[:, self.basics[:, 0]] * angular
        )
        for left, right, multiplier, target in self.products:
            moments[:, target] += multiplier * moments[:, left] * moments[:, right]
        adjoints = np.zeros(moments.shape, np.result_type(moments, self.linear))
        np.add.at(adjoints, (slice(None), self.scalars), self.linear)
        for left, right, multiplier, target in self.products[::-1]:
            adjoints[:, left] += multiplier * adjoints[:, target] * moments[:, right]
            adjoints[:, right] += multiplier * adjoints[:, target] * moments[:, left]
        return moments, adjoints

    def _pair_gradients(
        self, types: Array, pairs: Pairs, adjoints: Array, core_slope: Array
    ) -> Array:
        """dV_i/dr_ij of each pair, shape [pairs, 3]."""
        unit = pairs.vectors / np.linalg.norm(pairs.vectors, axis=1)[:, None]
        values, slopes = self._radial(types, pairs)
        angular, angular_gradients = self._angular(pairs.vectors)
        mu = self.basics[:, 0]
        weights = adjoints[pairs.centers, : len(self.basics)]
        along_unit = np.sum(weights * slopes[:, mu] * angular, axis=1) + core_slope
        across = np.einsum("pk,pkx->px", weights * values[:, mu], angular_gradients)
        return along_unit[:, None] * unit + across

    def _radial(self, types: Array, pairs: Pairs) -> tuple[Array, Array]:
        """f_mu and its derivative for each pair, both [pairs, K]."""
        phi, slopes = self._basis(np.linalg.norm(pairs.vectors, axis=1))
        coefficients = self.scaling * self.radial[types[pairs.centers], types[pairs.neighbors]]
        return (
            np.einsum("pkr,pr->pk", coefficients, phi),
            np.einsum("pkr,pr->pk", coefficients, slopes),
        )

    def _basis(self, distances: Array) -> tuple[Array, Array]:
        """phi_beta(r) = T_beta(xi) (r - r_max)^2 and its derivative, both [pairs, R]."""
        r, stretch = self._clamped(distances)
        width = self.cutoff - self.min_distance
        xi = (2 * r - self.min_distance - self.cutoff) / width
        gap = (r - self.cutoff)[:, None]
        size = self.radial.shape[-1]
        polynomials = [np.polynomial.Chebyshev.basis(beta) for beta in range(size)]
        t = np.stack([p(xi) for p in polynomials], axis=1)
        dt = np.stack([p.deriv()(xi) for p in polynomials], axis=1) * 2 / width
        slopes = dt * gap**2 + 2 * t * gap
        return t * gap**2, stretch[:, None] * slopes

    def _clamped(self, distances: Array) -> tuple[Array, Array]:
        """The distance that the polynomials see, and its derivative: both [pairs]."""
        if self.basis == "RBChebyshev_repuls":
            outside = distances >= self.min_distance
            return np.where(outside, distances, self.min_distance), outside.astype(float)
        if self.basis == "RBChebyshev_clamped":
            width = self.min_distance / 20
            slope = np.polynomial.Polynomial([0, 0, 3, -2])  # from 0 to 1, level at both
            s = np.clip(1 + (distances - self.min_distance) / width, 0, 1)
            seen = self.min_distance - width / 2 + width * slope.integ()(s)
            return np.where(s < 1, seen, distances), slope(s)
        return distances, np.ones_like(distances)

    def _core(self, types: Array, pairs: Pairs) -> tuple[Array, Array]:
        """Share of a pair in the energy of its center, and its derivative: both [pairs]."""
        distances = np.linalg.norm(pairs.vectors, axis=1)
        energies, slopes = self._wall(distances)
        if self.zbl is not None:
            found = self.zbl.energies(types[pairs.centers], types[pairs.neighbors], distances)
            energies, slopes = energies + found[0] / 2, slopes + found[1] / 2
        return energies, slopes

    def _wall(self, distances: Array) -> tuple[Array, Array]:
        """The repulsion of RBChebyshev_repuls below r_min, and its derivative: both [pairs]."""
        inside = (distances < self.min_distance) & (self.basis == "RBChebyshev_repuls")
        wall = 1e4 * np.exp(-10 * (distances - 1))
        edge = 1e4 * np.exp(-10 * (self.min_distance - 1))
        return np.where(inside, wall - edge, 0.0), np.where(inside, -10 * wall, 0.0)

    def _angular(self, vectors: Array) -> tuple[Array, Array]:
        """x^a y^b z^c / r^nu of each basic, [pairs, basics], and gradients, [pairs, basics, 3]."""
        powers = self.basics[:, 1:]
        distances = np.linalg.norm(vectors, axis=1)
        unit = vectors / distances[:, None]
        factors = unit[:, None, :] ** powers
        values = factors.prod(axis=2)
        gradients = -powers.sum(axis=1)[None, :, None] * values[..., None] * unit[:, None, :]
        for axis in range(3):
            lowered = unit[:, axis, None] ** np.maximum(powers[:, axis] - 1, 0)
            others = np.delete(factors, axis, axis=2).prod(axis=2)
            gradients[..., axis] += powers[:, axis] * lowered * others
        return values, gradients / distances[:, None, None]


def find_pairs(positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, cutoff: float) -> Pairs:
    """Every pair closer than the cutoff, in any cell, from all periodic images in reach.

    Directions that are not periodic may have any cell vector, zero included.
    """
    points = np.asarray(positions, float).reshape(-1, 3)
    periodic = np.asarray(pbc, bool)
    box = _complete(np.asarray(cell, float), periodic)
    inverse = np.linalg.inv(box)
    delta = points[None] - points[:, None]
    nearest = np.where(periodic, np.round(delta @ inverse), 0.0)
    delta = delta - nearest @ box
    heights = 1 / np.linalg.norm(inverse, axis=0)
    reach = np.where(periodic, np.ceil(cutoff / heights + 0.5), 0).astype(int)
    shifts = np.array(list(itertools.product(*(range(-n, n + 1) for n in reach))))
    vectors = delta + (shifts @ box)[:, None, None, :]
    near = np.linalg.norm(vectors, axis=3) < cutoff
    near[~shifts.any(axis=1)] &= ~np.eye(len(points), dtype=bool)  # an atom is not its neighbor
    _, centers, neighbors = np.nonzero(near)
    return Pairs(centers, neighbors, vectors[near])


def _complete(cell: Array, periodic: Array) -> Array:
    """The cell with unit vectors across the periodic ones in the other directions."""
    box = np.where(periodic[:, None], cell, 0.0)
    _, _, basis = np.linalg.svd(box)
    free = list(basis[int(periodic.sum()) :])
    return np.array([row if p else free.pop() for row, p in zip(box, periodic, strict=True)])


def from_engine(potential: Any) -> Oracle:
    """The oracle of an `mtpot.MTP`: the lists and numbers of the engine, none of its code."""
    core = potential.core
    count, size = core.species_count, core.radial_size
    functions = core.radial_function_count
    empty = Oracle(
        basis=core.radial_basis,
        min_distance=core.min_distance,
        cutoff=core.cutoff,
        scaling=core.scaling,
        radial=np.zeros((count, count, functions, size)),
        species=np.zeros(count),
        linear=np.zeros(len(core.scalars)),
        basics=core.basics,
        products=core.products,
        scalars=core.scalars,
        moment_count=core.moment_count,
        zbl=None if core.zbl_radii is None else _zbl(core),
    )
    return empty.with_parameters(np.array(core.parameters))


def _zbl(core: Any) -> Zbl:
    numbers = np.array([atomic_numbers[name] for name in core.species], float)
    return Zbl(numbers, np.array(core.zbl_radii))


def read(path: Path) -> Oracle:
    """A trained .mtp or .almtp file."""
    text = path.read_bytes().split(b"#MVS")[0].decode("ascii")
    count, functions = _number(text, "species_count"), _number(text, "radial_funcs_count")
    size = _number(text, "radial_basis_size")
    tables = text.split("radial_coeffs")[1].split("alpha_moments_count")[0]
    rows = [_floats(row) for row in re.findall(r"\{([^}]*)\}", tables)]
    return Oracle(
        basis=_value(text, "radial_basis_type"),
        min_distance=float(_value(text, "min_dist")),
        cutoff=float(_value(text, "max_dist")),
        scaling=float(_value(text, "scaling", "1")),
        radial=np.array(rows).reshape(count, count, functions, size),
        species=np.array(_floats(_value(text, "species_coeffs"))),
        linear=np.array(_floats(_value(text, "moment_coeffs"))),
        basics=_integers(_value(text, "alpha_index_basic")).reshape(-1, 4),
        products=_integers(_value(text, "alpha_index_times")).reshape(-1, 4),
        scalars=_integers(_value(text, "alpha_moment_mapping")),
        moment_count=_number(text, "alpha_moments_count"),
    )


def read_inverse(path: Path) -> tuple[Array, bool]:
    """A^-T of an .almtp file, and whether it grades sites (True) or configurations."""
    content = path.read_bytes()
    start = content.index(b"#MVS_v1.1")
    header, _, binary = content[start + 9 :].partition(b"\n#")
    per_site = re.search(rb"site_en_weight (\S+)", header)
    assert per_site is not None
    size = len(read(path).parameters)
    numbers = np.frombuffer(binary, np.float64, 2 * size * size)
    return numbers[size * size :].reshape(size, size), float(per_site[1]) > 0


def _value(text: str, key: str, default: str | None = None) -> str:
    found = re.search(rf"^\s*{key} = (.*)$", text, re.MULTILINE)
    value = found[1].strip() if found else default
    assert value is not None, f"{key} is missing"
    return value


def _number(text: str, key: str) -> int:
    return int(_value(text, key))


def _floats(text: str) -> list[float]:
    return [float(word) for word in text.strip("{}").split(",")]


def _integers(text: str) -> Array:
    return np.array([int(word) for word in re.findall(r"-?\d+", text)])
