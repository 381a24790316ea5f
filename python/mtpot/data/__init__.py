"""Structures and their labels: reading, checking, splitting and writing them.

Only this folder knows the conventions of file formats; what it hands on is in eV and angstrom.
"""

from mtpot.data.frame import Frame
from mtpot.data.read import read_atoms, read_frames
from mtpot.data.write import check_format, write_atoms

__all__ = ["Frame", "check_format", "read_atoms", "read_frames", "write_atoms"]
