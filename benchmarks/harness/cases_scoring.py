"""Scoring at the paper's many crops against PyTorch with batched crops."""
import subprocess

from harness.cases_step import HEAP_KEPT
from harness.measure import compare
from harness.workers import Side

BOUND = 5e-3  # of a log-probability
HEADLINE = "cnn-audio"


def agree(ready):
    difference = ready["largest_difference"]
    found = {"largest difference of a log-probability": difference}
    return found, None if difference <= BOUND else f"scores differ by {difference:.2g}"


def variants(context):
    heap = {} if context.on_gpu() else HEAP_KEPT
    yield "compile channels_last", [], heap
    if context.quick:
        return
    yield "compile channels_last", ["--batch", 16], heap
    yield "eager channels_last", [], heap
    yield "eager channels_last", ["--batch", 16], heap
    yield "eager contiguous", [], heap


def one(context, name, model, rounds):
    file, folder = context.work / "scoring.safetensors", context.work / "scored-run"
    common = ["--device", context.device, "--threads", context.threads]
    clips = 8 if context.on_gpu() else 1
    ours = Side("earshot", context.ours("scoring", "--config", "paper-2s", "--model", model,
                                        "--run", folder, "--clips", clips, *common))
    progress = context.progress(name)
    progress("weights, clips and our scores")
    subprocess.run([str(w) for w in [*ours.command, "--save", file]], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    rivals = []
    if context.has("torch"):
        rivals = [Side(f"PyTorch {variant}" + "".join(f", {a[2:] if i % 2 == 0 else a}" for i, a in
                                                       enumerate(map(str, more))),
                       context.rival("torch_scoring.py", "--case", file, "--seconds", 2,
                                     "--variant", variant, *more, *common), environment)
                  for variant, more, environment in variants(context)]
    result = compare(ours, rivals, agree, rounds, 300, progress)
    result.update(unit=f"s for {clips} clips of 10 s", bound=BOUND)
    context.cases[name] = result


def run(context):
    """The headline is cnn-audio; the other networks come with the long tail."""
    if context.in_time("scoring"):
        one(context, "scoring", HEADLINE, 3)

    def rest():
        for model in ("cnn-spec", "cnn-comb"):
            name = f"scoring/{model}"
            if context.wanted(name) and context.in_time(name):
                one(context, name, model, 3)
    return rest
