"""A tiny corpus, store and run that nobody disturbed, and what every campaign compares with it."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import runs
import sounds

TOOLS = Path(os.environ["EARSHOT_TOOLS"])
CRASHES = ("terminate called", "Aborted", "what()", "Sanitizer", "runtime error", "Traceback")
LIMIT = 300  # seconds; longer is a hang


class Done:
    def __init__(self, status, errors, output=""):
        self.status, self.errors, self.output = status, errors, output


class Bench:
    def __init__(self, options, work):
        self.o, self.work, self.quick = options, work, options.quick
        self.draw = random.Random(options.seed)
        self.corpus = work / "corpus"
        sounds.make_corpus(self.corpus, train=5, test=1, seconds=0.5)
        self.settings = runs.settings({"checkpoint_seconds": 0, "dropout": 0.1,
                                       "scoring.step": 40960})
        self.store = work / "store"
        self.prepare_seconds = self.timed(self.prepare_command(self.store))
        self.whole = work / "whole"
        self.train_seconds = self.timed(self.train_command(self.whole))
        self.evaluate_seconds = self.timed(self.evaluate_command(self.whole))
        print(f"undisturbed: prepare {self.prepare_seconds:.2f} s, train {self.train_seconds:.2f} s, "
              f"evaluate {self.evaluate_seconds:.2f} s", flush=True)

    # Commands.

    def prepare_command(self, out, *words):
        return [TOOLS / "prepare", self.corpus, "--out", out, "--quiet", *words]

    def train_command(self, out, *words, data=None):
        return [TOOLS / "train", "--data", data or self.store, "--out", out, "--quiet", "--resume",
                *self.settings, *words]

    def evaluate_command(self, run):
        return [TOOLS / "evaluate", run, "--data", self.store, "--quiet", "--csv", run / "out.csv"]

    @staticmethod
    def start(command, **environment):
        return subprocess.Popen([str(word) for word in command], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, **environment})

    @staticmethod
    def end(process):
        output, errors = process.communicate(timeout=LIMIT)
        return Done(process.returncode, errors, output)

    def do(self, command, **environment):
        return self.end(self.start(command, **environment))

    def timed(self, command):
        start = time.monotonic()
        done = self.do(command)
        if done.status != 0:
            raise RuntimeError(f"{command[0]} failed undisturbed: {done.errors}")
        return time.monotonic() - start

    def killed(self, command, seconds):
        """Whether SIGKILL after so long still found the program."""
        process = self.start(command)
        time.sleep(seconds)
        process.kill()
        return self.end(process).status == -signal.SIGKILL

    # What must hold.

    @staticmethod
    def check_failure(row, done, statuses=(1,)):
        """A sentence, an exit status that says so, no crash."""
        lines = done.errors.strip().splitlines()
        if done.status not in statuses:
            row.loses(f"exit status {done.status}: {done.errors[-300:]}")
        elif not lines or any(word in done.errors for word in CRASHES):
            row.loses(f"no clear sentence: {done.errors[-300:]!r}")
        else:
            row.sees(lines[-1])

    def check_whole_files(self, row, folder):
        """Nothing half-written under a final name: our readers check every checksum."""
        for path in [*folder.glob("fold-*/*/*.safetensors"), *folder.glob("run.json")]:
            target = path if path.suffix == ".safetensors" else path.parent
            done = self.do([TOOLS / "inspect", target])
            if done.status != 0:
                row.loses(f"{path.name} is not whole: {done.errors.strip()}")
        for path in folder.glob("*.json"):
            try:
                json.loads(path.read_text())
            except ValueError:
                row.loses(f"{path.name} is not whole")

    @staticmethod
    def curve(run):
        return [{key: line[key] for key in line if key not in ("seconds", "examples_per_second")}
                for line in runs.epochs(run)]

    def same_run(self, run, whole=None):
        """Why a run differs from the undisturbed one; empty where it does not."""
        whole = whole or self.whole
        expected, found = runs.weights(whole), runs.weights(run)
        if expected.keys() != found.keys():
            return f"other checkpoints: {sorted(found)}"
        for name, content in expected.items():
            if found[name] != content:
                return f"{name} differs"
        if self.curve(run) != self.curve(whole):
            return "the log differs"
        left = list(run.rglob("*.partial"))
        return f"left behind: {left[0]}" if left else ""

    def check_resumes(self, row, run, *words, whole=None):
        done = self.do(self.train_command(run, *words))
        if done.status != 0:
            row.loses(f"resume failed: {done.errors.strip()}")
        elif why := self.same_run(run, whole):
            row.loses(why)

    @staticmethod
    def store_files(store):
        return {path.name: path.read_bytes() for path in sorted(store.iterdir())
                if path.name != ".lock"}

    def check_same_store(self, row, store):
        if self.store_files(store) != self.store_files(self.store):
            row.loses(f"the store differs: {sorted(self.store_files(store))}")

    @staticmethod
    def report(run):
        """report.json without its date."""
        report = json.loads((run / "report.json").read_text())
        return {key: report[key] for key in report if key not in ("created", "run")}

    def check_scores(self, row, run):
        done = self.do(self.evaluate_command(run))
        if done.status != 0:
            row.loses(f"evaluate failed: {done.errors.strip()}")
        elif self.report(run) != self.report(self.whole):
            row.loses("report.json differs")
        elif (run / "out.csv").read_bytes() != (self.whole / "out.csv").read_bytes():
            row.loses("the submission differs")
        elif left := list(run.rglob("*.partial")):
            row.loses(f"left behind: {left[0]}")

    def check_recovers(self, row, name, folder):
        """After a fault in program `name`: nothing half-written, and the call ends as if undisturbed."""
        if name == "prepare":
            done = self.do(self.prepare_command(folder))
            if done.status != 0:
                row.loses(f"prepare again failed: {done.errors}")
            self.check_same_store(row, folder)
            return
        self.check_whole_files(row, folder)
        if name == "train":
            self.check_resumes(row, folder)
        else:
            self.check_scores(row, folder)

    def fresh(self, name):
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def copy_of_whole(self, name):
        folder = self.fresh(name)
        shutil.copytree(self.whole, folder)
        return folder
