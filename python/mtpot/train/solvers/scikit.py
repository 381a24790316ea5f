"""Regressions of scikit-learn, from normal equations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.errors import InputError

try:
    from sklearn.linear_model import ARDRegression, BayesianRidge, lasso_path
except ImportError as error:
    raise InputError(
        "this solver is one of scikit-learn: pip install 'mtpot[regression]'"
    ) from error

if TYPE_CHECKING:
    from mtpot.train.centered import Centered
    from mtpot.train.solvers.common import Floats

__all__ = ["ARDRegression", "BayesianRidge", "few_rows", "lasso_path"]


def few_rows(centered: Centered) -> tuple[Floats, Floats]:
    """Matrix Z and labels y with the same Z^T Z, Z^T y and y^T y as all rows together.

    At most one row more than columns: a regression that asks for rows, but uses no more than these
    products of them, needs no others, however many labels there are.
    """
    column = centered.vector[:, None]
    square = np.array([[centered.square]])
    values, vectors = np.linalg.eigh(np.block([[centered.matrix, column], [column.T, square]]))
    real = values > len(values) * np.finfo(float).eps * values[-1]
    rows = np.sqrt(values[real])[:, None] * vectors.T[real]
    return rows[:, :-1], rows[:, -1]
