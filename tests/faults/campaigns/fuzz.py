"""libFuzzer over every reader, with seeds from real files; the programs are those of preset asan."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor


def run(options, table, work):
    table.begin("fuzz")
    programs = sorted(path for path in (options.fuzz_build / "tests/faults").glob("fuzz_*")
                      if os.access(path, os.X_OK) and path.is_file())
    if not programs:
        table.skip("all targets", f"nothing is built in {options.fuzz_build}: cmake --preset asan && "
                   "cmake --build build-asan --target fuzzers")
    with ThreadPoolExecutor(options.fuzz_jobs) as pool:
        for program, done in zip(programs, pool.map(lambda p: fuzz(p, options, work), programs)):
            with table.row(f"{program.name.removeprefix('fuzz_')}, {options.fuzz} s") as row:
                judge(row, done, program, options, work / f"{program.name}-found")


def fuzz(program, options, work):
    corpus, found = work / program.name, work / f"{program.name}-found"
    for folder in (corpus, found):
        folder.mkdir()
    subprocess.run([program, "--seeds", corpus], check=True)
    # Threads of OpenMP only get in the way of each other here.
    return subprocess.run(
        [program, corpus, f"-max_total_time={options.fuzz}", f"-seed={options.seed}", "-timeout=20",
         "-rss_limit_mb=2048", f"-artifact_prefix={found}/", "-print_final_stats=1"],
        capture_output=True, text=True, errors="replace", env={**os.environ, "OMP_NUM_THREADS": "1"})


def judge(row, done, program, options, found):
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    row.tried = row.struck = int(runs[1]) if runs else 0
    coverage = re.findall(r"cov: (\d+)", done.stderr)
    if coverage:
        row.figures["edges"] = int(coverage[-1])
    if done.returncode == 0:
        return
    inputs = list(found.iterdir())
    for path in inputs:
        kept = options.fuzz_build / f"{program.name}-{path.name}"
        kept.write_bytes(path.read_bytes())
        print(f"kept: {kept}")
    # A machine that stood still makes an input look slow: only one that is slow again counts.
    if inputs and all(path.name.startswith("timeout-") and is_quick(program, path)
                      for path in inputs):
        row.figures["stopped early by a machine that stood still"] = 1
        return
    row.loses(done.stderr[-1500:])


def is_quick(program, path):
    return subprocess.run([program, "-timeout=20", path], capture_output=True).returncode == 0
