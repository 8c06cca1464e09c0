"""Samples to log-mel against librosa, torchaudio, kaldi-native-fbank and DALI, all cores."""
import subprocess

from harness.cases_step import HEAP_KEPT
from harness.measure import compare
from harness.workers import Side

BOUND_DB = 1e-3
LIBRARIES = {"librosa": ("librosa", ("one thread", "threads", "processes")),
             "torchaudio": ("torchaudio", ("threads",)),
             "kaldi": ("kaldi_native_fbank", ("one thread", "threads")),
             "dali": ("nvidia.dali", ("threads",))}


def agree(ready):
    difference = ready["largest_difference_db"]
    if difference <= BOUND_DB:
        return {"largest difference, dB": difference}, None
    return ({"largest difference, dB": difference},
            f"its log-mel is {difference:.2g} dB from ours, above {BOUND_DB} dB")


def variants(context, library):
    for variant in LIBRARIES[library][1]:
        if context.quick and library == "librosa" and variant != "one thread":
            continue
        yield f"{library}, {variant}", variant, {}
        if library == "torchaudio" and not context.on_gpu():
            yield f"{library}, {variant}, heap kept", variant, HEAP_KEPT


def run(context):
    common = ["--device", context.device, "--threads", context.threads]
    for library, (package, _) in LIBRARIES.items():
        name = f"mel/{library}"
        if not context.wanted(name) or not context.in_time(name):
            continue
        file = context.work / "mel.safetensors"
        ours = Side("earshot", context.ours("mel", *common))
        subprocess.run([str(w) for w in [*ours.command, "--save", file]], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        rivals = []
        if context.has(package):
            rivals = [Side(title, context.rival("mel.py", "--case", file, "--rival", library,
                                                "--variant", variant, *common), environment)
                      for title, variant, environment in variants(context, library)]
        result = compare(ours, rivals, agree, 5, 120, context.progress(name))
        result.update(unit="s for 80 s of audio", bound_db=BOUND_DB)
        context.cases[name] = result
    return None
