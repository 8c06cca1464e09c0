"""resources.py catches a kernel that spills more than its table says, or that is not in it."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(os.environ["EARSHOT_SOURCE"]) / "tests/kernels/resources.py"
REPORT = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN7earshot4cuda60_GLOBAL__N__5af2_9_gather_cu_7ac913assemble_waveEPf' for 'sm_90'
ptxas info    : Function properties for the same
    {frame} bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads
ptxas info    : Used {registers} registers, used 1 barriers, 128 bytes smem
ptxas info    : Compile time = 6.1 ms
"""


class ResourcesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "gather.cu.o").touch()
        self.report()
        self.call("--write")

    def report(self, registers=26, stores=0, loads=0):
        text = REPORT.format(frame=stores, stores=stores, loads=loads, registers=registers)
        (self.folder / "gather.cu.o.ptxas").write_text(text)

    def call(self, *options):
        return subprocess.run([sys.executable, SCRIPT, self.folder, self.folder / "table.csv",
                               *options], capture_output=True, text=True, timeout=60)

    def table(self):
        return (self.folder / "table.csv").read_text().splitlines()

    def test_what_was_written_passes(self):
        self.assertEqual(len(self.table()), 2)
        self.assertTrue(self.table()[1].endswith(",sm_90,26,128,0"), self.table())
        self.assertEqual(self.call().returncode, 0)

    def test_registers_may_change(self):
        self.report(registers=40)
        self.assertEqual(self.call().returncode, 0)

    def test_spills_may_not_rise(self):
        self.report(stores=4, loads=8)
        done = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn("on sm_90 spills 12 bytes, the table allows 0", done.stdout)
        self.call("--write")
        self.assertEqual(self.call().returncode, 0)
        self.report(stores=4, loads=4)  # fewer
        self.assertEqual(self.call().returncode, 0)

    def test_a_kernel_or_an_architecture_that_is_not_in_the_table(self):
        report = self.folder / "gather.cu.o.ptxas"
        report.write_text(report.read_text() + report.read_text().replace("sm_90", "sm_80"))
        done = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn("on sm_80 is not in the table", done.stdout)

    def test_architectures_that_were_not_built_stay(self):
        report = self.folder / "gather.cu.o.ptxas"
        report.write_text(report.read_text().replace("sm_90", "sm_80"))
        self.call("--write")
        self.assertEqual(len(self.table()), 3)
        self.assertEqual(self.call().returncode, 0)
        report.rename(self.folder / "other.cu.o.ptxas")  # a kernel that is gone goes from the table
        (self.folder / "other.cu.o").touch()
        self.call("--write")
        self.assertEqual(len(self.table()), 2)

    def test_nothing_built_is_a_wrong_call(self):
        (self.folder / "gather.cu.o").unlink()
        self.assertEqual(self.call().returncode, 2)


if __name__ == "__main__":
    unittest.main()
