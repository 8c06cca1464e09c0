"""extract_mel as a user meets it: every awkward input, and the file that it writes."""

import os
import resource
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import audio
from program import ProgramTest, TOOLS, run


class ExtractMelTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.files = audio.write_awkward(self.folder / "in")
        self.out = self.folder / "x.npy"

    def mel(self, file, *arguments):
        text = self.succeeds("extract_mel", file, "--out", self.out, *arguments)
        self.assertIn("128 x ", text)
        mel = np.load(self.out)
        self.assertEqual(mel.dtype, np.float32)
        self.assertTrue(np.isfinite(mel).all())
        self.assertLessEqual(mel.max() - mel.min(), 80.0 + 1e-3)
        return mel

    def refuses(self, name, text):
        self.fails(1, text, "extract_mel", self.files.get(name, self.folder / name), "--out",
                   self.out)
        self.assertFalse(self.out.exists())

    def test_writes_bands_by_frames(self):
        self.assertEqual(self.mel(self.files["good"]).shape, (128, 1 + 30000 // 256))

    def test_puts_a_tone_into_its_band(self):
        audio.write_wav(self.folder / "high.wav", audio.tone(30000, hz=8000.0))
        low = self.mel(self.files["good"])[:, 50].argmax()
        high = self.mel(self.folder / "high.wav")[:, 50].argmax()
        self.assertLess(low, 20)   # 440 Hz: 6.6 mel of 60, in 129 steps
        self.assertGreater(high, 90)

    def test_scales_differ_by_their_factor(self):
        amplitude = self.mel(self.files["good"])
        power = self.mel(self.files["good"], "--log", "power_db")
        loud = amplitude > amplitude.max() - 60.0
        self.assertTrue(loud.any())
        self.assertLessEqual(np.abs(amplitude - 2.0 * power)[loud].max(), 0.02)

    def test_trims_unless_told_not_to(self):
        audio.write_wav(self.folder / "late.wav", [0] * 50000 + audio.tone(10000))
        self.assertLess(self.mel(self.folder / "late.wav").shape[1], 60)
        whole = self.mel(self.folder / "late.wav", "--no-trim")
        self.assertEqual(whole.shape[1], 1 + 60000 // 256)

    def test_works_on_short_silent_and_resampled_files(self):
        self.assertEqual(self.mel(self.files["one"]).shape, (128, 1))
        self.assertEqual(self.mel(self.files["zeros"]).shape, (128, 1 + 20000 // 256))
        self.assertEqual(self.mel(self.files["stereo8k"]).shape, (128, 1 + 2 * 44100 // 256))

    def test_works_on_half_an_hour(self):
        path = self.folder / "long.wav"
        audio.write_wav(path, audio.tone(8000, rate=8000) * (30 * 60), rate=8000)
        self.assertEqual(self.mel(path).shape, (128, 1 + 30 * 60 * 44100 // 256))

    def test_refuses_what_it_cannot_read(self):
        self.refuses("missing.wav", "there is no such file")
        self.refuses("folder", "it is a folder")
        self.refuses("truncated", "truncated")
        self.refuses("text", "no audio")
        self.refuses("nothing", "no audio")
        self.refuses("empty", "holds no samples")
        self.refuses("nan", "sample 500 is NaN")

    def test_refuses_what_it_cannot_write(self):
        good = self.files["good"]
        self.fails(1, "cannot write", "extract_mel", good, "--out", self.folder / "no/x.npy")
        self.fails(1, "is a folder", "extract_mel", good, "--out", self.folder)
        self.fails(1, "not a regular file", "extract_mel", good, "--out", "/dev/full")
        self.out.write_text("old")
        self.fails(1, "cannot write", "extract_mel", good, "--out", self.out, restore_signals=False,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        self.assertEqual(self.out.read_text(), "old")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["in", "x.npy"])

    def test_survives_a_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        inside = (f"mount -t tmpfs -o size=16k none {disk} && "
                  f"{TOOLS}/extract_mel {self.files['good']} --out {disk}/x.npy; "
                  f"status=$?; ls -A {disk}; exit $status")
        if not shutil.which("unshare") or subprocess.run(
                ["unshare", "-rm", "mount", "-t", "tmpfs", "none", disk],
                capture_output=True).returncode != 0:
            self.skipTest("no name space to mount a small disk in")
        done = subprocess.run(["unshare", "-rm", "sh", "-c", inside], capture_output=True,
                              text=True, timeout=100)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_explains_a_wrong_call(self):
        good = self.files["good"]
        self.fails(2, "--out is required", "extract_mel", good)
        self.fails(2, "FILE is required", "extract_mel", "--out", self.out)
        self.fails(2, "--log", "extract_mel", good, "--out", self.out, "--log", "bel")
        self.fails(2, "--trim-db", "extract_mel", good, "--out", self.out, "--trim-db", "-3")
        self.fails(2, "--no-trim", "extract_mel", good, "--out", self.out, "--no-trim",
                   "--trim-db", "30")
        self.fails(2, "--speed", "extract_mel", good, "--out", self.out, "--speed")
        help_text = self.succeeds("extract_mel", "--help")
        for word in ("FILE", "--out", "--log", "--no-trim", "float32 [128, frames]"):
            self.assertIn(word, help_text)
        self.assertLessEqual(max(map(len, help_text.splitlines())), 110)

    def test_devices(self):
        self.mel(self.files["good"], "--device", "cpu")
        self.out.unlink()
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self.addCleanup(os.environ.pop, "CUDA_VISIBLE_DEVICES")
        self.mel(self.files["good"], "--device", "auto")
        self.out.unlink()
        self.fails(1, "--device cuda: ", "extract_mel", self.files["good"], "--out", self.out,
                   "--device", "cuda")
        self.fails(2, "--device tpu: ", "extract_mel", self.files["good"], "--out", self.out,
                   "--device", "tpu")
        self.assertFalse(self.out.exists())

    def test_says_when_its_output_is_lost(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([TOOLS / "extract_mel", self.files["good"], "--out", self.out],
                                  stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)


if __name__ == "__main__":
    unittest.main()
