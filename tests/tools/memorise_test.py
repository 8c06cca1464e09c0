"""Training memorises: 64 clips with labels dealt at random, so that nothing else can help."""

import csv
import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import sounds
from program import ProgramTest
from runs import MODELS, epochs, must, train

EPOCHS = 60
CHANGES = {"width.audio": 0.125, "width.spec": 0.125, "batch": 32, "class_weights": "false",
           "augment.enabled": "false", "head.layers": "[512,256,256,128]", "folds.count": 5,
           **{f"{model}.epochs": EPOCHS for model in MODELS},
           **{f"{model}.patience": EPOCHS for model in MODELS},
           **{f"{model}.learning_rate": 0.004 for model in MODELS}}


class MemoriseTest(ProgramTest):
    def test_training_loss_falls_below_two_hundredths(self):
        source = self.folder / "source"
        sounds.make_corpus(source, train=20)  # a fifth of the 80 clips validates
        with open(source / "corpus.csv", newline="") as file:
            names, *rows = csv.reader(file)
        labels = [row[1] for row in rows]
        random.Random(3).shuffle(labels)
        with open(source / "corpus.csv", "w", newline="") as file:
            csv.writer(file).writerows(
                [names, *([row[0], label, row[2]] for row, label in zip(rows, labels))])
        must("prepare", source, "--out", self.folder / "store", "--quiet")
        out = train(self.folder / "store", self.folder / "run", changes=CHANGES)
        for model in MODELS:
            losses = [line["train_loss"] for line in epochs(out, model)]
            self.assertEqual(len(losses), EPOCHS)
            self.assertEqual(epochs(out, model)[-1]["step"], 2 * EPOCHS)  # 64 clips, 32 at a time
            self.assertGreaterEqual(losses[0], 1.0, model)
            self.assertLessEqual(min(losses), 0.02, model)


if __name__ == "__main__":
    unittest.main()
