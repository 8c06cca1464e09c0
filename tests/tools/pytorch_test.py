"""Checkpoints and training in PyTorch against ours (docs/load_in_pytorch.py, benchmarks/parity).
Needs torch and safetensors from PyPI: EARSHOT_TOOLS=build/tools EARSHOT_SOURCE=. python3 THIS"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
import wave
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from program import TOOLS, ProgramTest
from runs import make_store, settings

SOURCE = Path(os.environ["EARSHOT_SOURCE"])
MISSING = [name for name in ("torch", "safetensors") if not importlib.util.find_spec(name)]
STEPS = 30
# A learning rate so low that 30 steps are not chaos yet.
EPOCHS = {"cnn-audio.learning_rate": 1e-4, "cnn-spec.learning_rate": 1e-4, "batch_norm.momentum": 0.9, "cnn-audio.epochs": 8, "cnn-spec.epochs": 8,
          "cnn-comb.epochs": 8}


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}")
class PyTorchTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        cls.addClassCleanup(folder.cleanup)
        store = make_store(Path(folder.name) / "store", train=10, test=1)
        cls.dumps = []
        for model in ("cnn-audio", "cnn-spec", "cnn-comb"):
            out = Path(folder.name) / model
            subprocess.run([str(TOOLS.parent / "benchmarks/bench_parity"), "--data", str(store),
                            "--out", str(out), "--model", model, "--steps", str(STEPS), "--quiet",
                            *settings(EPOCHS)], check=True)
            cls.dumps.append(out)

    def test_losses_and_logits_agree(self):
        result = self.folder / "parity.json"
        done = subprocess.run([sys.executable, str(SOURCE / "benchmarks/parity/compare.py"),
                               *map(str, self.dumps), "--json", str(result)], text=True,
                              capture_output=True)
        self.assertTrue(result.exists(), done.stdout + done.stderr)
        for found in json.loads(result.read_text())["results"]:
            self.assertEqual(found["steps"], STEPS)
            self.assertEqual(len(found["single"]), STEPS // 10)
            for step in found["single"]:
                self.assertLessEqual(step["loss"], 1e-5)
            gradients, theirs = (sorted(step[what] for step in found["single"])
                                 for what in ("gradient", "pytorch"))
            middle = STEPS // 20
            self.assertLessEqual(gradients[middle], max(1e-4, 2 * theirs[middle]))
            self.assertLessEqual(gradients[-1], 0.05)
            self.assertLessEqual(found["logits"], 1e-5)
            # 30 steps of a tiny network: one decision of rounding is all there is room for.
            self.assertLessEqual(max(found["apart"]), 0.05)
            self.assertLess(min(found["ours"]), 0.9 * found["ours"][0])

    def test_weights_trained_there_load_here(self):
        import torch
        sys.path.insert(0, str(SOURCE / "docs"))
        from load_in_pytorch import load, save
        dump = self.dumps[0]
        tagger = load(dump / "final.safetensors")
        adam = torch.optim.Adam(tagger.parameters(), 1e-3)
        x = torch.randn(8, 1, 44100, generator=torch.Generator().manual_seed(1))
        for _ in range(3):
            loss = torch.nn.functional.cross_entropy(tagger(x), torch.arange(8) % 4)
            adam.zero_grad()
            loss.backward()
            adam.step()
        save(tagger, dump / "run/fold-0/cnn-audio/best.safetensors")
        samples = (x[0, 0] * 3000).round().to(torch.int16)
        with wave.open(str(self.folder / "x.wav"), "wb") as file:
            file.setparams((1, 2, 44100, 0, "NONE", ""))
            file.writeframes(samples.numpy().tobytes())
        answer, = json.loads(self.succeeds("predict", dump / "run", self.folder / "x.wav", "--json",
                                           "--quiet", "--top", 4))
        with torch.no_grad():
            logits = tagger.eval()(samples.reshape(1, 1, -1).float() / 32768)
        expected = dict(zip(tagger.classes, torch.softmax(logits[0], 0).tolist()))
        for tag in answer["tags"]:
            self.assertAlmostEqual(tag["probability"], expected[tag["label"]], delta=1e-5)


if __name__ == "__main__":
    unittest.main()
