"""A run that is killed at any moment and resumed ends with the bits of one that never was."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from program import ProgramTest, TOOLS
from runs import epochs, make_store, settings, weights

STOPPED = 75  # EX_TEMPFAIL
KILLS = int(os.environ.get("EARSHOT_KILLS", "20"))
SEED = int(os.environ.get("EARSHOT_KILL_SEED", "1"))


def curve(run):
    """What must not depend on when the run was cut: the log without its times."""
    return [{key: line[key] for key in line if key not in ("seconds", "examples_per_second")}
            for line in epochs(run)]


class KillTest(ProgramTest):
    def setUp(self):
        super().setUp()
        store = make_store(self.folder / "store", train=10)
        changes = {"cnn-comb.epochs": 2, "checkpoint_seconds": 0, "dropout": 0.1}
        self.command = [str(TOOLS / "train"), "--data", str(store), "--quiet", *settings(changes)]
        start = time.monotonic()
        self.whole = self.folder / "whole"
        self.resume(self.whole)
        self.seconds = time.monotonic() - start
        self.assertEqual(len(weights(self.whole)), 6)

    def start(self, run):
        return subprocess.Popen([*self.command, "--out", str(run), "--resume"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def resume(self, run):
        work = self.start(run)
        _, errors = work.communicate(timeout=300)
        self.assertEqual(work.returncode, 0, errors)

    def assert_same(self, run, when):
        self.assertEqual(weights(run).keys(), weights(self.whole).keys(), when)
        for name, content in weights(self.whole).items():
            self.assertTrue((run / name).read_bytes() == content, f"{name} differs, {when}")
        self.assertEqual(curve(run), curve(self.whole), when)
        self.assertEqual(list(run.glob("fold-*/*/*.partial")), [], when)

    def test_killed_at_random_moments(self):
        draw = random.Random(SEED)
        struck = 0
        while struck < KILLS:
            moment = draw.uniform(0, self.seconds)
            run = self.folder / "killed"
            work = self.start(run)
            time.sleep(moment)
            work.kill()
            work.communicate()
            struck += work.returncode == -signal.SIGKILL
            self.resume(run)
            self.assert_same(run, f"killed after {moment:.3f} s of {self.seconds:.3f} s")
            shutil.rmtree(run)

    def test_killed_again_and_again(self):
        draw = random.Random(SEED + 1)
        run = self.folder / "killed"
        for _ in range(6):
            work = self.start(run)
            time.sleep(draw.uniform(0.2, 0.5) * self.seconds)
            work.kill()
            work.communicate()
        self.resume(run)
        self.assert_same(run, "killed six times")

    def test_asked_to_stop(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            run = self.folder / number.name
            work = self.start(run)
            while not list(run.glob("fold-0/*/last.safetensors")) and work.poll() is None:
                time.sleep(0.01)
            asked = time.monotonic()
            work.send_signal(number)
            _, errors = work.communicate(timeout=100)
            self.assertLessEqual(time.monotonic() - asked, 5.0)
            self.assertEqual(work.returncode, STOPPED, errors)
            self.assertIn("the checkpoint is written, the same call with --resume goes on", errors)
            self.assertEqual(len(errors.splitlines()), 1, errors)
            self.resume(run)
            self.assert_same(run, number.name)


if __name__ == "__main__":
    unittest.main()
