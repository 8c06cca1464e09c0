#!/usr/bin/env python3
"""compare.py DUMP... [--json FILE] [--svg FILE]: trains PyTorch on exactly the weights and batches
that bench_parity wrote, and holds its losses against ours.

Every tenth step alone, from our weights, against PyTorch in float64: each loss within 1e-5 relative;
each gradient within 1e-4 of its tensor's largest in at least half of the steps, or twice as far off
as PyTorch's own in float32, and never further than 5 percent: where rounding decides which of two
cells wins a max-pool, gradients below it move by a percent, in PyTorch's float32 as well, whose
figures stand beside ours. Our logits of final.safetensors within 1e-5 of the largest.

The whole way: training is chaotic, and such decisions drive two curves apart; how far is measured,
not guessed: PyTorch trains three times, as it is, with the examples of every batch in reverse, and
without oneDNN, which are the same sums in three float orders. In windows of 25 steps our losses may
be as far from the nearest of them as twice what they have been apart among themselves, or 1e-3.

Needs requirements of docs/load_in_pytorch.py. Exit status: 0 passed, 1 not."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import load_in_pytorch  # noqa: E402
from curves import picture  # noqa: E402

WINDOW, BOUND = 25, 1e-3
LOSS_BOUND, GRADIENT_BOUND, DECISION_BOUND, LOGITS_BOUND = 1e-5, 1e-4, 0.05, 1e-5


class KerasAdam(torch.optim.Optimizer):
    """Epsilon outside the bias correction, which torch.optim.Adam has inside."""

    def __init__(self, parameters, rate, optimizer):
        super().__init__(list(parameters), {})
        self.rate, self.t = rate, 0
        self.b1, self.b2 = optimizer["beta1"], optimizer["beta2"]
        self.epsilon = optimizer["epsilon"]

    @torch.no_grad()
    def step(self):
        self.t += 1
        rate = self.rate * np.sqrt(1 - self.b2**self.t) / (1 - self.b1**self.t)
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state.update(m=torch.zeros_like(p), v=torch.zeros_like(p))
            m, v = state["m"], state["v"]
            m.mul_(self.b1).add_(p.grad, alpha=1 - self.b1)
            v.mul_(self.b2).addcmul_(p.grad, p.grad, value=1 - self.b2)
            p.sub_(rate * m / (v.sqrt() + self.epsilon))


def batches(dump):
    for path in sorted(dump.glob("step-*.safetensors")):
        yield {name: torch.from_numpy(values) for name, values in load_file(path).items()}


def inputs(tensors, prefix=""):
    return [tensors[prefix + name].unsqueeze(1) for name in ("wave", "mel")
            if prefix + name in tensors]


def loss_of(tagger, batch, turn):
    """Mean loss of the batch (paper 2.5: each example weighted by its mixture of classes)."""
    targets = batch["targets"][turn]
    log_p = torch.log_softmax(tagger(*(x[turn] for x in inputs(batch))), 1)
    weights = targets @ batch["class_weights"].reshape(-1)
    return -(weights * (targets * log_p).sum(1)).mean()


def gradients(checkpoint, batch, dtype):
    """Loss and gradients by name, in float64, of a step computed in `dtype`."""
    tagger = load_in_pytorch.load(checkpoint).to(dtype)
    batch = {name: values.to(dtype) for name, values in batch.items()}
    loss = loss_of(tagger, batch, torch.arange(len(batch["targets"])))
    loss.backward()
    return loss.item(), {name: p.grad.double() for name, p in tagger.tensors()
                         if p.grad is not None}


def single_steps(dump):
    """Of each step that was written whole: the relative error of its loss, the largest of a
    gradient (ours, PyTorch's in float32), and in which tensor ours is."""
    steps = []
    for path in sorted(dump.glob("gradients-*.safetensors")):
        step = path.name.removeprefix("gradients-")
        tensors = load_file(dump / f"step-{step}")
        batch = {key: torch.from_numpy(values) for key, values in tensors.items()}
        exact_loss, exact = gradients(dump / f"before-{step}", batch, torch.float64)
        _, single = gradients(dump / f"before-{step}", batch, torch.float32)
        found = dict(load_in_pytorch.load(path).tensors())
        scale = {name: g.abs().max().clamp_min(1e-12) for name, g in exact.items()}
        ours = {name: ((found[name] - g).abs().max() / scale[name]).item()
                for name, g in exact.items()}
        theirs = max(((single[name] - g).abs().max() / scale[name]).item()
                     for name, g in exact.items())
        worst = max(ours, key=ours.get)
        loss = float(batch["loss"].double().mean())
        steps.append({"step": int(step.split(".")[0]), "loss": abs(loss / exact_loss - 1),
                      "gradient": ours[worst], "of": worst, "pytorch": theirs})
    return steps


def losses(dump, order):
    """Mean loss of every step, trained with each batch's examples in `order`(n)."""
    tagger = load_in_pytorch.load(dump / "initial.safetensors")
    phase = tagger.config[tagger.model]
    assert tagger.config["dropout"] == 0 and phase["weight_decay"] == 0
    rate = phase["learning_rate"]
    trained = [p for p in tagger.parameters() if p.requires_grad]
    adam = KerasAdam(trained, rate, tagger.config["optimizer"])
    found = []
    for batch in batches(dump):
        turn = order(len(batch["targets"]))
        loss = loss_of(tagger, batch, turn)
        adam.zero_grad()
        loss.backward()
        adam.step()
        found.append(float(loss.detach()))
    return np.array(found)


def logits_error(dump):
    path = dump / "final.safetensors"
    tensors = {name: torch.from_numpy(values) for name, values in load_file(path).items()}
    with torch.no_grad():
        logits = load_in_pytorch.load(path).eval()(*inputs(tensors, "example."))
    ours = tensors["example.logits"]
    return float((logits - ours).abs().max() / ours.abs().max())


def compare(dump):
    ours = np.array([float(batch["loss"].mean()) for batch in batches(dump)])
    orders = [losses(dump, torch.arange), losses(dump, lambda n: torch.arange(n).flip(0))]
    with torch.backends.mkldnn.flags(enabled=False):
        orders.append(losses(dump, torch.arange))
    first = orders[0]
    apart = min((np.abs(ours - a) / a for a in orders), key=np.max)
    among = np.max([np.abs(a - b) / first for a in orders for b in orders], axis=0)
    windows = [(start, float(apart[start:start + WINDOW].max()),
                float(among[:start + WINDOW].max())) for start in range(0, len(ours), WINDOW)]
    steps = single_steps(dump)
    error = logits_error(dump)
    gradient = np.array([step["gradient"] for step in steps])
    theirs = np.median([step["pytorch"] for step in steps])
    passed = (error <= LOGITS_BOUND and len(steps) > 0
              and all(step["loss"] <= LOSS_BOUND for step in steps)
              and np.median(gradient) <= max(GRADIENT_BOUND, 2 * theirs)
              and gradient.max() <= DECISION_BOUND
              and all(a <= max(BOUND, 2 * b) for _, a, b in windows))
    return {"dump": dump.name, "model": load_in_pytorch.load(dump / "initial.safetensors").model,
            "steps": len(ours), "single": steps, "windows": windows, "logits": error,
            "passed": bool(passed), "ours": ours.tolist(), "pytorch": first.tolist(),
            "apart": apart.tolist(), "among": among.tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, nargs="+", help="folder that bench_parity wrote")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    results = [compare(dump) for dump in options.dump]
    for r in results:
        print(f"{r['model']}, {r['steps']} steps: {'passed' if r['passed'] else 'FAILED'}")
        for what in ("gradient", "pytorch"):
            errors = [step[what] for step in r["single"]]
            print(f"  {len(errors)} single steps, gradients of "
                  f"{'earshot' if what == 'gradient' else 'PyTorch'} in float32: median "
                  f"{np.median(errors):.1e}, worst {max(errors):.1e} "
                  f"(bound {DECISION_BOUND:g})")
        print(f"  losses of the single steps {max(step['loss'] for step in r['single']):.1e} (bound "
              f"{LOSS_BOUND:g}), logits at the end {r['logits']:.1e} (bound {LOGITS_BOUND:g})")
        for start, a, b in r["windows"]:
            print(f"  steps {start + 1} to {start + WINDOW}: {a:.1e} apart, float orders {b:.1e}")
    if options.json:
        options.json.write_text(json.dumps({"torch": torch.__version__, "results": results}))
    if options.svg:
        options.svg.write_text(picture(results))
    sys.exit(0 if all(r["passed"] for r in results) else 1)


if __name__ == "__main__":
    main()
