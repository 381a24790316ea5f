"""Translations that map a structure onto itself near a point: the lattice, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from mtpot.active.cut.surroundings import Floats, Surroundings

_ANCHORS = 64  # atoms that a translation must map onto others
_STARTS = 4  # of them, those whose vectors to other atoms are tried
_MAPPED = 0.8  # of the anchors; the rest may be defects
_TOLERANCE = 0.25  # of the distance to the nearest atom: heat moves atoms by less, in a solid
_REFINEMENTS = 2
_APART = 1e3  # angstrom between species, in the tree's fourth dimension


def find_lattice(large: Surroundings, center: Floats, normals: Floats) -> Floats:
    """Find the shortest translations that map atoms near a point onto atoms.

    Onto atoms of their species, unless there are more that map them onto any.

    Parameters
    ----------
    large, center
        The structure, and a point in it.
    normals
        Unit vectors that translations must be orthogonal to, shape [m, 3].

    Returns
    -------
    Up to three independent vectors in angstrom, shape [rank, 3]: none in a liquid, two in a thin
    slab. In three dimensions the shortest independent vectors of a lattice are a basis.
    """
    whole = 3 - len(normals)
    basis = _lattice(large, center, normals, _APART)
    # In a disordered alloy, places repeat and elements do not.
    blind = basis if len(basis) == whole else _lattice(large, center, normals, 0.0)
    return blind if len(blind) > len(basis) else basis


def _lattice(large: Surroundings, center: Floats, normals: Floats, apart: float) -> Floats:
    """Find the translations, with species so far apart."""
    reach = 2.0 * large.cutoff
    index, vectors = large.around(center, 2.0 * reach)
    points = np.column_stack([vectors, apart * large.types[index]])
    near = np.flatnonzero(np.linalg.norm(vectors, axis=1) <= reach)
    if len(near) < _STARTS:
        return np.zeros((0, 3))
    anchors = points[near[:: -(-len(near) // _ANCHORS)]]
    tree = cKDTree(points)
    tolerance = _tolerance(tree, anchors)
    tried = _differences(points, anchors[:: -(-len(anchors) // _STARTS)], reach)
    tried = tried[(np.abs(tried @ normals.T) < tolerance).all(axis=1)]
    for _ in range(_REFINEMENTS):
        tried = _refined(tree, anchors, tried, tolerance)
    basis = _sharpened(tree, points[near], _shortest_independent(tried, tolerance), reach)
    basis -= basis @ normals.T @ normals
    return _commensurate(large, basis, tolerance)


def _tolerance(tree: cKDTree, points: Floats) -> float:
    return _TOLERANCE * float(np.median(tree.query(points, 2)[0][:, 1]))


def _differences(points: Floats, starts: Floats, reach: float) -> Floats:
    """Vectors from the starts to atoms of their species, one of each pair of opposite ones."""
    vectors: Floats = (points[None] - starts[:, None]).reshape(-1, 4)
    vectors = vectors[np.abs(vectors[:, 3]) < 0.5 * _APART, :3]
    lengths = np.linalg.norm(vectors, axis=1)
    chosen: Floats = vectors[(lengths > 1e-3) & (lengths <= reach)]
    return chosen


def _refined(tree: cKDTree, anchors: Floats, vectors: Floats, tolerance: float) -> Floats:
    """Those that map most anchors onto atoms, moved to where they do so best on average."""
    targets = anchors[None] + np.pad(vectors, ((0, 0), (0, 1)))[:, None]
    distances, nearest = tree.query(targets, distance_upper_bound=tolerance)
    mapped = np.isfinite(distances)
    kept = mapped.mean(axis=1) >= _MAPPED
    places = tree.data[np.where(mapped, nearest, 0)]
    residuals = np.where(mapped[..., None], places - targets, 0.0)[kept, :, :3]
    refined: Floats = vectors[kept] + residuals.sum(axis=1) / mapped[kept].sum(axis=1)[:, None]
    return refined


def _shortest_independent(vectors: Floats, tolerance: float) -> Floats:
    """Up to three vectors, each the shortest that the ones before do not span; shape [rank, 3]."""
    basis: list[Floats] = []
    for vector in vectors[np.argsort(np.linalg.norm(vectors, axis=1))]:
        axes = np.linalg.svd(np.reshape(basis, (-1, 3)))[2]
        if np.linalg.norm(vector @ axes[len(basis) :].T) > 2.0 * tolerance:
            basis.append(vector)
        if len(basis) == 3:
            break
    return np.array(basis).reshape(-1, 3)


def _sharpened(tree: cKDTree, points: Floats, basis: Floats, reach: float) -> Floats:
    """Measure a basis by longer translations and all points, where heat counts less."""
    for multiple in (2, 3):
        longer = multiple * basis
        if np.linalg.norm(longer, axis=1).max(initial=0.0) > reach:
            break
        refined = _refined(tree, points, longer, _tolerance(tree, points))
        if len(refined) < len(basis):
            break
        basis = refined / multiple
    return basis


def _commensurate(large: Surroundings, basis: Floats, tolerance: float) -> Floats:
    """Strain a basis so that the periods of the structure are whole numbers of it, if nearly so.

    What the anchors say of a hot crystal is uncertain; that it fits its cell is exact.
    """
    periods = large.cell[large.pbc]
    if len(basis) != len(periods) or not len(basis):
        return basis
    counts = np.rint(periods @ np.linalg.pinv(basis))
    misfit = np.linalg.norm(periods - counts @ basis, axis=1) / np.abs(counts).sum(axis=1).clip(1)
    if misfit.max() > 0.1 * tolerance or abs(np.linalg.det(counts)) < 0.5:
        return basis
    strained: Floats = np.linalg.inv(counts).astype(np.float64) @ periods
    return strained
