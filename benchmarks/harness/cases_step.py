"""Training steps of the nine networks against PyTorch and JAX, same weights and same batch."""
import subprocess

from harness.measure import compare
from harness.workers import Side

# Relative Euclidean distance from our outputs. A max-pool whose winner is decided by rounding sends
# one cell's gradient elsewhere, which moves whole gradients by a percent; a wrong layer moves them
# by their own length. As wide as what eager PyTorch's batch norm, channels last, rounds away; its
# other forms are 1e-5 from ours.
BOUNDS = {"output": 1e-2, "gradient": 0.2, "median gradient": 0.1}
BOUNDS_BF16 = {"output": 5e-2, "gradient": 1.0, "median gradient": 0.5}  # 8 bits of mantissa
MODELS = {"cnn-audio": "step/cnn-audio", "cnn-spec": "step/cnn-spec", "cnn-comb": "step/head"}
# glibc gives large blocks back to the system after every step and faults them in again; users who
# care set this, or another allocator, which does the same.
HEAP_KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}


def agreement(bounds):
    def agree(ready):
        d = ready["differences"]
        outputs = {n: v for n, v in d.items() if n.startswith("output.")}
        gradients = sorted(v for n, v in d.items() if n.startswith("gradient."))
        found = {"output": max(outputs.values()), "gradient": gradients[-1],
                 "median gradient": gradients[len(gradients) // 2]}
        for name, bound in bounds.items():
            if not found[name] <= bound:
                return found, f"{name} differs by {found[name]:.2g}, above {bound}"
        return found, None
    return agree


# What --quick tries: on a CPU what won the full form, by network.
LIKELIEST = {"cnn-audio": ["eager channels_last", "eager contiguous"],
             "cnn-spec": ["eager channels_last"],
             "cnn-comb": ["compile channels_last"]}
LIKELIEST_ON_GPU = ["eager channels_last", "graph channels_last", "max-autotune channels_last"]


def torch_variants(context, model):
    """(name, variant of rivals/torch_step.py, environment)."""
    gpu = context.on_gpu()
    variants = list(LIKELIEST_ON_GPU if gpu else LIKELIEST[model])
    if not context.quick:
        variants += ["eager channels_last", "compile channels_last", "eager contiguous"]
        if model != "cnn-spec":
            variants += ["compile conv1d", "eager conv1d"]
        if gpu:
            variants += ["graph contiguous", "reduce-overhead channels_last"]
    variants = list(dict.fromkeys(variants))
    if gpu:
        return [(v, v, {}) for v in variants]
    plain = [] if context.quick else [("eager channels_last", "eager channels_last", {})]
    return [(v + ", heap kept", v, HEAP_KEPT) for v in variants] + plain


class Case:
    """One network, length, batch and precision."""

    def __init__(self, context, name, model, seconds, batch, precision):
        self.context, self.name, self.model, self.precision = context, name, model, precision
        self.file = context.work / (name.replace("/", "-") + ".safetensors")
        self.common = ["--device", context.device, "--threads", context.threads]
        self.ours = Side("earshot", context.ours(
            "step", "--config", f"paper-{seconds}s", "--model", model, "--batch", batch,
            "--set", f"precision={precision}", *self.common))

    def rivals(self):
        context, out = self.context, []
        arguments = ["--case", self.file, "--precision", self.precision, *self.common]
        if context.has("torch"):
            out += [Side("PyTorch " + name,
                         context.rival("torch_step.py", "--variant", variant, *arguments), env)
                    for name, variant, env in torch_variants(context, self.model)]
        if context.has("jax") and not context.quick and self.precision != "bf16":
            out.append(Side("JAX jit",
                            context.rival("jax_step.py", "--variant", "jit NHWC", *arguments)))
        return out

    def on_library(self):
        """Our own step with the library's dense convolutions instead of our kernels."""
        return Side("oneDNN's or cuDNN's convolutions alone", self.ours.command,
                    {"EARSHOT_BLOCKS": "library"})

    def run_against_library(self, rounds):
        self.publish(compare(self.ours, [self.on_library()], lambda ready: ({}, None), rounds, 400,
                             self.context.progress(self.name)))

    def run(self, rounds, only=None):
        """`only`: names of the rivals to try; all without."""
        progress = self.context.progress(self.name)
        progress("weights, batch and our outputs")
        subprocess.run([str(w) for w in [*self.ours.command, "--save", self.file]], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        rivals = [r for r in self.rivals() if only is None or r.name in only]
        bounds = BOUNDS_BF16 if self.precision == "bf16" else BOUNDS
        result = compare(self.ours, rivals, agreement(bounds), rounds, 400, progress)
        self.file.unlink()
        return self.publish({**result, "bounds": bounds})

    def publish(self, result):
        self.context.cases[self.name] = {**result, "unit": "s/step"}
        return result


def best_rivals(result):
    """The fastest one, then the next one that agreed."""
    agreed = [t for t in result["trials"] if t["refused"] is None]
    names = [t["name"] for t in sorted(agreed, key=lambda t: t["seconds"])]
    return list(dict.fromkeys([*([result["rival"]["name"]] if "rival" in result else []), *names]))[:2]


def run_against(case, rivals, rounds):
    """Against the first of them that does not fail and agrees; alone where there is none."""
    refused = []
    for name in rivals or [None]:
        result = case.run(rounds, [name])
        result["trials"][:0] = refused
        if "ratio" in result:
            return
        refused = result["trials"]


def headline(context):
    """Batch 32, 2 s, every variant; returns the best rivals by network."""
    best = {}
    precisions = ("fp32", "tf32", "bf16") if context.on_gpu() else ("fp32",)
    for model, key in MODELS.items():
        for precision in precisions:
            name = key if precision == "fp32" else f"{key}/{precision}"
            if context.wanted(name) and context.in_time(name):
                result = Case(context, name, model, 2, 32, precision).run(3 if context.quick else 7)
                best[model] = best_rivals(result)
    return best


def others(context, best):
    """The library's convolutions at 2 s and batch 32; then other lengths and batches, against the
    rival that was best there; the other lengths against the next one where it fails."""
    for model, key in MODELS.items():
        name = f"{key}/library"
        if context.wanted(name) and context.in_time(name):
            Case(context, name, model, 2, 32, "fp32").run_against_library(5)
    plan = [(model, seconds, 32) for model in MODELS for seconds in (1, 3)]
    plan += [(model, 2, batch) for model in MODELS for batch in (1, 8, 128, 256)]
    for model, seconds, batch in plan:
        name = f"{MODELS[model]}/{seconds}s" + (f"/batch-{batch}" if batch != 32 else "")
        if model in best and context.wanted(name) and context.in_time(name):
            rounds = 5 if batch < 32 else 3 if batch == 32 else 1
            rivals = best[model]
            run_against(Case(context, name, model, seconds, batch, "fp32"),
                        rivals if batch == 32 else rivals[:1], rounds)
