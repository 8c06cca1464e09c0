"""The pieces of work: one network, one length, one fold, each a run of its own, so that jobs on
different machines never write the same folder."""

import contextlib
import fcntl
import glob
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .paper import MODELS, SECONDS, WORK


@dataclass(frozen=True)
class Unit:
    model: str
    seconds: int
    fold: int

    @property
    def name(self):
        return f"{self.seconds}s-fold{self.fold}-{self.model}"

    @property
    def work(self):
        return WORK[self.model, self.seconds]

    def title(self):
        return f"{self.model} {self.seconds} s fold {self.fold}"


def all_units(folds):
    """In the order that fills the rows of Table 3 soonest: the cheapest row first, each row whole,
    and a length's trunks before the networks that join them."""
    return [Unit(model, seconds, fold) for seconds in SECONDS for model in MODELS
            for fold in range(folds)]


def share(units, job, jobs):
    """Job `job` of `jobs`: whole chains of one length and fold, so that no job waits for another."""
    chains = sorted({(unit.seconds, unit.fold) for unit in units})
    mine = set(chains[job::jobs])
    return [unit for unit in units if (unit.seconds, unit.fold) in mine]


class Place:
    """Where everything lies below --out."""

    def __init__(self, out):
        self.out = Path(out)
        self.store = self.out / "data"
        self.scores = self.out / "scores"

    def run(self, unit):
        return self.out / "units" / unit.name

    def checkpoint_folder(self, unit):
        return self.run(unit) / f"fold-{unit.fold}" / unit.model

    def record(self, unit):
        """{"settings", "seconds"} of a finished unit, or None."""
        try:
            return json.loads((self.run(unit) / "finished.json").read_text())
        except (OSError, ValueError):
            return None

    def finish(self, unit, record):
        write_whole(self.run(unit) / "finished.json", json.dumps(record) + "\n")

    def link_trunks(self, unit):
        """Shows a cnn-comb unit the trunks that it joins. Returns one that is not finished."""
        for model in MODELS[:2]:
            trunk = Unit(model, unit.seconds, unit.fold)
            if not self.record(trunk):
                return trunk
            link(self.checkpoint_folder(trunk), self.run(unit) / f"fold-{unit.fold}" / model)
        return None

    def row(self, seconds, units):
        """A run that holds the finished `units` of one length, for evaluate."""
        folder = self.out / "rows" / f"{seconds}s"
        for unit in units:
            link(self.checkpoint_folder(unit), folder / f"fold-{unit.fold}" / unit.model)
        # All are alike but for the fold that they trained, which scoring does not look at.
        write_whole(folder / "run.json", (self.run(units[0]) / "run.json").read_text())
        return folder


def link(target, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        try:
            path.symlink_to(os.path.relpath(target, path.parent))
        except FileExistsError:  # another job was quicker
            pass


def write_whole(path, text):
    """The file appears whole or not at all, as engine/files.h writes it: beside, under a lock that
    says that its writer lives; what a killed writer left is removed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(OSError), open(left, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    written = False
    while not written:  # another job that clears away may take an empty file for a dead one's
        with contextlib.suppress(BlockingIOError), open(beside, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink == 0:
                continue
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            beside.replace(path)
            written = True
