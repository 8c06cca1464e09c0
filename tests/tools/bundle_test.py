"""The bundle in a folder of its own: every library but glibc comes out of it, its programs start from
anywhere, and its two device scripts tell the truth about what ran. Fakes stand in for a GPU."""

import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

ARCHIVE = Path(os.environ["EARSHOT_BUNDLE"])
SIZE_CHECK = Path(os.environ["EARSHOT_SOURCE"]) / "tools/bundle/size.cmake"
GLIBC = re.compile(r"(linux-vdso|ld-linux-x86-64|lib(c|m|dl|pthread|rt|mvec))\.so")
CUDA = re.compile(r"lib(cu|nv)")
WORKER = """echo '{"model": "pretended"}'
while read -r word _; do
  case $word in run) echo '{"seconds":[0.1,0.2]}' ;; memory) echo '{"peak_bytes":1}' ;; esac
done"""

TRAIN = """while [[ $# -gt 0 ]]; do [[ $1 == --out ]] && out=$2; shift; done
mkdir -p "$out/fold-0/cnn-comb"
echo bits > "$out/fold-0/cnn-comb/last.safetensors"
for model in cnn-audio cnn-spec cnn-comb; do echo "$model: 200 steps beside cpu; off by"; done"""


def setUpModule():
    global scratch, bundle
    scratch = tempfile.TemporaryDirectory(prefix="earshot bundle ")  # with blanks in its name
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(scratch.name)
    (bundle,) = Path(scratch.name).iterdir()


def tearDownModule():
    scratch.cleanup()


def call(*command, **environment):
    """From /, with nothing of this process' environment."""
    return subprocess.run([str(part) for part in command], cwd="/", capture_output=True, text=True,
                          timeout=200, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
                                            "OMP_WAIT_POLICY": "passive", **environment})


class BundleTest(unittest.TestCase):
    def run_well(self, *command):
        done = call(*command)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_every_library_but_glibc_is_inside(self):
        programs = [path for path in bundle.rglob("*")
                    if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
        self.assertGreaterEqual(len(programs), 30)
        for program in programs:
            # A library alone has no run path: the program's holds for it.
            inside = {} if program.parent.name != "lib" else {"LD_LIBRARY_PATH": str(bundle / "lib")}
            for line in call("ldd", program, **inside).stdout.splitlines():
                name, _, where = line.strip().partition(" => ")
                if GLIBC.match(Path(name.split()[0]).name):
                    continue
                if program.name in ("libearshot_cuda.so", "describe_device") and CUDA.match(name):
                    continue
                found = Path(where.rsplit(" (", 1)[0]).resolve()
                self.assertTrue(found.is_relative_to(bundle), f"{program.name}: {line}")

    def test_licences_of_all_libraries(self):
        names = {path.name for path in (bundle / "licences").iterdir()}
        self.assertLessEqual({"libdnnl2", "libsndfile1", "libsoxr0", "libfmt9", "libgomp1",
                              "nlohmann-json3-dev"}, names)
        self.assertIn("Apache License", (bundle / "LICENSE").read_text())
        self.assertTrue(json.loads((bundle / "build.json").read_text())["version"])

    def test_programs_work_from_anywhere(self):
        with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
            self.run_well(bundle / "tools/prepare", bundle / "recordings", "--out", f"{folder}/store")
            made, shipped = (json.loads((place / "index.json").read_text())["clips"]
                             for place in (Path(folder, "store"), bundle / "store"))
            self.assertEqual(made, shipped)
            said = self.run_well(bundle / "tools/train", "--config", "quickstart", "--data",
                                 bundle / "store", "--dry-run", "--device", "cpu")
            self.assertIn("cnn-comb", said)
            self.run_well(bundle / "tools/extract_mel", bundle / "recordings/test/Tone/0.wav",
                          "--out", f"{folder}/mel.npy")

    def test_tests_and_benchmarks_start(self):
        self.assertIn("PASSED", self.run_well(bundle / "tests/test_kernels",
                                              "--gtest_filter=Philox*"))
        said = self.run_well(bundle / "benchmarks/bench_kernels", "--device=cpu",
                             "--benchmark_list_tests")
        self.assertGreaterEqual(len(said.splitlines()), 9)
        self.assertIn("cnn-comb", self.run_well(bundle / "benchmarks/bench_worker", "step", "--help"))

    def test_a_bundle_that_is_too_large_is_removed(self):
        with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
            copy = Path(folder, "bundle.tar.gz")
            copy.write_bytes(b"1" * 2_000_001)
            self.run_well("cmake", f"-DFILE={copy}", "-DMOST_MB=3", "-P", SIZE_CHECK)
            done = call("cmake", f"-DFILE={copy}", "-DMOST_MB=2", "-P", SIZE_CHECK)
            self.assertNotEqual(done.returncode, 0)
            self.assertFalse(copy.exists())


class DeviceScriptsTest(unittest.TestCase):
    """With programs that pretend, in place of the bundle's own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "bundle").mkdir()
        for name in ("device_tests", "device_benchmarks", "device_environment.sh", "build.json"):
            shutil.copy(bundle / name, self.folder / "bundle" / name)
        self.fake("tests/plugin_probe", "echo '[info] cuda:0: Fake 100'")
        for name in ("device", "engine", "models"):
            self.fake(f"tests/test_{name}", "echo '[  PASSED  ] 3 tests.'")
        self.fake("tools/train", TRAIN)
        self.fake("tests/describe_device", "echo '{'; echo ' \"warpSize\": 32'; echo '}'")
        self.fake("benchmarks/bench_kernels",
                  "for o; do case $o in --benchmark_out=*) echo '{\"real_time\": 1}' > ${o#*=};;"
                  " esac; done")
        self.fake("benchmarks/bench_worker", WORKER)

    def fake(self, name, text):
        path = self.folder / "bundle" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/bash\n" + text + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def script(self, name, *options, **environment):
        done = call(self.folder / "bundle" / f"device_{name}", "--out", self.folder / "out",
                    *options, **environment)
        record = self.folder / f"out/{name}.json"
        return done, json.loads(record.read_text()) if record.exists() else None

    def outcomes(self, record):
        return {part["part"]: part["status"] for part in record["parts"]}

    def test_all_pass(self):
        parts = ("describe", "kernels", "engine", "models", "lockstep", "repeat/first", "repeat/second",
                 "repeat/eager")
        done, record = self.script("tests", "--only", "describe,kernels,engine,models,lockstep,repeat")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(record["status"], "passed")
        self.assertEqual(record["device"], "cuda:0: Fake 100")
        self.assertEqual(self.outcomes(record), dict.fromkeys(parts, "passed"))
        self.assertIn("cnn-spec: 200 steps beside cpu", done.stdout)
        self.assertEqual(json.loads((self.folder / "out/device.json").read_text()), {"warpSize": 32})
        folder = self.folder / "bundle/bin"
        self.fake("bin/ncu", "echo 'a line'; echo '\"a\",\"kernel\"'")
        self.fake("tools/profile", "for file; do :; done; echo '{\"rows\": []}' > $file")
        done, record = self.script("benchmarks", PATH=f"{folder}:/usr/bin:/bin")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        models = ("cnn-audio", "cnn-spec", "cnn-comb")
        steps = [f"step/{model}/{seconds}s" for model in models for seconds in (1, 2, 3)]
        layers = [f"profile/{model}" for model in models]
        self.assertEqual(self.outcomes(record), dict.fromkeys(
            ["kernels", *steps, *layers, "ncu/cnn-audio", "ncu/cnn-spec"], "passed"))
        self.assertEqual((self.folder / "out/ncu-cnn-spec.csv").read_text(), '"a","kernel"\n')
        self.assertEqual(len((self.folder / "out/steps.jsonl").read_text().splitlines()), 4 * 9)

    def test_a_failure_is_one(self):
        self.fake("tests/test_engine", "echo '[  FAILED  ] Some.test'; exit 1")
        done, record = self.script("tests", "--only", "engine,models")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Some.test", done.stdout)
        self.assertEqual(record["status"], "failed")
        self.assertEqual(self.outcomes(record), {"engine": "failed", "models": "passed"})

    def test_what_ran_nothing_has_failed(self):
        self.fake("tests/test_engine", "echo '[  PASSED  ] 0 tests.'")
        done, record = self.script("tests", "--only", "engine")
        self.assertEqual((done.returncode, record["status"]), (1, "failed"))
        self.fake("tests/test_device", "echo 'no GPU to test on: why'; echo '[  PASSED  ] 9 tests.'")
        done, record = self.script("tests", "--only", "kernels")
        self.assertEqual((done.returncode, record["status"]), (1, "failed"))
        self.fake("benchmarks/bench_worker", "true")
        done, record = self.script("benchmarks", "--only", "step", "--filter", "spec/2s")
        self.assertEqual(self.outcomes(record), {"step/cnn-spec/2s": "failed"})
        self.assertEqual((done.returncode, record["status"]), (1, "failed"))

    def test_other_bits_and_steps_that_were_not_compared_have_failed(self):
        self.fake("tools/train", TRAIN.replace("bits", "$RANDOM$RANDOM").replace("200", "199"))
        done, record = self.script("tests", "--only", "lockstep,repeat")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.outcomes(record), {"lockstep": "failed", "repeat/first": "passed",
                                                 "repeat/second": "failed", "repeat/eager": "failed"})

    def test_a_case_that_could_not_run_has_failed(self):
        self.fake("benchmarks/bench_kernels",
                  "for o; do case $o in --benchmark_out=*) echo '{\"error_occurred\": true,"
                  " \"real_time\": 1}' > ${o#*=};; esac; done")
        done, record = self.script("benchmarks", "--only", "kernels")
        self.assertEqual((done.returncode, record["status"]), (1, "failed"))

    def test_a_sanitizer_that_finds_something_has_failed(self):
        folder = self.folder / "bundle/bin"
        self.fake("bin/compute-sanitizer", "echo '========= ERROR SUMMARY: 1 error'; exit 9")
        done, record = self.script("tests", "--only", "memcheck", PATH=f"{folder}:/usr/bin:/bin")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.outcomes(record), {"memcheck": "failed"})

    def test_no_sanitizer_is_skipped_with_the_reason(self):
        done, record = self.script("tests", "--only", "kernels,racecheck")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.outcomes(record), {"kernels": "passed", "racecheck": "skipped"})
        self.assertIn("compute-sanitizer", record["parts"][1]["reason"])

    def test_libraries_of_python_packages_are_found(self):
        site = self.folder / "site"
        for package in ("cudnn", "cu13"):
            (site / "nvidia" / package / "lib").mkdir(parents=True)
            (site / "nvidia" / package / "lib/libsome.so.1").touch()
        self.fake("tests/test_engine", "echo $LD_LIBRARY_PATH; echo '[  PASSED  ] 1 test.'")
        done, _ = self.script("tests", "--only", "engine", PYTHONPATH=str(site),
                              LD_LIBRARY_PATH="/mine")
        self.assertEqual(done.returncode, 0, done.stderr)
        path = (self.folder / "out/tests.log").read_text().splitlines()[1].split(":")
        self.assertEqual(path[0], "/mine")
        self.assertEqual(path[-2:], [f"{site}/nvidia/{p}/lib" for p in ("cu13", "cudnn")])

    def test_without_a_gpu_one_sentence(self):
        for name in ("tests", "benchmarks"):
            done = call(bundle / f"device_{name}", "--out", self.folder / "out",
                        CUDA_VISIBLE_DEVICES="-1")
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f"device_{name}: no GPU to run on: ", done.stderr)
            record = json.loads((self.folder / f"out/{name}.json").read_text())
            self.assertEqual(record["status"], "skipped")
            self.assertEqual(record["parts"][0]["status"], "skipped")

    def test_wrong_calls(self):
        for options in (["--some"], ["--only", "everything"], ["--minutes", "none"], ["--filter"]):
            for name in ("tests", "benchmarks"):
                done = call(bundle / f"device_{name}", *options)
                self.assertEqual(done.returncode, 2, options)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
