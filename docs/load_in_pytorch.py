#!/usr/bin/env python3
"""earshot's checkpoints in PyTorch, and back. Needs torch, numpy and safetensors from PyPI.

    from load_in_pytorch import load, save
    tagger = load("runs/quickstart/fold-0/cnn-comb/best.safetensors").eval()
    logits = tagger(wave, mel)  # [n, 1, 44100 s] at full scale 1.0, [n, 1, 128, columns] in dB
    save(tagger, "best.safetensors")  # may replace the file it came from: predict reads it

A single network takes its one input. In training mode the trunks of cnn-comb stay frozen, as the
paper has them. As a program: load_in_pytorch.py CHECKPOINT prints what it holds."""

import json
import os
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

AUDIO = [(11, 8), (9, 16), (7, 16), (5, 16)]  # kernel, pool of the 1 s network (paper, Table 1)
SPEC = [(4, (1, 1)), (4, (2, 2)), (3, (2, 4)), (3, (2, 2)), (3, (2, 2)), (3, (2, 2))]  # Table 2


class Same(nn.Module):
    """'same' convolution: (k - 1) / 2 zeros before, k / 2 after, as Keras has it."""

    def __init__(self, weight):
        super().__init__()
        dims = weight.dim() - 2
        make = nn.Conv1d if dims == 1 else nn.Conv2d
        self.conv = make(weight.shape[1], weight.shape[0], weight.shape[2:])
        self.pads = [pad for k in reversed(weight.shape[2:]) for pad in ((k - 1) // 2, k // 2)]

    def forward(self, x):
        return F.relu(self.conv(F.pad(x, self.pads)))


class Trunk(nn.Module):
    """The blocks of one table; features in earshot's order, channels last."""

    def __init__(self, kind, tensors, seconds, norm):
        super().__init__()
        rows = [list(row) for row in (AUDIO if kind == "audio" else SPEC)]
        if seconds > 1:
            rows[0][1] = 16 if kind == "audio" else (2, 2)
        self.pools = [pool for _, pool in rows]
        self.blocks, self.norms = nn.ModuleList(), nn.ModuleList()
        for i in range(len(rows)):
            names = [f"block{i + 1}.conv{j}.weight" for j in (1, 2)]
            weights = [tensors[name] for name in names if name in tensors]
            self.blocks.append(nn.ModuleList(Same(weight) for weight in weights))
            self.norms.append((nn.BatchNorm1d if kind == "audio" else nn.BatchNorm2d)(
                weights[-1].shape[0], **norm))
        self.pool = F.max_pool1d if kind == "audio" else F.max_pool2d

    def forward(self, x):
        for convolutions, pool, norm in zip(self.blocks, self.pools, self.norms):
            for convolution in convolutions:
                x = convolution(x)
            x = norm(self.pool(x, pool))
        return x.movedim(1, -1).flatten(1)

    def named(self):
        for i, (convolutions, norm) in enumerate(zip(self.blocks, self.norms)):
            for j, convolution in enumerate(convolutions):
                yield f"block{i + 1}.conv{j + 1}", convolution.conv
            yield f"block{i + 1}.norm", norm


class Top(nn.Module):
    """Hidden dense layers, each dense -> ReLU -> batch norm, and the one that gives the logits."""

    def __init__(self, names, tensors, norm):
        super().__init__()
        self.names = names
        sizes = [tensors[f"{name}.weight"].shape for name in names]
        self.dense = nn.ModuleList(nn.Linear(in_, out) for out, in_ in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm1d(out, **norm) for out, _ in sizes[:-1])

    def forward(self, x):
        for dense, norm in zip(self.dense, self.norms):
            x = norm(F.relu(dense(x)))
        return self.dense[-1](x)

    def named(self):
        yield from zip(self.names, self.dense)
        yield from ((f"{name}.norm", norm) for name, norm in zip(self.names, self.norms))


class Tagger(nn.Module):
    def __init__(self, tensors, metadata):
        super().__init__()
        self.metadata, self.model = metadata, metadata["model"]
        self.config, self.classes = json.loads(metadata["config"]), json.loads(metadata["classes"])
        norm = {"eps": self.config["batch_norm"]["epsilon"],
                "momentum": 1 - self.config["batch_norm"]["momentum"]}
        self.joined = self.model == "cnn-comb"
        self.parts = nn.ModuleDict()
        for kind in ("audio", "spec"):
            if self.joined or self.model == f"cnn-{kind}":
                of = {name.removeprefix(f"{kind}."): tensor for name, tensor in tensors.items()
                      if not self.joined or name.startswith(f"{kind}.")}
                self.parts[kind] = Trunk(kind, of, self.config["seconds"], norm)
        hidden = len(self.config["head"]["layers"])
        names = [f"dense{i + 1}" for i in range(hidden)] if self.joined else ["dense"]
        of = {name.removeprefix("head."): tensor for name, tensor in tensors.items()}
        self.parts["head"] = Top([*names, "softmax"], of, norm)
        if self.joined:
            self.parts["audio"].requires_grad_(False)
            self.parts["spec"].requires_grad_(False)
        self.train()
        with torch.no_grad():
            for name, tensor in self.tensors():
                tensor.copy_(tensors[name])

    def train(self, mode=True):
        super().train(mode and not self.joined)
        self.parts["head"].train(mode)
        return self

    def forward(self, *inputs):
        trunks = [part for name, part in self.parts.items() if name != "head"]
        features = [trunk(x) for trunk, x in zip(trunks, inputs, strict=True)]
        return self.parts["head"](torch.cat(features, 1))

    def tensors(self):
        """(name in the checkpoint, parameter or buffer) of all."""
        for part, module in self.parts.items():
            prefix = f"{part}." if self.joined else ""
            for name, layer in module.named():
                if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    yield f"{prefix}{name}.gamma", layer.weight
                    yield f"{prefix}{name}.beta", layer.bias
                    yield f"{prefix}{name}.moving_mean", layer.running_mean
                    yield f"{prefix}{name}.moving_variance", layer.running_var
                else:
                    yield f"{prefix}{name}.weight", layer.weight
                    yield f"{prefix}{name}.bias", layer.bias


def to_torch(values):
    """[c_out, kernel_h, kernel_w, c_in] -> [c_out, c_in, (kernel_h,) kernel_w]; a dense layer's
    [in, out] -> [out, in]; vectors stay."""
    t = torch.from_numpy(np.array(values))
    if t.dim() == 4:
        t = t.permute(0, 3, 1, 2)
        return t[:, :, 0] if t.shape[2] == 1 else t
    return t.T if t.dim() == 2 else t


def from_torch(tensor):
    t = tensor.detach().cpu().float()
    if t.dim() == 3:
        t = t[:, :, None]
    t = t.permute(0, 2, 3, 1) if t.dim() == 4 else t.T if t.dim() == 2 else t
    return np.ascontiguousarray(t.numpy())


def load(path):
    """A Tagger, in training mode as a new module is."""
    with safe_open(path, "numpy") as file:
        tensors = {name: to_torch(file.get_tensor(name)) for name in file.keys()
                   if not name.startswith("adam.")}
        return Tagger(tensors, file.metadata())


def save(tagger, path):
    """A checkpoint that evaluate, predict and export read."""
    metadata = {key: text for key, text in tagger.metadata.items() if key != "content_hash"}
    save_file({name: from_torch(tensor) for name, tensor in tagger.tensors()}, f"{path}.partial",
              metadata)
    os.replace(f"{path}.partial", path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(load(sys.argv[1]))
