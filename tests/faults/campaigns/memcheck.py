"""The programs under valgrind's memcheck: reads of what was never written, leaks, wrong frees.

Its CPU has no AVX-512, so that the AVX2 kernels are what runs. profile is left out: it measures the
machine first, which takes long here."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time

import audio

COMMAND = ["valgrind", "--tool=memcheck", "--error-exitcode=9", "--leak-check=full",
           "--errors-for-leak-kinds=definite", "--num-callers=30"]


def run(bench, table):
    if not shutil.which("valgrind"):
        table.skip("all programs", "valgrind is not installed")
        return
    tools = bench.prepare_command("")[0].parent
    store, out = bench.fresh("memcheck-store"), bench.fresh("memcheck-run")
    odd = bench.work / "odd"
    files = audio.write_awkward(odd / "A")
    for hz in (300, 600):
        audio.write_wav(odd / f"B/{hz}.wav", audio.tone(20000, hz))
    train = bench.train_command(out, data=store)
    checks = [
        ("prepare", bench.prepare_command(store, "--jobs", "2")),
        ("prepare of damaged recordings", [tools / "prepare", odd, "--out", bench.fresh("odd-store")]),
        ("extract_mel", [tools / "extract_mel", files["stereo8k"], "--out", bench.work / "x.npy"]),
        ("inspect of a store", [tools / "inspect", store, "--verify"]),
    ]
    checks += [] if bench.quick else [  # minutes each
        ("train, stopped by SIGTERM", train),
        ("train --resume", train),
        ("inspect of a run", [tools / "inspect", out]),
        ("evaluate", [tools / "evaluate", out, "--data", store, "--csv", bench.work / "x.csv"]),
        ("predict", [tools / "predict", out, files["good"], files["stereo8k"]]),
    ]
    for name, command in checks:
        with table.row(f"memcheck of {name}") as row:
            stop = out if "SIGTERM" in name else None
            check(row, command, bench.work / "memcheck.log", stop)


def check(row, command, log, stop):
    """Runs it; with `stop`, until that run's first checkpoint, then sends SIGTERM."""
    words = [*COMMAND, f"--log-file={log}", *map(str, command)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": "2"})
    row.tries()
    before = cpu_seconds()
    while stop and process.poll() is None:
        if any(stop.glob("fold-*/*/last.safetensors")):
            process.send_signal(signal.SIGTERM)
            break
        time.sleep(0.1)
    _, errors = process.communicate()
    report = log.read_text()
    found = re.search(r"ERROR SUMMARY: (\d+) errors", report)
    if process.returncode != (75 if stop else 0) or not found:
        row.loses(f"exit status {process.returncode}: {errors[-1000:]}{report[-3000:]}")
        return
    lost = re.search(r"definitely lost: ([\d,]+) bytes", report)
    row.figures = {"errors": int(found[1]), "bytes lost": lost[1] if lost else "0",
                   "CPU seconds": round(cpu_seconds() - before)}


def cpu_seconds():
    """Of all programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
