"""Recordings to a store: files decoded, trimmed and stored, against librosa and soundfile."""
import subprocess
import sys

from harness import recordings
from harness.context import ROOT
from harness.measure import compare
from harness.workers import Side

FILES, SECONDS = 96, 5


def command(*words):
    return [sys.executable, ROOT / "benchmarks" / "harness" / "command_worker.py", *words]


def store(context):
    """The store of made-up recordings, made once; also what the epoch runs on."""
    source, out = context.work / "recordings", context.work / "store"
    if not (out / "index.json").exists():
        recordings.make(source, FILES, SECONDS)
        subprocess.run([context.program("tools", "prepare"), source, "--out", out, "--quiet"],
                       check=True)
    return source, out


def agree(ready):
    different = ready["other_lengths"]
    found = {"clips trimmed to another length": different}
    return found, f"{different} clips are trimmed to another length" if different else None


def run(context):
    if not context.in_time("prepare"):
        return None
    source, out = store(context)
    ours = Side("earshot", command(context.program("tools", "prepare"), source, "--out",
                                   context.work / "again", "--quiet", "--force",
                                   "--jobs", context.threads))
    rivals = []
    if context.has("librosa") and context.has("soundfile"):
        one_each = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        rivals = [Side("librosa, soundfile, all cores", context.rival(
            "prepare.py", "--source", source, "--out", context.work / "rival-store",
            "--index", out / "index.json", "--threads", context.threads), one_each)]
    result = compare(ours, rivals, agree, 5, 120, context.progress("prepare"))
    result.update(unit=f"s for {FILES} files")
    context.cases["prepare"] = result
    return None
