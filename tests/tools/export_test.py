"""tools/export: the nine networks in onnxruntime against predict, on clips of many lengths. Needs
onnx and onnxruntime from PyPI: EARSHOT_TOOLS=build/tools EARSHOT_SOURCE=. python3 THIS
EARSHOT_CORPUS=<folder that data/corpus/build made> takes its clips instead of made-up ones."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
import wave
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import audio
import sounds
from program import ProgramTest
from runs import MODELS, must, train

EXPORT = Path(os.environ["EARSHOT_SOURCE"]) / "tools/export"
MISSING = [name for name in ("onnx", "onnxruntime") if not importlib.util.find_spec(name)]
LENGTHS = (1, 2, 300, 1024, 2049, 13230, 44099, 44100, 44101, 60000, 88200, 131072, 250001)
# Settings that change the graph, one or another at each length of the input.
VARIANTS = {1: ({}, []),
            2: ({"input.spectrogram_padding": "floor", "scoring.align_end": "false"},
                ["--log", "power_db", "--trim-db", "0"]),
            3: ({"input.wave_first": "true"}, ["--peak"])}


def made_up(folder):
    """Clips of LENGTHS, with silence at the ends of every second one."""
    rng = np.random.default_rng(3)
    paths = []
    for i, length in enumerate(LENGTHS):
        clip = list(sounds.CLASSES.values())[i % 4](rng, length)
        if i % 2 and length > 2000:
            clip[: length // 5] = clip[-length // 7:] = 0
        paths.append(folder / f"{length}.wav")
        audio.write_wav(paths[-1], (clip / max(1, np.abs(clip).max()) * 20000).astype(int).tolist())
    return paths


def samples_of(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 44100)
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}")
class ExportTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name)
        corpus = os.environ.get("EARSHOT_CORPUS")
        cls.clips = (sorted(Path(corpus).glob("audio/test/*/*.wav"))[::20] if corpus
                     else made_up(cls.root))
        sounds.make_corpus(cls.root / "sounds", train=10)

    def check(self, seconds):
        changes, features = VARIANTS[seconds]
        store, out = self.root / f"store-{seconds}", self.root / f"run-{seconds}"
        must("prepare", self.root / "sounds", "--out", store, "--quiet", *features)
        train(store, out, changes={"seconds": seconds, "folds.run": "[0,1]", "folds.count": 3,
                                   "scoring.step": 5120, **changes})
        import onnxruntime
        for model in MODELS:
            file = self.root / f"{model}-{seconds}s.onnx"
            done = subprocess.run([sys.executable, str(EXPORT), str(out), "--model", model, "--out",
                                   str(file)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
            answers = json.loads(must("predict", out, *self.clips, "--model", model, "--json",
                                      "--quiet", "--top", len(classes)))
            worst = 0
            for path, answer in zip(self.clips, answers, strict=True):
                found, = session.run(None, {"samples": samples_of(path)})
                ours = {tag["label"]: tag["probability"] for tag in answer["tags"]}
                expected = np.array([ours[label] for label in classes])
                worst = max(worst, np.abs(found - expected).max())
                self.assertLessEqual(np.abs(found - expected).max(), 1e-4, (model, path.name))
                best = [classes[i] for i in np.argsort(-found, kind="stable")[:3]]
                if np.diff(np.sort(expected)).min() > 1e-4:  # no tie
                    self.assertEqual(best, [tag["label"] for tag in answer["tags"]][:3])
            print(f"{model} {seconds} s: {len(self.clips)} clips, largest difference {worst:.1e}")

    def test_1s(self):
        self.check(1)

    def test_2s(self):
        self.check(2)

    def test_3s(self):
        self.check(3)

    def test_says_what_is_wrong(self):
        def sentence(*words, status=1):
            done = subprocess.run([sys.executable, str(EXPORT), *map(str, words)],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            return done.stderr
        file = self.folder / "x.onnx"
        self.assertIn("is no folder of a run", sentence(self.folder / "none", "--out", file))
        self.assertIn("is trained in", sentence(self.folder, "--out", file))
        best = self.folder / "fold-0/cnn-spec/best.safetensors"
        best.parent.mkdir(parents=True)
        best.write_bytes(b"not a checkpoint")
        self.assertIn("cannot read the checkpoint", sentence(self.folder, "--out", file))
        self.assertIn("fold 3 is not trained",
                      sentence(self.folder, "--out", file, "--folds", "3", status=2))
        self.assertFalse(file.exists())


if __name__ == "__main__":
    unittest.main()
