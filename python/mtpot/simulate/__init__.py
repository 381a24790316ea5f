"""What people compute with a potential: functions of a structure and any ASE calculator."""

from mtpot.simulate.crystal import bulk_modulus, elastic_constants, relaxed
from mtpot.simulate.phonons import phonon_frequencies
from mtpot.simulate.propagate import Propagated, propagate

__all__ = [
    "Propagated",
    "bulk_modulus",
    "elastic_constants",
    "phonon_frequencies",
    "propagate",
    "relaxed",
]
