"""Learning on the fly: one simulation that stops for a label whenever its grade says so.

Jinnouchi et al., Phys. Rev. Lett. 122 (2019) 225701, with the extrapolation grade of Podryabinkin &
Shapeev, Comput. Mater. Sci. 140 (2017) 171, to decide. After a label the linear coefficients are
refitted in place, and the simulation goes on from the same positions and momenta; whenever the
training set has grown by half, all parameters are trained anew.

A stretch is what runs between two labels; its number is that of the iteration. Where a run stands
is a fact of its store, as in `mtpot.active.loop`, and the state of the simulation another: a run
that was killed goes on from the state kept last, along the same trajectory.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.io import write

from mtpot.active.explorers import explorers_of
from mtpot.active.explorers.common import thinned
from mtpot.active.explorers.dynamics import heated
from mtpot.active.explorers.kept import Dynamics, restore, state_of
from mtpot.active.explorers.md import MolecularDynamics
from mtpot.active.loop import Position, begin, begun, read_starts, starts_of
from mtpot.active.select import extend_selection
from mtpot.active.training import GRADED, GROWTH, begun_anew, keep, labeled_frames, train_on_labels
from mtpot.active.wording import counted
from mtpot.calculator import MTPCalculator
from mtpot.errors import InputError, MtpotError
from mtpot.potential import MTP
from mtpot.train.growing import GrowingFit
from mtpot.train.solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtpot.active.driver import Run
    from mtpot.active.settings import LearnSettings
    from mtpot.data.frame import Frame

TRAJECTORY = "trajectory.xyz"
"""File in the folder of a finished run: the simulation every so often, with ps, grade and K."""
SIMULATION = "simulation"
"""Name of the fact that holds step, time (ps) and state of the simulation."""
BLOCK = 100
"""Looks at the grade from one kept state to the next."""
_RECORDED = 20
"""Of these looks."""
_MAY_CHANGE = ("time", "every", "snapshots")
"""Keys of [[explore]] that may be others when a run goes on."""


def learn(run: Run) -> None:
    """Go on from where the run stands until the simulation is finished.

    Raises
    ------
    InputError
        Settings, structures or data do not fit.
    MtpotError
        The run cannot go on: too many failures, one where forces cannot be trusted, or its budget
        is used up.
    """
    simulation = simulation_of(run.settings)
    if not begun(run):
        begin(run)
    _take_changes(run, simulation)
    _OnTheFly(run, simulation).go_on()


def _take_changes(run: Run, simulation: MolecularDynamics) -> None:
    """Train anew if settings of training have changed, and go on if there is more to simulate."""
    store, changed = run.store, run.store.fact("changed", [])
    iteration, phase = Position(*store.fact("position"))
    kept = store.fact(SIMULATION)
    if kept is not None:
        _check_same(kept["table"], simulation)
    with store.transaction():
        store.set_fact("changed", [])
        if phase == "finished" and kept["step"] < simulation.steps:
            phase = "explore"
        if phase == "finished" and changed:
            run.tell(f"{', '.join(changed)}: no effect, since the simulation is finished")
        elif "train" in changed and phase in ("train", "explore"):
            name = f"{iteration:03d}"
            shutil.rmtree(run.folder / "trainings" / name, ignore_errors=True)
            store.forget("training", name)
            phase = "train"
        store.set_fact("position", (iteration, phase))


def simulation_of(settings: LearnSettings) -> MolecularDynamics:
    """Return the one simulation that the settings ask for.

    Raises
    ------
    InputError
        They ask for another number or kind, for structures that cannot be labeled, or for a
        training whose result cannot be refitted in place; says what to change.
    """
    explorers = explorers_of(settings)
    if len(explorers) != 1 or not isinstance(explorers[0], MolecularDynamics):
        raise InputError(
            'mode on-the-fly runs one simulation: give one table [[explore]] with engine = "md", '
            "or mode = iterations"
        )
    if len(explorers[0].variants()) != 1:
        raise InputError(
            "mode on-the-fly runs one simulation: give one temperature and one pressure in "
            "[[explore]] (final-temperature makes a ramp), or mode = iterations"
        )
    _check_start(settings, explorers[0])
    _check_training(settings)
    return explorers[0]


def _check_start(settings: LearnSettings, simulation: MolecularDynamics) -> None:
    starts = read_starts(settings)
    if len(starts) != 1:
        raise InputError(
            f"mode on-the-fly runs one simulation, and start has {len(starts)} structures: give "
            "one (others can be labeled before, as data)"
        )
    atoms, most = len(starts[0]) * math.prod(simulation.repeat), settings.plan().max_atoms
    if atoms > most:
        raise InputError(
            f"mode on-the-fly labels the whole structure, which has {atoms} atoms; [label] "
            f"max-atoms is {most}: raise it, or lower repeat"
        )


def _check_training(settings: LearnSettings) -> None:
    training = settings.training((), settings.output)
    if SOLVERS[training.solver].linear and training.solver != "least-squares":
        raise InputError(
            f"[train] solver {training.solver}: mode on-the-fly refits coefficients by least "
            "squares; leave the solver out, or give mode = iterations"
        )
    if training.ridge == "auto":
        raise InputError(
            "[train] ridge auto: mode on-the-fly refits with the ridge of the training; give a "
            "number, such as 1e-10, or mode = iterations"
        )


class _OnTheFly:
    """A run at work, with what does not have to be made anew in every phase."""

    def __init__(self, run: Run, simulation: MolecularDynamics) -> None:
        self._run = run
        self._store = run.store
        self._simulation = simulation
        self._fit: GrowingFit | None = None

    def go_on(self) -> None:
        """Do one phase after the other."""
        phases = {"label": self._label, "train": self._train, "explore": self._simulate}
        while True:
            position = Position(*self._store.fact("position"))
            if position.phase == "finished":
                return
            phases[position.phase](position.iteration)

    def _label(self, iteration: int) -> None:
        self._run.label_all()
        if not self._store.counts()["done"]:
            raise MtpotError("no structure could be labeled; mlp learn --status shows why")
        asked = self._store.entries(iteration=iteration)
        if any(each.state == "done" for each in asked):
            self._store.set_fact("position", (iteration, "train"))
            return
        limit = self._run.settings.break_threshold
        if not all(each.grade is not None and each.grade < limit for each in asked):
            raise MtpotError(
                f"the simulation has come to a structure with a grade above break-threshold, "
                f"{limit:g}, and it could not be labeled (mlp learn --status shows why): --resume "
                "--retry tries it again; or begin a run with more initial structures"
            )
        self._store.set_fact("position", (iteration, "explore"))

    def _train(self, iteration: int) -> None:
        # One that was killed after this training has its record, and its potential.
        if f"{iteration:03d}" not in self._store.events("training"):
            frames = labeled_frames(self._store)
            if len(frames) >= GROWTH * begun_anew(self._run):
                self._fit = None
                train_on_labels(self._run, iteration)
            else:
                self._refit(iteration, frames)
        self._tell_of_training(iteration)
        self._store.set_fact("position", (iteration, "explore"))

    def _refit(self, iteration: int, frames: list[Frame]) -> None:
        """Add the new frames to the sums and to the active set."""
        started = time.perf_counter()
        trainings = self._store.events("training")
        if self._fit is None:
            name = [name for name, training in trainings.items() if training["fresh"]][-1]
            count = trainings[name]["frames"]
            settings = self._run.settings.training(
                tuple(self._store.fact("species")), self._run.folder
            )
            self._fit = GrowingFit(self._potential(name), frames[:count], settings)
        for frame in frames[self._fit.count :]:
            self._fit.add(frame)
        potential, loss = self._fit.solve()
        last, training = list(trainings.items())[-1]
        selection = self._potential(last).selection
        assert selection is not None
        selection = extend_selection(
            potential, selection, frames[training["frames"] :], self._run.settings.threads
        )
        keep(
            self._run,
            iteration,
            MTP(potential.core, selection),
            frames,
            seconds=time.perf_counter() - started,
            loss=loss,
            fresh=False,
        )

    def _tell_of_training(self, iteration: int) -> None:
        training = self._store.events("training")[f"{iteration:03d}"]
        errors = training["errors"]
        self._run.tell(
            f"{'trained on' if training['fresh'] else 'refitted to'} {training['frames']} frames  "
            f"{1e3 * (errors['energy_rmse_per_atom'] or 0.0):.2f} meV/atom  "
            f"{errors['force_rmse'] or 0.0:.4f} eV/Å RMSE  {training['seconds']:.1f} s"
        )

    def _potential(self, name: str) -> MTP:
        return MTP.load(self._run.folder / "trainings" / name / GRADED)

    def _simulate(self, iteration: int) -> None:
        last = list(self._store.events("training"))[-1]
        _Stretch(self._run, self._simulation, self._potential(last), iteration).run()


_Place = tuple[int, dict[str, Any]]
"""Step and state of the simulation."""


class _Stretch:
    """The simulation from the state kept last to the next label, or to its end."""

    def __init__(
        self, run: Run, simulation: MolecularDynamics, potential: MTP, iteration: int
    ) -> None:
        self._run, self._store, self._settings = run, run.store, run.settings
        self._simulation = simulation
        self._iteration = iteration
        ((_, self._variant),) = simulation.variants()
        self._looks: list[tuple[float, float, float]] = []  # time in ps, grade, temperature in K
        seed = int(np.random.SeedSequence([self._settings.seed, 0, 0]).generate_state(1)[0])
        (start,) = starts_of(self._store)
        self._atoms = heated(start, simulation, self._variant["temperature"], seed)
        self._atoms.calc = MTPCalculator(potential, threads=self._settings.threads or None)
        self._seed = seed
        self._dynamics = self._begun()
        self._step = 0
        self._sound: _Place | None = None  # where the grade was last in bounds
        self._careful = 0  # step until which each is looked at
        kept = self._store.fact(SIMULATION)
        if kept is not None:
            self._step, self._careful, self._sound = kept["step"], kept["careful"], kept["sound"]
            restore(self._dynamics, kept["state"])

    def _begun(self, state: dict[str, Any] | None = None) -> Dynamics:
        """Return dynamics of the atoms, put into a state."""
        dynamics = self._simulation.dynamics(self._atoms, self._variant, self._seed)
        if state is not None:
            restore(dynamics, state)
        return dynamics

    def run(self) -> None:
        """Look, move and keep the state, in this order, so that all of it can be taken up."""
        while not self._is_over():
            every = 1 if self._step < self._careful else self._simulation.every
            self._step = self._simulation.advance(self._dynamics, self._variant, self._step, every)
            if len(self._looks) == BLOCK:
                self._keep()

    def _is_over(self) -> bool:
        """Look at the structure; ask for its label if it is worth one."""
        self._atoms.get_forces()
        grade = self._atoms.calc.results["grade"]
        if not grade <= self._settings.break_threshold and self._went_back(grade):
            return False
        self._looks.append((self._time, grade, float(self._atoms.get_temperature())))
        if not grade <= self._settings.select_threshold and self._ask(grade):
            return True
        if grade <= self._settings.break_threshold:
            self._sound = self._step, state_of(self._dynamics)
        if self._step < self._simulation.steps:
            return False
        left = len(self._store.entries("set-aside", origin="md"))
        with self._store.transaction():
            self._keep()
            self._write_trajectory()
            self._store.set_fact("left", left)
            self._store.set_fact("position", (self._iteration, "finished"))
        known = f"; {counted(left, 'structure')} that extrapolated could not be labeled"
        self._run.tell(f"{self._time:g} ps: finished{known if left else ''}")
        return True

    def _went_back(self, grade: float) -> bool:
        """Go back to where the grade was in bounds, to look at every step from there.

        The structure that is worth a label lies between; beyond the upper threshold, the steps that
        led to it are not to be trusted. False if they have been looked at one by one.
        """
        if self._sound is None or self._sound[0] >= self._step - 1 or self._step <= self._careful:
            return False
        beyond, self._careful = self._time, self._step
        self._step, state = self._sound
        self._dynamics = self._begun(state)
        self._run.tell(f"{beyond:g} ps: grade {grade:.3g}, back to {self._time:g} ps")
        return True

    def _ask(self, grade: float) -> bool:
        """Queue the structure; False if it has been tried before, and was set aside.

        Above the upper threshold the steps that led to it are not to be trusted: the simulation
        goes on from where it was before them.
        """
        most = self._settings.max_labels
        if self._store.calculated()[0] >= most:
            raise MtpotError(
                f"max-labels {most} are used up after {self._time:g} ps, and a structure "
                "extrapolates: raise it, and go on with --resume"
            )
        structure = self._atoms.copy()
        iteration = self._iteration + 1
        with self._store.transaction():
            number = self._store.add(
                structure, state="queued", origin="md", iteration=iteration, grade=grade
            )
            if number is None:
                return False
            self._keep(
                self._sound if grade > self._settings.break_threshold else None, labeled=True
            )
            self._store.set_fact("position", (iteration, "label"))
        self._run.tell(f"{self._time:g} ps: grade {grade:.3g}, structure {number} needs a label")
        return True

    @property
    def _time(self) -> float:
        """In ps."""
        return 1e-3 * self._simulation.timestep * self._step

    def _keep(self, place: _Place | None = None, labeled: bool = False) -> None:
        """Keep the state, or an earlier one, and record what has been seen since the last."""
        step, state = place or (self._step, state_of(self._dynamics))
        seen: dict[str, Any] = {"looks": thinned(self._looks, _RECORDED)}
        if not labeled:
            seen |= {name: state[name] for name in ("positions", "cell")}
        kept = {
            "step": step,
            "time": 1e-3 * self._simulation.timestep * step,
            "state": state,
            "careful": self._careful,
            "sound": self._sound,
            "table": _what_it_is(self._simulation),
        }
        with self._store.transaction():
            self._store.set_fact(SIMULATION, kept)
            self._store.record("md", f"{self._iteration:03d}/{self._step:09d}", seen)
        self._looks.clear()

    def _write_trajectory(self) -> None:
        """Write the states that were kept on the way, of which none has a label."""
        images = []
        for seen in self._store.events("md").values():
            if "positions" in seen:
                image = Atoms(
                    self._atoms.numbers,
                    positions=seen["positions"],
                    cell=seen["cell"],
                    pbc=self._atoms.pbc,
                )
                image.info["time"], image.info["grade"], image.info["temperature"] = seen["looks"][
                    -1
                ]
                images.append(image)
        write(self._run.folder / TRAJECTORY, images, format="extxyz")


def _what_it_is(simulation: MolecularDynamics) -> dict[str, Any]:
    """Return the keys that cannot change while it is under way."""
    keys = {key: value for key, value in asdict(simulation).items() if key not in _MAY_CHANGE}
    if simulation.final_temperature is not None:
        keys["time"] = simulation.time  # of which the heating rate is made
    return dict(json.loads(json.dumps(keys)))


def _check_same(before: Mapping[str, Any], simulation: MolecularDynamics) -> None:
    now = _what_it_is(simulation)
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if old != new:
            raise InputError(
                f"[[explore]] {key.replace('_', '-')} was {old} when the simulation began, and is "
                f"{new} now: give what it was, or another --output"
            )
