"""Cutting the neighborhoods of extrapolating sites out of a large structure."""

from mtpot.active.cut.sites import Cut, NoCellError, cut_sites

__all__ = ["Cut", "NoCellError", "cut_sites"]
