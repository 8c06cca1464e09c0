#!/usr/bin/env python3
"""compare.py DUMP... [--json FILE] [--svg FILE]: trains PyTorch on exactly the weights and batches
that bench_parity wrote, and holds its losses against ours.

PyTorch trains three times, each time with the examples of every batch in another order: the same
sums in three float orders. Passes where our losses lie within 1e-3 relative of the first order's
over the first 50 steps, and after them, in windows of 25 steps, are no further from it than twice
the distance that the orders have had among themselves so far (or 1e-3). Also checks that our logits of
final.safetensors come out of PyTorch within 1e-5 of the largest.

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

FIRST, WINDOW, BOUND = 50, 25, 1e-3


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


def losses(dump, order):
    """Mean loss of every step, trained with each batch's examples in `order`(n)."""
    tagger = load_in_pytorch.load(dump / "initial.safetensors")
    assert tagger.config["dropout"] == 0 and tagger.config["optimizer"]["weight_decay"] == 0
    rate = tagger.config[tagger.model]["learning_rate"]
    trained = [p for p in tagger.parameters() if p.requires_grad]
    adam = KerasAdam(trained, rate, tagger.config["optimizer"])
    found = []
    for batch in batches(dump):
        turn = order(len(batch["targets"]))
        targets = batch["targets"][turn]
        log_p = torch.log_softmax(tagger(*(x[turn] for x in inputs(batch))), 1)
        weights = targets @ batch["class_weights"].reshape(-1)
        loss = -(weights * (targets * log_p).sum(1)).mean()
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
    orders = [losses(dump, order) for order in
              (torch.arange, lambda n: torch.arange(n).flip(0),
               lambda n: torch.randperm(n, generator=torch.Generator().manual_seed(1)))]
    first = orders[0]
    apart = np.abs(ours - first) / first
    among = np.max([np.abs(a - b) / first for a in orders for b in orders], axis=0)
    windows = [(start, float(apart[start:start + WINDOW].max()),
                float(among[:start + WINDOW].max())) for start in range(FIRST, len(ours), WINDOW)]
    error = logits_error(dump)
    passed = (apart[:FIRST].max() <= BOUND and error <= 1e-5
              and all(a <= max(BOUND, 2 * b) for _, a, b in windows))
    return {"dump": dump.name, "model": load_in_pytorch.load(dump / "initial.safetensors").model,
            "steps": len(ours), "first_50": float(apart[:FIRST].max()),
            "windows": windows, "logits": error, "passed": bool(passed),
            "ours": ours.tolist(), "pytorch": first.tolist(), "apart": apart.tolist(),
            "among": among.tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, nargs="+", help="folder that bench_parity wrote")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    results = [compare(dump) for dump in options.dump]
    for r in results:
        print(f"{r['model']}: {r['steps']} steps; largest relative distance of the loss in the "
              f"first {FIRST}: {r['first_50']:.1e} (bound {BOUND:g}); logits {r['logits']:.1e} "
              f"(bound 1e-5): {'passed' if r['passed'] else 'FAILED'}")
        for start, a, b in r["windows"]:
            print(f"  steps {start + 1} to {start + WINDOW}: {a:.1e}, float orders {b:.1e}")
    if options.json:
        options.json.write_text(json.dumps({"torch": torch.__version__, "results": results}))
    if options.svg:
        options.svg.write_text(picture(results))
    sys.exit(0 if all(r["passed"] for r in results) else 1)


if __name__ == "__main__":
    main()
