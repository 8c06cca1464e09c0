"""tools/reproduce on a miniature of FSDKaggle2018: stopped, resumed, in shares, to the tables."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fsd
from program import TOOLS, ProgramTest
from runs import settings

REPRODUCE = Path(os.environ["EARSHOT_SOURCE"]) / "tools/reproduce"
TINY = {key: value for key, value in
        [word.split("=", 1) for word in settings({"batch": 16})[1::2]]
        if key not in ("seconds", "folds.run")}


class ReproduceTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = fsd.make_zenodo(self.folder / "zenodo")
        self.out = self.folder / "out"

    def command(self, *words):
        changes = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
        return [sys.executable, str(REPRODUCE), "--data", str(self.data), "--out", str(self.out),
                "--programs", str(TOOLS), "--seconds", "1,2", "--folds", "2", *changes, *words]

    def reproduce(self, *words, status=0):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=500)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_stops_resumes_and_writes_the_tables(self):
        child = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
        first = self.out / "units/1s-fold0-cnn-audio/finished.json"
        while child.poll() is None and not first.exists():
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 75, errors)
        self.assertIn("the same call goes on where it was", errors)
        self.assertNotIn("Traceback", errors)
        trained = first.stat().st_mtime_ns

        text = self.reproduce()
        self.assertIn("left in all", text)
        self.assertEqual(first.stat().st_mtime_ns, trained)
        for title in ("Table 3", "Table 4", "Figure 2"):
            self.assertIn(title, text)
        self.assertIn("± ", text)
        found = json.loads((self.out / "tables.json").read_text())
        self.assertEqual(len(found["table_3"]), 9)
        for row in found["table_3"]:
            expected = [0, 1] if row["seconds"] < 3 else []
            self.assertEqual(row["folds"], expected)
            if expected:
                for value in row["ours"]:
                    self.assertTrue(0 <= value <= 1, row)
        known = {row["label"]: row["ours"] for row in found["table_4"]}
        self.assertEqual(sorted(label for label, ours in known.items() if ours is not None),
                         sorted(fsd.CLASSES))
        self.assertEqual([bar["model"] for bar in found["figure_2"] if bar["per_class"]],
                         ["cnn-audio", "cnn-spec", "cnn-comb (spectrogram input 0)",
                          "cnn-comb (audio input 0)", "cnn-comb"])
        page = (self.out / "tables.html").read_text()
        self.assertIn("<svg", page)
        self.assertIn("0.948", page)

        self.assertIn("12 of 12 networks are trained", self.reproduce())
        self.assertIn("was trained with other settings", self.reproduce("--set", "seed=2", status=1))

    def test_shares_are_whole_and_disjoint(self):
        whole = self.reproduce("--list").splitlines()[-12:]
        shares = [self.reproduce("--list", "--job", f"{i}/3").splitlines() for i in range(3)]
        self.assertEqual(sorted(sum(shares, [])), sorted(whole))
        for share in shares:  # a network and what it joins are in one share
            chains = {line.split(" ", 1)[1] for line in share}
            self.assertEqual(len(share), 3 * len(chains))
        self.assertEqual(self.reproduce("--list", "--job", "7/9"), "")
        self.assertEqual(len(self.reproduce("--list", "--model", "cnn-spec", "--fold", "1")
                             .splitlines()), 2)
        self.assertIn("not i/n", self.reproduce("--job", "3/3", status=2))

    def test_says_what_is_missing(self):
        self.assertIn("cnn-comb 1 s fold 0 needs cnn-audio 1 s fold 0",
                      self.reproduce("--model", "cnn-comb", status=1))


if __name__ == "__main__":
    unittest.main()
