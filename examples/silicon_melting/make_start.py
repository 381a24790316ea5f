"""Write start.xyz: 32 atoms of diamond silicon in a cell whose edges are 9.35 Å long."""

from ase.build import bulk, make_supercell
from ase.io import write

SHAPE = [[3, -1, -1], [-1, 3, -1], [-1, -1, 3]]

write("start.xyz", make_supercell(bulk("Si", a=5.40), SHAPE))
