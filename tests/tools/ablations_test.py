"""The verdicts of benchmarks/ablations, and that its study of better.yaml names all of its changes."""

import importlib.machinery
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SCRIPT = Path(os.environ["EARSHOT_SOURCE"]) / "benchmarks/ablations/ablate"
loader = importlib.machinery.SourceFileLoader("ablate", str(SCRIPT))
spec = importlib.util.spec_from_loader("ablate", loader)
ablate = importlib.util.module_from_spec(spec)
sys.modules["ablate"] = ablate
loader.exec_module(ablate)

# Takes the call down; as evaluate, scores 0.6 plus what the settings of training are worth.
PROGRAM = f"#!{sys.executable}" + """
import json, pathlib, sys
words = sys.argv[1:]
def after(option): return pathlib.Path(words[words.index(option) + 1])
name = pathlib.Path(sys.argv[0]).name
with open(pathlib.Path(sys.argv[0]).parent / "calls", "a") as calls:
    calls.write(name + "\\n")
if name == "prepare":
    after("--out").mkdir()
    (after("--out") / "index.json").write_text("{}")
if name == "train":
    if after("--out").exists():  # the head's variants bring the base's trunks
        (after("--out") / "fold-0/cnn-spec/best").read_text()
    for network in ("cnn-audio", "cnn-spec"):
        (after("--out") / "fold-0" / network).mkdir(parents=True, exist_ok=True)
        (after("--out") / "fold-0" / network / "best").write_text("")
    worth = {"input.spectrogram_padding=floor": 0.1, "input.wave_first=true": -0.1,
             "seed=1": 0.0, "seed=2": 0.01, "seed=3": 0.02}
    (after("--out") / "score").write_text(str(0.6 + sum(worth.get(word, 0) for word in words)))
if name == "evaluate":
    score = float((pathlib.Path(words[0]) / "score").read_text())
    models = words[words.index("--models") + 1].split(",")
    after("--json").write_text(json.dumps(
        {"models": {model: {"map3": {"total": score}} for model in models}}))
"""


class Verdicts(unittest.TestCase):
    def test_interval_is_students(self):
        mean, interval = ablate.verdict([0.01, 0.02, 0.06])
        # By hand: mean 0.03, deviation sqrt(7e-4), t of two degrees of freedom 4.303.
        self.assertAlmostEqual(mean, 0.03)
        self.assertAlmostEqual(interval, 4.303 * math.sqrt(7e-4 / 3))
        self.assertEqual(ablate.verdict([0.5]), (0.5, math.inf))

    def test_only_what_excludes_zero_is_decided(self):
        variants = {"base": ablate.Variant("", against=()), "up": ablate.Variant(""),
                    "down": ablate.Variant(""), "noise": ablate.Variant("")}
        found = {name: [{"cnn-spec": score} for score in scores] for name, scores in
                 {"base": [0.5, 0.6, 0.7], "up": [0.6, 0.7, 0.81], "down": [0.4, 0.5, 0.59],
                  "noise": [0.9, 0.5, 0.7]}.items()}
        verdicts = {row["variant"]: row["against"]["base"]["verdict"]
                    for row in ablate.rows(variants, found) if row["against"]}
        self.assertEqual(verdicts, {"up": "better", "down": "worse", "noise": "cannot decide"})


class Studies(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name in ("prepare", "train", "evaluate"):
            (self.programs / name).write_text(PROGRAM)
            (self.programs / name).chmod(0o755)

    def call(self, *words):
        return subprocess.run([SCRIPT, "--source", self.folder, "--out", self.folder / "out",
                               "--programs", self.programs, *words],
                              capture_output=True, text=True, check=False)

    def calls(self):
        return (self.programs / "calls").read_text().split()

    def test_trains_each_variant_once_and_goes_on(self):
        wanted = ("--variants", "floor,wave-first,power_db,batch-trunks", "--jobs", "2")
        done = self.call(*wanted)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.calls().count("prepare"), 2)
        self.assertEqual(self.calls().count("train"), 15)
        rows = json.loads((self.folder / "out/guesses.json").read_text())
        found = {row["variant"]: row for row in rows if row["network"] == "cnn-spec"}
        self.assertEqual([row["variant"] for row in rows if row["network"] == "cnn-comb"],
                         ["base", "batch-trunks"])
        self.assertAlmostEqual(found["base"]["mean"], 0.61)
        self.assertAlmostEqual(found["floor"]["against"]["base"]["difference"], 0.1)
        self.assertEqual(found["wave-first"]["against"]["base"]["verdict"], "worse")
        self.assertIn("+0.100", done.stdout)
        self.assertEqual(self.call(*wanted).returncode, 0)
        self.assertEqual(self.calls().count("train"), 15)

    def test_the_head_takes_the_trunks_before_it(self):
        done = self.call("--study", "better", "--variants", "head", "--first-seed", "2", "--seeds", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads((self.folder / "out/better.json").read_text())
        self.assertEqual({row["variant"] for row in rows}, {"base", "blend", "head"})
        self.assertEqual(self.calls().count("train"), 6)
        for network in ("cnn-audio", "cnn-spec"):
            self.assertTrue((self.folder / "out/head/seed-3/fold-0" / network / "best").exists())

    def test_a_failed_program_is_named(self):
        (self.programs / "train").write_text("#!/bin/sh\nexit 1\n")
        done = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn("train failed", done.stderr)

    def test_wrong_calls(self):
        for words in (("--variants", "nonsense"), ("--seeds", "0"), ("--jobs", "0")):
            self.assertEqual(self.call(*words).returncode, 2, words)

    def test_the_ladder_ends_at_better(self):
        variants = ablate.ladder()
        before, last = list(variants.values())[-2:]
        self.assertEqual(before.networks, ablate.NETWORKS)
        self.assertEqual((last.networks, last.trunks), (("cnn-comb",), "blend"))
        self.assertIn("base", before.against)
        self.assertIn("base", last.against)
        keys = [setting.split("=")[0] for setting in last.settings]
        self.assertEqual(sorted(keys), sorted(key for _, step in ablate.LADDER.values()
                                              for key in step))


if __name__ == "__main__":
    unittest.main()
