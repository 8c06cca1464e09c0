"""libFuzzer over every reader, with seeds from real files; the programs are those of preset asan."""

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

# Then a target begins anew with what it found: libsndfile 1.2 loses 5.8 kB for each damaged Ogg file.
RUNS_AT_ONCE = 200_000


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


class Fuzzed:
    """What a target printed, in one go or in several."""

    def __init__(self):
        self.goes = self.runs = self.edges = self.pauses = 0
        self.cpu, self.failure = 0.0, ""


def fuzz(program, options, work):
    corpus, found = work / program.name, work / f"{program.name}-found"
    for folder in (corpus, found):
        folder.mkdir()
    subprocess.run([program, "--seeds", corpus], check=True)
    fuzzed, end = Fuzzed(), time.monotonic() + options.fuzz
    while not fuzzed.failure and (left := end - time.monotonic()) >= 1:
        errors = work / f"{program.name}.err"
        fuzzed.goes += 1
        status = once(program, corpus, found, errors, int(left), options.seed + fuzzed.goes, fuzzed)
        if status == 0:
            continue
        if only_slow(program, found):  # the machine stood still: go on
            fuzzed.pauses += 1
        else:
            fuzzed.failure = f"exit status {status}: {errors.read_text(errors='replace')[-1500:]}"
    return fuzzed


def once(program, corpus, found, errors, seconds, seed, fuzzed):
    """The exit status of one go."""
    with open(errors, "wb") as to:
        # Threads of OpenMP only get in the way of each other here.
        process = subprocess.Popen(
            [program, corpus, f"-max_total_time={seconds}", f"-runs={RUNS_AT_ONCE}",
             f"-seed={seed}", "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={found}/",
             "-print_final_stats=1"],
            stdout=subprocess.DEVNULL, stderr=to, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(process.pid, 0)
    text = errors.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    fuzzed.runs += int(runs[1]) if runs else 0
    fuzzed.edges = max([fuzzed.edges, *map(int, re.findall(r"cov: (\d+)", text))])
    fuzzed.cpu += usage.ru_utime + usage.ru_stime
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode


def judge(row, fuzzed, program, options, found):
    row.tried = row.struck = fuzzed.runs
    row.figures.update({"edges": fuzzed.edges, "CPU seconds": round(fuzzed.cpu)})
    if fuzzed.pauses:
        row.figures["times the machine stood still"] = fuzzed.pauses
    if not fuzzed.failure:
        if fuzzed.runs == 0:
            row.loses("it ran no input")
        return
    for path in found.iterdir():
        kept = options.fuzz_build / f"{program.name}-{path.name}"
        kept.write_bytes(path.read_bytes())
        print(f"kept: {kept}")
    row.loses(fuzzed.failure)


def only_slow(program, found):
    """Whether all that stopped it are inputs which took long, and take no time now."""
    inputs = list(found.iterdir())
    slow = all(path.name.startswith(("timeout-", "slow-unit-")) for path in inputs)
    if not inputs or not slow or not all(is_quick(program, path) for path in inputs):
        return False
    for path in inputs:
        path.unlink()
    return True


def is_quick(program, path):
    return subprocess.run([program, "-timeout=20", path], capture_output=True).returncode == 0
