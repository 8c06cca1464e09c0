"""Instructions of the hot kernels against benchmarks/instructions.json: a guard where times are
noisy. EARSHOT_RECORD=1 writes what was counted. The counts are those of the AVX2 kernels, which is
what valgrind's CPU has."""

import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

PROGRAM = Path(os.environ["EARSHOT_TOOLS"]).parent / "benchmarks" / "bench_instructions"
RECORD = Path(os.environ["EARSHOT_SOURCE"]) / "benchmarks" / "instructions.json"
MOST = 1.05  # times the record; compilers and libraries of another day differ by a percent or two


def count(case):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         "--toggle-collect=earshot_counted", str(PROGRAM), case],
        capture_output=True, text=True, timeout=200, env={**os.environ, "OMP_NUM_THREADS": "1"})
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None:
        raise AssertionError(f"{case}: {done.stderr[-500:]}")
    return int(collected[1])


def over(counted, recorded):
    """Cases with more instructions than the record allows, or with no record."""
    return {case: (number, recorded.get(case)) for case, number in counted.items()
            if not number <= MOST * recorded.get(case, 0)}


class InstructionsTest(unittest.TestCase):
    def test_the_guard_notices(self):
        self.assertEqual(over({"a": 105, "b": 10}, {"a": 100, "b": 20}), {})
        self.assertEqual(over({"a": 106, "c": 1}, {"a": 100}), {"a": (106, 100), "c": (1, None)})

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_no_kernel_needs_more_than_recorded(self):
        done = subprocess.run([str(PROGRAM)], capture_output=True, text=True, check=True)
        counted = {case: count(case) for case in done.stdout.splitlines()}
        self.assertGreaterEqual(len(counted), 8)
        if os.environ.get("EARSHOT_RECORD"):
            RECORD.write_text(json.dumps(counted, indent=1) + "\n")
        recorded = json.loads(RECORD.read_text())
        for case, number in counted.items():
            print(f"{case}: {number} instructions, {number / recorded[case] - 1:+.1%} of the record")
        self.assertEqual(over(counted, recorded), {}, "more instructions than recorded; if that is "
                         "meant, record anew with EARSHOT_RECORD=1")


if __name__ == "__main__":
    unittest.main()
