"""An epoch end to end, store -> augmentation -> step, against PyTorch with a DataLoader and with
everything in memory."""
import subprocess

from harness import cases_prepare
from harness.cases_step import BOUNDS, HEAP_KEPT, agreement
from harness.measure import compare
from harness.workers import Side

EXAMPLES = 64  # what two of three folds of the store hold
NETWORKS = ("cnn-audio", "cnn-spec")


def ours(context, model, store):
    out = context.work / "epoch-run"
    settings = {"folds.count": 3, "folds.run": "[0]", f"{model}.epochs": 2}  # the second is timed
    words = [context.program("tools", "train"), "--quiet", "--config", "paper-2s", "--data", store,
             "--out", out, "--models", model, "--device", context.device,
             "--threads", context.threads]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return Side("earshot", cases_prepare.command("--epoch", out / "log.jsonl", *words))


def rivals(context, model, file, recordings):
    heap = {} if context.on_gpu() else HEAP_KEPT
    variant = "graph channels_last" if context.on_gpu() else "eager channels_last"
    counts = ("in memory",) if context.quick else ("in memory", "0", "1", "2")
    if context.on_gpu() and not context.quick:
        counts += ("8",)
    for loading in counts:
        name = loading if loading == "in memory" else f"DataLoader of {loading} workers"
        yield Side(f"PyTorch {name}", context.rival(
            "torch_epoch.py", "--case", file, "--clips", recordings, "--examples", EXAMPLES,
            "--seconds", 2, "--loading", loading, "--variant", variant,
            "--device", context.device, "--threads", context.threads), heap)


def run(context):
    """`epoch` is the lesser of the networks' ratios."""
    names = {model: f"epoch/{model}" for model in NETWORKS}
    for model, name in names.items():
        if not context.wanted(name) or not context.in_time(name):
            continue
        recordings, store = cases_prepare.store(context)
        file = context.work / "epoch.safetensors"
        subprocess.run([str(w) for w in context.ours("step", "--model", model, "--device",
                                                     context.device, "--save", file)],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        others = list(rivals(context, model, file, recordings)) if context.has("torch") else []
        if not context.has("soundfile") or not context.has("librosa"):
            others = []
        result = compare(ours(context, model, store), others, agreement(BOUNDS),
                         2 if context.quick else 5, 300, context.progress(name))
        result.update(unit=f"s/epoch of {EXAMPLES} examples")
        context.cases[name] = result
    return None


def lesser(ratios):
    """The ratios with `epoch` where every network has one."""
    parts = [ratios.get(f"epoch/{model}") for model in NETWORKS]
    return {**ratios, "epoch": min(parts)} if None not in parts else ratios
