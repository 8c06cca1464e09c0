"""From recordings to tags: prepare, train, evaluate, predict, inspect, on made-up sounds."""

import csv
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runs import MODELS, RunTest, epochs, train, weights
from sounds import CLASSES


class EndToEndTest(RunTest):
    corpus = {"train": 24, "test": 8}
    changes = {"width.audio": 0.125, "cnn-audio.epochs": 12, "cnn-spec.epochs": 12,
               "cnn-comb.epochs": 12, "cnn-audio.learning_rate": 0.003,
               "cnn-spec.learning_rate": 0.003, "head.layers": "[32,16]",
               "batch_norm.momentum": 0.9}

    def test_learns_and_reports(self):
        text = self.succeeds("evaluate", self.out, "--data", self.store, "--quiet")
        report = json.loads((self.out / "report.json").read_text())
        self.assertEqual(report["classes"], sorted(CLASSES))
        for model in MODELS:
            self.assertIn(model, text)
            scores = report["models"][model]
            self.assertEqual(scores["clips"], 32)
            self.assertEqual(scores["folds"], [0])
            map3 = scores["map3"]
            # Chance is (1 + 1/2 + 1/3) / 4 = 0.46 of mAP@3 and 0.25 of accuracy.
            self.assertGreaterEqual(map3["total"], 0.7, model)
            self.assertLessEqual(map3["total"], 1.0)
            self.assertIsNone(map3["public"])
            self.assertIsNone(map3["private"])
            self.assertGreaterEqual(map3["interval"], 0.0)
            self.assertGreaterEqual(scores["accuracy"], 0.5, model)
            self.assertEqual(len(scores["per_class"]), len(CLASSES))
        page = (self.out / "report.html").read_text()
        self.assertNotIn("http://", page.replace("http://www.w3.org", ""))
        self.assertNotIn("https://", page)
        for model in MODELS:
            self.assertIn(model, page)

    def test_writes_tables_and_ablations(self):
        table, scores = self.folder / "kaggle.csv", self.folder / "zero.json"
        self.succeeds("evaluate", self.out, "--data", self.store, "--quiet", "--models", "cnn-spec",
                      "--csv", table)
        with open(table, newline="") as file:
            rows = list(csv.reader(file))
        self.assertEqual(rows[0], ["fname", "label"])
        self.assertEqual(len(rows), 1 + 32)
        for _, labels in rows[1:]:
            self.assertEqual(len(set(labels.split()) & set(CLASSES)), 3)
        for zero in ("audio", "spectrogram"):
            self.succeeds("evaluate", self.out, "--data", self.store, "--quiet", "--zero", zero,
                          "--json", scores)
            names = list(json.loads(scores.read_text())["models"])
            self.assertEqual(names, [f"cnn-comb, {zero} zeroed"])

    def test_tags_files_as_evaluate_does(self):
        files = sorted((self.source / "test").glob("*/*.wav"))
        self.assertEqual(len(files), 32)
        tagged = json.loads(self.succeeds("predict", self.out, *files, "--json", "--quiet"))
        self.assertEqual([Path(one["file"]) for one in tagged], files)
        for one in tagged:
            probabilities = [tag["probability"] for tag in one["tags"]]
            self.assertEqual(len(probabilities), 3)
            self.assertEqual(probabilities, sorted(probabilities, reverse=True))
            self.assertLessEqual(sum(probabilities), 1.0 + 1e-5)
        right = sum(one["tags"][0]["label"] == file.parent.name
                    for one, file in zip(tagged, files))
        scores = self.folder / "scores.json"
        self.succeeds("evaluate", self.out, "--data", self.store, "--quiet", "--models", "cnn-comb",
                      "--json", scores)
        report = json.loads(scores.read_text())["models"]["cnn-comb"]
        self.assertAlmostEqual(right / 32, report["accuracy"], places=6)

    def test_tags_every_crop(self):
        file = next((self.source / "test" / "Noise").glob("*.wav"))
        text = self.succeeds("predict", self.out, file, "--json", "--quiet", "--timeline", "--top", 2,
                             "--model", "cnn-audio")
        crops = json.loads(text)[0]["timeline"]
        self.assertGreaterEqual(len(crops), 1)
        for crop in crops:
            self.assertLess(crop["start"], crop["end"])
            self.assertEqual(len(crop["tags"]), 2)

    def test_logs_what_happened(self):
        self.assertEqual([line["model"] for line in epochs(self.out)],
                         [model for model in MODELS for _ in range(12)])
        for line in epochs(self.out):
            for key in ("train_loss", "validation_loss", "validation_map3", "validation_accuracy",
                        "examples_per_second", "memory_bytes", "epoch", "step", "fold"):
                self.assertIn(key, line)
            for part in ("data", "forward", "backward", "optimizer", "wait", "validation"):
                self.assertGreaterEqual(line["seconds"][part], 0.0)
        for model in MODELS:
            losses = [line["train_loss"] for line in epochs(self.out, model)]
            self.assertLess(losses[-1], losses[0])
        events = list((self.out / "tensorboard").glob("events.out.tfevents.*"))
        self.assertEqual(len(events), 1)
        self.assertIn(b"cnn-comb/train_loss", events[0].read_bytes())
        self.assertIn("width", (self.out / "config.yaml").read_text())

    def test_inspect_tells_of_each(self):
        store = json.loads(self.succeeds("inspect", self.store, "--json"))
        self.assertEqual(store["kind"], "store")
        run = json.loads(self.succeeds("inspect", self.out, "--json"))
        self.assertEqual(run["kind"], "run")
        checkpoint = self.out / "fold-0/cnn-comb/best.safetensors"
        self.assertEqual(json.loads(self.succeeds("inspect", checkpoint, "--json"))["kind"],
                         "checkpoint")
        self.assertIn("Tone", self.succeeds("inspect", self.store))
        self.assertIn("cnn-comb", self.succeeds("inspect", self.out))
        self.assertIn("audio.block1.conv1.weight", self.succeeds("inspect", checkpoint))

    def test_seed_decides_every_bit(self):
        first = weights(train(self.store, self.folder / "first"))
        again = weights(train(self.store, self.folder / "again"))
        other = weights(train(self.store, self.folder / "other", changes={"seed": 2}))
        self.assertEqual(len(first), 6)
        self.assertEqual(first.keys(), other.keys())
        for name, content in first.items():
            self.assertTrue(content == again[name], name)
            self.assertFalse(content == other[name], name)


if __name__ == "__main__":
    unittest.main()
