"""Flipped, cut, extended, zeroed regions of stores, checkpoints, configs, tables and recordings."""

import json
import os
import subprocess


def run(bench, table):
    report = bench.work / "mutations.json"
    program = bench.o.build / "tests/faults/test_faults"
    if not program.exists():
        table.skip("mutations", f"{program} is not built")
        return
    subprocess.run([program, f"--gtest_output=json:{report}"], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "EARSHOT_MUTATIONS": str(bench.o.mutations)})
    if not report.exists():
        with table.row("mutations") as row:
            row.loses("the test ended without a report: a crash")
        return
    for suite in json.loads(report.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            with table.row(f"damaged bytes: {test['name'].split('/')[-1]}") as row:
                refused, read = int(test.get("refused", 0)), int(test.get("read", 0))
                row.tried = row.struck = refused + read
                row.figures = {"refused with a sentence": refused, "read, harmless": read}
                for failure in test.get("failures", []):
                    row.loses(failure["failure"][:300])
