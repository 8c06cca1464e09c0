"""FSDKaggle2018 in both of its layouts, from its folders to scores and a submission."""

import csv
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fsd
from program import ProgramTest
from runs import settings


class FsdTest(ProgramTest):
    def score(self, source, train_clips):
        """Prepares, trains a little and scores; returns the report and the submission's rows."""
        store, run = self.folder / "store", self.folder / "run"
        self.succeeds("prepare", source, "--out", store, "--quiet")
        index = json.loads((store / "index.json").read_text())
        self.assertEqual(len(index["classes"]), 41)
        clips = index["clips"]
        self.assertEqual(sum(clip["split"] == "train" for clip in clips), train_clips)
        with open(store / "problems.csv", newline="") as file:
            self.problems = {row["file"]: row["reason"] for row in csv.DictReader(file)}
        self.assertIn(fsd.MISSING, "".join(self.problems))
        self.succeeds("train", "--data", store, "--out", run, "--models", "cnn-spec", "--quiet",
                      *settings({"folds.count": 2}))
        table, report = self.folder / "submission.csv", self.folder / "report.json"
        self.succeeds("evaluate", run, "--data", store, "--csv", table, "--json", report, "--quiet")
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            labels = row["label"].split()
            self.assertEqual(len(set(labels)), 3)
            self.assertNotIn("Hi-Hat", labels)
        return json.loads(report.read_text())["models"]["cnn-spec"], rows

    def test_zenodo(self):
        report, rows = self.score(fsd.make_zenodo(self.folder / "zenodo"), 48)
        self.assertEqual(len(rows), 12)
        self.assertEqual(report["clips"], 12)
        for part in ("total", "public", "private", "public_interval", "private_interval"):
            self.assertIsNotNone(report["map3"][part], part)
        total = (3 * report["map3"]["public"] + 9 * report["map3"]["private"]) / 12
        self.assertAlmostEqual(report["map3"]["total"], total, places=6)

    def test_kaggle(self):
        report, rows = self.score(fsd.make_kaggle(self.folder / "kaggle"), 48)
        self.assertEqual(report["clips"], 12)  # ignored and empty clips are not scored ...
        names = [row["fname"] for row in rows]
        self.assertEqual(len(names), 12 + 2 + 3)  # ... but stand in the submission
        for name in fsd.EMPTY:
            self.assertIn(name, names)
            self.assertIn("empty", "".join(reason for file, reason in self.problems.items()
                                           if name in file))

    def test_wrong_checksum(self):
        store = self.folder / "store"
        self.succeeds("prepare", fsd.make_zenodo(self.folder / "zenodo", 2), "--out", store,
                      "--quiet")
        self.succeeds("inspect", store, "--verify")
        data, = store.glob("clips-*.bin")
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
        self.fails(1, "damaged", "inspect", store, "--verify")


if __name__ == "__main__":
    unittest.main()
