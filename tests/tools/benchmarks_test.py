"""The driver of benchmarks/run with made-up rivals, our side of it alone, and tools/profile."""

import array
import json
import math
import os
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
SOURCE = Path(os.environ["EARSHOT_SOURCE"])
sys.path.insert(0, str(SOURCE / "benchmarks"))
sys.dont_write_bytecode = True
from harness import cases_epoch, cases_kernels, cases_step, table  # noqa: E402
from harness.measure import compare  # noqa: E402
from harness.workers import Side, Worker, WorkerError  # noqa: E402
from program import TOOLS, ProgramTest  # noqa: E402

WORKER = TOOLS.parent / "benchmarks" / "bench_worker"
FAKE = """
import json, sys
print("chatter of a library")
print(json.dumps({"difference": DIFFERENCE}), flush=True)
for line in sys.stdin:
    word, *count = line.split()
    if word == "memory":
        print(json.dumps({"peak_bytes": BYTES}), flush=True)
    else:
        print(json.dumps({"seconds": [SECONDS] * int(count[0])}), flush=True)
"""


def fake(name, seconds, difference=0.0, peak=1000):
    code = FAKE.replace("DIFFERENCE", f"float('{difference}')").replace("BYTES", str(peak))
    return Side(name, [sys.executable, "-c", code.replace("SECONDS", str(seconds))])


def agree(ready):
    found = ready["difference"]
    return {"difference": found}, None if found <= 0.1 else f"differs by {found}"


def tensors(path):
    """Every float tensor of a safetensors file, flat, by its name."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    return {name: array.array("f", body[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def silent(_):
    pass


class MeasureTest(unittest.TestCase):
    def test_the_best_rival_that_agrees_is_timed(self):
        rivals = [fake("slow", 4), fake("best", 3, peak=4000), fake("wrong", 1, difference=0.2),
                  fake("not a number", 1, difference=float("nan")),
                  Side("gone", [sys.executable, "-c", "raise SystemExit('no such library')"])]
        result = compare(fake("ours", 2), rivals, agree, 3, 20, silent)
        self.assertEqual(result["rival"]["name"], "best")
        self.assertEqual(result["ratio"], 1.5)
        self.assertEqual(result["memory_ratio"], 4)
        self.assertEqual(result["ours"]["samples"], [2, 2, 2])
        refused = {t["name"]: t["refused"] for t in result["trials"]}
        self.assertEqual(refused["best"], None)
        self.assertEqual(refused["wrong"], "differs by 0.2")
        self.assertIn("differs", refused["not a number"])
        self.assertIn("no such library", refused["gone"])

    def test_a_single_rival_that_differs_gives_no_ratio(self):
        result = compare(fake("ours", 2), [fake("wrong", 1, difference=0.2)], agree, 3, 60, silent)
        self.assertNotIn("ratio", result)
        self.assertEqual(result["ours"]["median"], 2)
        self.assertIn("differs by 0.2", result["trials"][0]["refused"])

    def test_without_rivals_ours_is_timed_alone(self):
        result = compare(fake("ours", 2), [], agree, 3, 60, silent)
        self.assertEqual(result["ours"]["samples"], [2, 2, 2])
        text = table.text({"cases": {"case": result}, "skipped": [{"case": "a", "why": "b"}]})
        self.assertIn("no rival here", text)
        self.assertIn("skipped a: b", text)

    def test_a_worker_that_does_not_answer_is_ended(self):
        with self.assertRaisesRegex(WorkerError, "no answer in"):
            Worker(Side("mute", [sys.executable, "-c", "import time; time.sleep(60)"]), 0.5)

    def test_outputs_and_gradients_have_bounds(self):
        good = {"output.logits": 1e-5, "gradient.a": 0.01, "gradient.b": 0.1, "gradient.c": 0.02}
        judge = cases_step.agreement(cases_step.BOUNDS)
        self.assertIsNone(judge({"differences": good})[1])
        for name, value in (("output.logits", 0.1), ("gradient.b", 0.5), ("gradient.a", 0.19),
                            ("output.logits", float("nan"))):
            bad = dict(good, **{name: value})
            if name == "gradient.a":
                bad["gradient.c"] = 0.19  # no single one is far off, but the middle one is
            self.assertIsNotNone(judge({"differences": bad})[1], name)

    def test_the_epoch_is_the_lesser_network(self):
        ratios = {"epoch/cnn-audio": 3.0, "epoch/cnn-spec": 2.0}
        self.assertEqual(cases_epoch.lesser(ratios)["epoch"], 2.0)
        self.assertNotIn("epoch", cases_epoch.lesser({"epoch/cnn-audio": 3.0}))

    def test_kernels_are_compared_with_the_nearer_roof(self):
        report = {"context": {"product_flops_per_second": "1e12", "copy_bytes_per_second": "1e10"},
                  "benchmarks": [{"name": "a/real_time", "real_time": 2, "time_unit": "ms",
                                  "GFLOP/s": 500, "GB/s": 1, "MB": 3.5}]}
        (row,) = cases_kernels.rows(report)["rows"]
        self.assertEqual((row["name"], row["seconds"], row["roof"], row["memory_bytes"]),
                         ("a", 0.002, 0.5, 3500000))


class OurSideTest(ProgramTest):
    small = ("--config", "paper-1s", "--set", "width.audio=0.125", "--set", "width.spec=0.125")

    def test_run_without_rivals(self):
        out = self.folder / "result.json"
        done = subprocess.run(
            [sys.executable, str(SOURCE / "benchmarks" / "run"), "--quick", "--offline",
             "--only", "mel/librosa", "--rivals", str(self.folder / "none"), "--json", str(out),
             "--build", str(TOOLS.parent)], capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(out.read_text())
        self.assertEqual(result["ratios"], {})
        self.assertEqual(set(result["cases"]), {"mel/librosa"})
        ours = result["cases"]["mel/librosa"]["ours"]
        self.assertEqual(len(ours["samples"]), 5)
        self.assertGreater(ours["peak_bytes"], 1e6)
        for key in ("commit", "cpu", "threads", "date", "kernel", "rivals"):
            self.assertIn(key, result["environment"])
        self.assertIn("all rivals", {s["case"] for s in result["skipped"]})
        self.assertIn("mel/librosa", done.stdout)

    def test_workers_serve_and_save(self):
        file = self.folder / "case.safetensors"
        done = subprocess.run([str(WORKER), "--quiet", "step", "--model", "cnn-comb", "--batch",
                               "2", *self.small, "--save", str(file)], input="run 2\nmemory\n",
                              capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stderr)
        ready, run, memory = map(json.loads, done.stdout.splitlines())
        self.assertEqual(ready["device"], "cpu")
        self.assertEqual(len(run["seconds"]), 2)
        self.assertGreater(memory["peak_bytes"], ready["planned_bytes"])
        names = set(tensors(file))
        for name in ("weight.audio.block1.conv1.weight", "input.mel", "input.wave",
                     "output.logits", "gradient.head.dense1.weight"):
            self.assertIn(name, names)
        wrong = subprocess.run([str(WORKER), "--quiet", "step", "--batch", "2", *self.small],
                               input="sing\n", capture_output=True, text=True, timeout=200)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("'run N'", wrong.stderr)

    def test_scoring_worker(self):
        file = self.folder / "scores.safetensors"
        done = subprocess.run([str(WORKER), "--quiet", "scoring", *self.small, "--seconds", "2",
                               "--clips", "2", "--run", str(self.folder / "run"), "--save",
                               str(file)],
                              input="run 1\n", capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(json.loads(done.stdout.splitlines()[0])["crops"], 5)
        scores = tensors(file)["output.log_probabilities"]
        self.assertEqual(len(scores), 2 * 41)
        for row in (scores[:41], scores[41:]):
            self.assertAlmostEqual(sum(map(math.exp, row)), 1, places=5)

    def test_profile(self):
        rows, trace = self.folder / "rows.json", self.folder / "trace.json"
        text = self.succeeds("profile", *self.small, "--batch", "2", "--steps", "2", "--json",
                             rows, "--trace", trace, "--device", "cpu")
        self.assertIn("block1.conv1", text)
        profile = json.loads(rows.read_text())
        self.assertGreater(profile["floor_seconds"], 0)
        events = json.loads(trace.read_text())["traceEvents"]
        self.assertEqual(len(events), 2 * len(profile["rows"]))
        self.fails(2, "at least 1", "profile", "--steps", "0")

    def test_tables(self):
        result = {"environment": {"device": "cpu", "cpu": "a CPU", "threads": 2,
                                  "date": "2000-01-01", "commit": "abc"},
                  "ratios": {"step/head": 3.14159, "epoch": 2.0},
                  "cases": {"epoch/a": {"ratio": 3.0}, "epoch/b": {
                      "ratio": 2.0, "ratio_spread": 0.04, "ours": {"peak_bytes": 1e9},
                      "rival": {"name": "theirs", "peak_bytes": 3e9}}}}
        (self.folder / "one").mkdir()
        (self.folder / "one" / "results.json").write_text(json.dumps(result))
        page = self.folder / "page.md"
        page.write_text("before\n<!-- ratios -->\nold\n<!-- end of ratios -->\nafter\n")
        call = [sys.executable, str(SOURCE / "benchmarks" / "tables"), "--results",
                str(self.folder), "--write", str(page)]
        self.assertEqual(subprocess.run(call).returncode, 0)
        text = page.read_text()
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        self.assertNotIn("old", text)
        self.assertIn("joined head 2 s, batch 32 | 3.14", text)
        self.assertIn("(the lesser of two networks) | 2.00 ± 4 % | theirs | 1.00 GB | 3.00 GB |", text)
        self.assertIn("mel against librosa | not run", text)
        page.write_text("no place")
        self.assertEqual(subprocess.run(call, stderr=subprocess.DEVNULL).returncode, 2)


if __name__ == "__main__":
    unittest.main()
