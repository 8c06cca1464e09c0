"""train, evaluate, predict and inspect as a user meets them: awkward inputs and wrong calls."""

import json
import resource
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import audio
from program import TOOLS, run
from runs import RunTest, change_metadata, make_store, must, settings, train, weights


def file_limit(size):
    return {"restore_signals": False,
            "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}


class HelpTest(RunTest):
    words = {"train": ("--data", "--resume", "--set", "Example:", "cnn-audio.epochs"),
             "evaluate": ("RUN", "--data", "--zero", "--csv", "report.html"),
             "predict": ("RUN", "FILE", "--top", "--timeline", "--json"),
             "inspect": ("PATH", "--json", "checkpoint")}

    def test_helps_a_stranger(self):
        for name, words in self.words.items():
            text = self.succeeds(name, "--help")
            for word in words:
                self.assertIn(word, text, name)
            self.assertLessEqual(max(map(len, text.splitlines())), 130, name)
            self.assertRegex(self.succeeds(name, "--version"), r"^earshot \d+\.\d+\.\d+\n$")

    def test_explains_wrong_calls(self):
        out = self.folder / "new"
        good = self.source / "test/Tone/0.wav"
        for text, *call in (
                ("--out is missing", "train", "--data", self.store),
                ("--data is missing", "train", "--out", out),
                ("--speed", "train", "--data", self.store, "--out", out, "--speed"),
                ("no such file", "train", "--config", "none", "--data", self.store, "--out", out),
                ("there is no key colour", "train", "--set", "colour=1", "--data", self.store,
                 "--out", out),
                ("key=value", "train", "--set", "seed", "--data", self.store, "--out", out),
                ("from 1 to 4096", "train", "--set", "batch=0", "--data", self.store, "--out", out),
                ("no model cnn", "train", "--models", "cnn", "--data", self.store, "--out", out),
                ("--device", "train", "--device", "tpu", "--data", self.store, "--out", out),
                ("--threads", "train", "--threads", "-3", "--data", self.store, "--out", out),
                ("holds a run", "train", "--data", self.store, "--out", self.out, *settings()),
                ("another config", "train", "--data", self.store, "--out", self.out, "--resume",
                 *settings({"seed": 9})),
                ("--data is required", "evaluate", self.out),
                ("RUN is required", "evaluate", "--data", self.store),
                ("--zero", "evaluate", self.out, "--data", self.store, "--zero", "all"),
                ("for cnn-comb", "evaluate", self.out, "--data", self.store, "--zero", "audio",
                 "--models", "cnn-audio"),
                ("--split", "evaluate", self.out, "--data", self.store, "--split", "all"),
                ("--folds", "evaluate", self.out, "--data", self.store, "--folds", "one"),
                ("no model cnn", "evaluate", self.out, "--data", self.store, "--models", "cnn"),
                ("FILE is required", "predict", self.out),
                ("--top", "predict", self.out, good, "--top", "0"),
                ("no model cnn", "predict", self.out, good, "--model", "cnn"),
                ("PATH is required", "inspect"),
                ("--speed", "inspect", self.out, "--speed")):
            self.fails(2, text, *call, "--quiet")
        self.assertFalse(out.exists())


class TrainTest(RunTest):
    def refuses(self, text, *arguments, data=None, out=None, changes=None, **options):
        self.fails(1, text, "train", "--data", data or self.store, "--out", out or
                   self.folder / "run", "--quiet", *settings(changes), *arguments, **options)

    def test_refuses_data_that_is_no_store(self):
        self.refuses("holds no clip store", data=self.folder / "missing")
        self.refuses("holds no clip store", data=self.source)
        self.refuses("holds no clip store", data=self.source / "corpus.csv")
        copy = shutil.copytree(self.store, self.folder / "store")
        index = copy / "index.json"
        whole = index.read_text()
        changed = json.loads(whole)
        changed["version"] += 1
        index.write_text(json.dumps(changed))
        self.refuses("run prepare again", data=copy)
        index.write_text(whole[: len(whole) // 2])
        self.refuses("run prepare again", data=copy)
        index.write_text(whole)
        clips = next(copy.glob("clips-*.bin"))
        clips.write_bytes(clips.read_bytes()[:-100])
        self.refuses("run prepare again", data=copy)

    def test_refuses_too_few_clips_and_classes(self):
        self.refuses("cannot be split into 100 folds", changes={"folds.count": 100})
        shutil.copytree(self.source / "train/Tone", self.folder / "one/Tone")
        self.fails(1, "are of one class, 'Tone'", "prepare", self.folder / "one", "--out",
                   self.folder / "store", "--quiet")

    def test_refuses_outputs_that_cannot_be(self):
        (self.folder / "file").write_text("in the way")
        self.refuses("cannot create", out=self.folder / "file")
        self.refuses("cannot create", out="/proc/run")
        self.refuses("train cnn-audio first", "--models", "cnn-comb")

    def test_refuses_checkpoints_of_others(self):
        run = shutil.copytree(self.out, self.folder / "run")
        audio_last = run / "fold-0/cnn-audio/last.safetensors"
        shutil.copy(run / "fold-0/cnn-spec/last.safetensors", audio_last)
        self.refuses("is a checkpoint of cnn-spec", "--resume")
        audio_last.write_bytes(b"not a checkpoint at all, only text")
        self.refuses("last.safetensors", "--resume")

    def test_two_writers_are_one_too_many(self):
        out = self.folder / "run"
        first = subprocess.Popen([TOOLS / "train", "--data", self.store, "--out", out, "--quiet",
                                  *settings({"cnn-audio.epochs": 1000})])
        try:
            deadline = time.monotonic() + 60
            while not (out / "log.jsonl").exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            self.refuses("another", "--resume", out=out, changes={"cnn-audio.epochs": 1000})
        finally:
            first.kill()
            first.wait()

    def test_full_disk_keeps_the_last_checkpoint(self):
        out = self.folder / "run"
        self.refuses("cannot write", out=out, **file_limit(40000))
        self.assertTrue((out / "fold-0/cnn-audio/best.safetensors").exists())
        self.assertEqual(list(out.rglob("*.partial")), [])
        train(self.store, out, "--resume")
        self.assertEqual(weights(out), weights(self.out))

    def test_survives_a_really_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        if not shutil.which("unshare") or subprocess.run(
                ["unshare", "-rm", "mount", "-t", "tmpfs", "none", disk],
                capture_output=True).returncode != 0:
            self.skipTest("no name space to mount a small disk in")
        inside = (f"mount -t tmpfs -o size=100k none {disk} && "
                  f"{TOOLS}/train --data {self.store} --out {disk}/run --quiet "
                  f"{' '.join(settings())}; status=$?; ls {disk}/run/fold-0/cnn-audio; exit $status")
        done = subprocess.run(["unshare", "-rm", "sh", "-c", inside], capture_output=True,
                              text=True, timeout=100)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("best.safetensors", done.stdout)

    def test_plans_without_data(self):
        text = self.succeeds("train", "--dry-run", "--config", "paper-2s", "--quiet")
        for word in ("cnn-audio", "cnn-spec", "cnn-comb", "GFLOP", "beside it"):
            self.assertIn(word, text)


class EvaluateTest(RunTest):
    def refuses(self, text, *arguments, out=None, data=None, **options):
        self.fails(1, text, "evaluate", out or self.out, "--data", data or self.store, "--quiet",
                   *arguments, **options)

    def test_refuses_what_it_cannot_score(self):
        self.refuses("no folder of a run", out=self.folder / "missing")
        self.refuses("no folder of a run", out=self.source / "corpus.csv")
        self.refuses("run.json is missing", out=self.source)
        self.refuses("holds no clip store", data=self.folder / "missing")
        self.refuses("holds no clip store", data=self.out)
        self.refuses("fold 7 is not trained", "--folds", "7")
        self.refuses("has no test clips", data=make_store(self.folder / "untested", train=3))
        other = self.folder / "other"
        for k, label in enumerate(("Tone", "Yodel")):
            for i, split in enumerate(("train", "train", "test")):
                audio.write_wav(other / f"{split}/{label}/{i}.wav", audio.tone(9000 + i + 10 * k))
        must("prepare", other, "--out", self.folder / "yodel", "--quiet")
        self.refuses("class Yodel, which this run was not trained on", data=self.folder / "yodel")
        must("prepare", self.source, "--out", self.folder / "peak", "--peak", "--quiet")
        self.refuses("other feature settings", data=self.folder / "peak")

    def test_refuses_checkpoints_of_others(self):
        out = shutil.copytree(self.out, self.folder / "run")
        best = out / "fold-0/cnn-audio/best.safetensors"
        whole = best.read_bytes()
        change_metadata(best, "version", "99")
        self.refuses("checkpoint of format 99", out=out)
        best.write_bytes(whole[:-8])
        self.refuses("best.safetensors", out=out)
        best.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        self.refuses("best.safetensors", out=out)
        shutil.copy(out / "fold-0/cnn-spec/best.safetensors", best)
        self.refuses("is a checkpoint of cnn-spec, not of cnn-audio", out=out)
        info = json.loads((out / "run.json").read_text())
        info["version"] = 99
        (out / "run.json").write_text(json.dumps(info))
        self.refuses("is of version", out=out)
        (out / "run.json").write_text("{")
        self.refuses("run.json is damaged", out=out)

    def test_refuses_what_it_cannot_write(self):
        self.refuses("cannot write", "--json", self.folder / "no/x.json")
        self.refuses("it is a folder", "--html", self.folder)
        self.refuses("not a regular file", "--csv", "/dev/full")
        out = shutil.copytree(self.out, self.folder / "run")
        (out / "report.json").write_text("old")
        self.refuses("cannot write", out=out, **file_limit(1024))  # LLVM's OpenMP needs these
        self.assertEqual((out / "report.json").read_text(), "old")


class PredictTest(RunTest):
    def test_tags_what_it_can_and_names_the_rest(self):
        files = audio.write_awkward(self.folder / "odd")
        files["missing"] = self.folder / "odd/missing.wav"
        reasons = {"missing": "no such file", "folder": "it is a folder", "truncated": "truncated",
                   "text": "no audio", "nothing": "no audio", "empty": "holds no samples",
                   "nan": "sample 500 is NaN"}
        done = run("predict", self.out, *files.values(), "--json", "--quiet")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), len(reasons), done.stderr)
        tagged = json.loads(done.stdout)
        self.assertEqual([one["file"] for one in tagged], [str(path) for path in files.values()])
        for name, one in zip(files, tagged):
            if name in reasons:
                self.assertIn(reasons[name], one["error"])
                self.assertNotIn("tags", one)
            else:
                self.assertEqual(len(one["tags"]), 3, name)
                for tag in one["tags"]:
                    self.assertGreater(tag["probability"], 0.0, name)
        for name, reason in reasons.items():
            self.fails(1, reason, "predict", self.out, files[name], "--quiet")

    def test_tags_half_an_hour(self):
        path = self.folder / "long.wav"
        audio.write_wav(path, audio.tone(8000, rate=8000) * 1800, rate=8000)
        text = self.succeeds("predict", self.out, path, "--quiet", "--model", "cnn-audio")
        self.assertIn("long.wav", text)

    def test_needs_a_trained_run(self):
        good = self.source / "test/Tone/0.wav"
        self.fails(1, "no folder of a run", "predict", self.folder / "missing", good)
        self.fails(1, "run.json is missing", "predict", self.source, good)
        out = shutil.copytree(self.out, self.folder / "run")
        best = out / "fold-0/cnn-comb/best.safetensors"
        shutil.copy(out / "fold-0/cnn-spec/best.safetensors", best)
        self.fails(1, "is a checkpoint of cnn-spec", "predict", out, good, "--quiet")
        shutil.rmtree(out / "fold-0")
        self.fails(1, "nothing is trained", "predict", out, good, "--quiet")


class InspectTest(RunTest):
    def test_refuses_what_it_does_not_know(self):
        (self.folder / "letter.safetensors").write_text("This is a letter.\n" * 9)
        (self.folder / "empty.safetensors").write_bytes(b"")
        for text, path in (("no such file or folder", self.folder / "missing"),
                           ("neither a clip store", self.folder),
                           ("no usable safetensors file", self.folder / "letter.safetensors"),
                           ("no usable safetensors file", self.folder / "empty.safetensors"),
                           ("not a regular file", "/dev/null")):
            self.fails(1, text, "inspect", path)
        best = self.folder / "best.safetensors"
        shutil.copy(self.out / "fold-0/cnn-audio/best.safetensors", best)
        best.write_bytes(best.read_bytes()[:-1])
        self.fails(1, "no usable safetensors file", "inspect", best)

    def test_says_when_its_output_is_lost(self):
        for call in (("inspect", self.out), ("evaluate", self.out, "--data", self.store, "--quiet"),
                     ("predict", self.out, self.source / "test/Tone/0.wav", "--quiet")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([TOOLS / call[0], *call[1:]], stdout=full,
                                      stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 1, call[0])
            self.assertIn("standard output", done.stderr)


if __name__ == "__main__":
    unittest.main()
