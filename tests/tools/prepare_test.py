"""prepare as a user meets it: layouts, awkward files, wrong calls, an early end."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import audio
from program import ProgramTest, TOOLS


class PrepareTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.source = self.folder / "source"
        self.store = self.folder / "store"
        self.rows = []
        for i, label in enumerate(["Bark", "Meow"] * 3):
            self.add(f"{i}.wav", label, samples=audio.tone(8000 + i, hz=300.0 + 50 * i))

    def add(self, name, label, split="train", samples=None):
        if samples is not None:
            audio.write_wav(self.source / name, samples)
        self.rows.append([name, label, split])
        with open(self.source / "corpus.csv", "w", newline="") as file:
            csv.writer(file).writerows([["path", "label", "split"], *self.rows])

    def prepare(self, *arguments):
        return self.succeeds("prepare", self.source, "--out", self.store, *arguments)

    def refuses(self, status, text, *arguments, source=None, out=None, **options):
        return self.fails(status, text, "prepare", source or self.source, "--out",
                          out or self.store, "--quiet", *arguments, **options)

    def index(self):
        return json.loads((self.store / "index.json").read_text())

    def problems(self):
        with open(self.store / "problems.csv", newline="") as file:
            return {row["file"]: row for row in csv.DictReader(file)}

    def test_makes_a_store_and_says_what_is_in_it(self):
        text = self.prepare()
        self.assertIn("2 classes", text)
        self.assertEqual([clip["name"] for clip in self.index()["clips"]],
                         [f"{i}.wav" for i in range(6)])
        self.assertIn("is up to date", self.prepare())
        self.assertIn("made in", self.prepare("--peak"))
        self.assertIn("made in", self.prepare("--peak", "--force"))
        self.assertEqual(self.prepare("--quiet"), "")

    def test_lists_awkward_files_and_goes_on(self):
        for path in audio.write_awkward(self.source / "odd").values():
            self.add(f"odd/{path.name}", "Bark")
        self.add("odd/missing.wav", "Bark")
        audio.write_wav(self.source / "long.wav", audio.tone(8000, rate=8000) * 1800, rate=8000)
        self.add("long.wav", "Bark")
        self.add("../outside.wav", "Bark")
        self.add("/etc/passwd", "Bark")
        self.add("new.wav", "Moo", split="test", samples=audio.tone(5000, hz=1000.0))
        text = self.prepare()
        expected = {"odd/empty.wav": ("empty", "yes"), "odd/zeros.wav": ("silent", "no"),
                    "odd/truncated.wav": ("truncated", "yes"), "odd/text.wav": ("unreadable", "yes"),
                    "odd/nothing.wav": ("unreadable", "yes"), "odd/nan.wav": ("not finite", "yes"),
                    "odd/folder.wav": ("unreadable", "yes"),
                    "odd/missing.wav": ("unreadable", "yes"), "long.wav": ("too long", "yes"),
                    "../outside.wav": ("outside", "yes"), "/etc/passwd": ("outside", "yes"),
                    "new.wav": ("unknown label", "yes")}
        problems = self.problems()
        self.assertEqual(set(problems), set(expected))
        for name, (reason, left_out) in expected.items():
            self.assertTrue(problems[name]["reason"].startswith(reason), problems[name])
            self.assertEqual(problems[name]["left_out"], left_out, name)
            self.assertIn(reason, text)
        lines = {row[0]: i + 2 for i, row in enumerate(self.rows)}
        for name in expected:
            self.assertEqual(int(problems[name]["row"]), lines[name])
        kept = [clip["name"] for clip in self.index()["clips"]]
        self.assertIn("odd/one.wav", kept)
        self.assertIn("odd/stereo8k.wav", kept)

    def test_keeps_long_and_empty_test_clips(self):
        self.add("long.wav", "Bark", split="test", samples=audio.tone(441) * 7000)
        self.add("empty.wav", "Bark", split="test", samples=[])
        self.prepare()
        clips = {clip["name"]: clip for clip in self.index()["clips"]}
        self.assertEqual(clips["long.wav"]["samples"], 441 * 7000)
        self.assertEqual(clips["empty.wav"]["samples"], 0)
        self.assertEqual(set(self.problems()), {"empty.wav"})

    def test_strict_stops(self):
        self.add("odd.wav", "Bark", samples=[])
        self.refuses(1, "odd.wav (row 8): empty", "--strict")
        self.assertFalse((self.store / "index.json").exists())
        self.prepare()
        self.refuses(1, "odd.wav (row 8): empty", "--strict")

    def test_reads_a_table_with_quotes_and_a_folder_per_class(self):
        table = self.source / "mine.csv"
        audio.write_wav(self.source / "a, b.wav", audio.tone(7000, hz=900.0))
        table.write_text('label,path\r\n"Say ""hi""","a, b.wav"\r\nBark,0.wav\r\n')
        self.succeeds("prepare", table, "--out", self.store)
        self.assertEqual(self.index()["classes"], ["Bark", 'Say "hi"'])
        for i, name in enumerate(["train/A/1.wav", "train/B/2.wav", "test/A/3.wav"]):
            audio.write_wav(self.folder / "tree" / name, audio.tone(6000, hz=300.0 + 100 * i))
        self.succeeds("prepare", self.folder / "tree", "--out", self.store)
        self.assertEqual([clip["split"] for clip in self.index()["clips"]],
                         ["train", "train", "test"])

    def test_refuses_sources_that_are_none(self):
        self.refuses(1, "there is no file or folder", source=self.folder / "missing")
        self.refuses(1, "is an audio file", source=self.source / "0.wav")
        (self.folder / "nothing").mkdir()
        self.refuses(1, "holds neither corpus.csv", source=self.folder / "nothing")
        table = self.folder / "t.csv"
        for text, sentence in (("", "is empty"), ("a,b\n1,2\n", "no column 'path'"),
                               ('path,label\n"a.wav,Bark\n', "line 2: a quote"),
                               ("path,label\n", "no training clip is left")):
            table.write_text(text)
            self.refuses(1, sentence, source=table)
        self.rows = [row for row in self.rows if row[1] == "Bark"]
        self.add("0.wav", "Bark")
        self.refuses(1, "of one class, 'Bark'")

    def test_refuses_outputs_that_cannot_be(self):
        (self.folder / "file").write_text("in the way")
        self.refuses(1, "cannot be made", out=self.folder / "file")
        self.refuses(1, "cannot be made", out="/proc/store")

    def test_full_disk_keeps_the_old_store(self):
        self.prepare()
        before = (self.store / "index.json").read_bytes()
        self.refuses(1, "cannot write", "--peak", restore_signals=False,
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)))
        self.assertEqual((self.store / "index.json").read_bytes(), before)
        self.assertIn("is up to date", self.prepare())
        names = {path.name.split("-")[0] for path in self.store.iterdir()}
        self.assertEqual(names, {".lock", "clips", "index.json", "problems.csv"})

    def test_killed_prepare_keeps_the_old_store(self):
        for i in range(60):
            self.add(f"more{i}.wav", "Bark", samples=audio.tone(200, hz=100.0 + i) * 400)
        self.prepare()
        work = subprocess.Popen([TOOLS / "prepare", self.source, "--out", self.store, "--peak",
                                 "--jobs", "1", "--quiet"], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not list(self.store.glob("*.partial")) and work.poll() is None:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        work.send_signal(signal.SIGKILL)
        self.assertEqual(work.wait(), -signal.SIGKILL)
        self.assertIn("is up to date", self.prepare())
        self.assertIn("made in", self.prepare("--peak"))
        self.assertEqual(list(self.store.glob("*.partial")), [])

    def test_replaces_stores_of_another_version_and_damaged_ones(self):
        self.prepare()
        index = self.index()
        index["version"] += 1
        (self.store / "index.json").write_text(json.dumps(index))
        self.assertIn("made in", self.prepare())
        data = next(self.store.glob("clips-*.bin"))
        data.write_bytes(data.read_bytes()[:-1])
        self.assertIn("made in", self.prepare())

    def test_devices(self):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self.addCleanup(os.environ.pop, "CUDA_VISIBLE_DEVICES")
        self.refuses(1, "--device cuda: ", "--device", "cuda")
        self.refuses(2, "--device gpu: ", "--device", "gpu")
        self.assertFalse(self.store.exists())
        self.assertIn("made in", self.prepare("--device", "cpu"))

    def test_explains_a_wrong_call(self):
        self.fails(2, "--out is required", "prepare", self.source)
        self.fails(2, "SOURCE is required", "prepare", "--out", self.store)
        self.refuses(2, "--log", "--log", "bel")
        self.refuses(2, "--max-seconds", "--max-seconds", "0")
        self.refuses(2, "--max-seconds", "--max-seconds", "nan")
        self.refuses(2, "--jobs", "--jobs", "-2")
        self.refuses(2, "--speed", "--speed")
        self.assertFalse(self.store.exists())
        help_text = self.succeeds("prepare", "--help")
        for word in ("SOURCE", "corpus.csv", "FSDKaggle2018", "--out", "--strict", "problems.csv"):
            self.assertIn(word, help_text)
        self.assertLessEqual(max(map(len, help_text.splitlines())), 110)


if __name__ == "__main__":
    unittest.main()
