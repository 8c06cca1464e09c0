"""Every program under valgrind's memcheck: reads of what was never written, leaks, wrong frees.

Its CPU has no AVX-512, so that the AVX2 kernels are what runs."""

import os
import re
import shutil
import subprocess

import audio

COMMAND = ["valgrind", "--tool=memcheck", "--error-exitcode=9", "--leak-check=full",
           "--errors-for-leak-kinds=definite", "--num-callers=30"]


def run(bench, table):
    if not shutil.which("valgrind"):
        table.skip("all programs", "valgrind is not installed")
        return
    tools = bench.prepare_command("")[0].parent
    store, out, clip = bench.fresh("memcheck-store"), bench.fresh("memcheck-run"), bench.work / "a.wav"
    audio.write_wav(clip, audio.tone(20000))
    for command in (bench.prepare_command(store, "--jobs", "2"),
                    [tools / "inspect", store, "--verify"],
                    bench.train_command(out, data=store),
                    [tools / "evaluate", out, "--data", store, "--quiet"],
                    [tools / "predict", out, clip]):
        with table.row(f"memcheck of {command[0].name}") as row:
            done = subprocess.run([*COMMAND, *command], capture_output=True, text=True,
                                  env={**os.environ, "OMP_NUM_THREADS": "2"})
            row.tries()
            if done.returncode != 0:
                row.loses(done.stderr[-3000:])
            elif found := re.search(r"ERROR SUMMARY: .*", done.stderr):
                row.sees(found[0])
