"""The paper's networks in PyTorch, built from the tables that bench_worker step --save wrote."""
import numpy
import torch
from torch import nn


class Flatten(nn.Module):
    """[n, c, (h,) w] -> [n, features] in earshot's order, channels last."""

    def forward(self, x):
        return x.movedim(1, -1).flatten(1)


def convolution(dims, c_in, row):
    kernel_h, kernel_w, c_out = row
    if dims == 1:
        return nn.Conv1d(c_in, c_out, kernel_w, padding="same")
    return nn.Conv2d(c_in, c_out, (kernel_h, kernel_w), padding="same")


def blocks(table, dims, norm):
    """The convolution blocks of one table, each: (conv, ReLU)..., max-pool, batch norm."""
    layers, c = [], table["input"][2]
    for block in table["blocks"]:
        for row in block["convolutions"]:
            layers += [convolution(dims, c, row), nn.ReLU()]
            c = row[2]
        pool_h, pool_w = block["pool"]
        if pool_h * pool_w > 1:
            layers.append(nn.MaxPool1d(pool_w) if dims == 1 else nn.MaxPool2d((pool_h, pool_w)))
        layers.append((nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d)(c, **norm))
    return nn.Sequential(*layers, Flatten())


def hidden(first, widths, classes, norm):
    layers, features = [], first
    for width in widths:
        layers += [nn.Linear(features, width), nn.ReLU(), nn.BatchNorm1d(width, **norm)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))


class Single(nn.Module):
    def __init__(self, step, dims):
        super().__init__()
        norm = dict(eps=step.epsilon, momentum=1 - step.momentum)
        (table,) = step.tables.values()
        features = step.tensors["weight.dense.weight"].shape[0]
        self.trunk = blocks(table, dims, norm)
        self.top = hidden(features, [table["dense"]], step.classes,
                          norm)

    def forward(self, x):
        return self.top(self.trunk(x))


class Joined(nn.Module):
    """Two frozen trunks in inference mode under a trained head (paper 2.3)."""

    def __init__(self, step, dims):
        super().__init__()
        norm = dict(eps=step.epsilon, momentum=1 - step.momentum)
        self.audio = blocks(step.tables["audio"], dims, norm).eval().requires_grad_(False)
        self.spec = blocks(step.tables["spec"], 2, norm).eval().requires_grad_(False)
        features = step.tensors["weight.head.dense1.weight"].shape[0]
        self.head = hidden(features, step.head, step.classes, norm)

    def train(self, mode=True):
        self.head.train(mode)
        return self

    def forward(self, wave, mel):
        with torch.no_grad():
            features = torch.cat([self.audio(wave), self.spec(mel)], 1)
        return self.head(features)


def names(module):
    """(torch parameter or buffer, our name) of one Sequential, in order."""
    block = convolution = layer = 0
    fresh = True  # the next convolution begins a block
    dense = [m for m in module if isinstance(m, nn.Linear)]
    in_top = bool(dense)
    for m in module:
        if isinstance(m, (nn.Conv1d, nn.Conv2d)):
            block, convolution = (block + 1, 1) if fresh else (block, convolution + 1)
            fresh = False
            name = f"block{block}.conv{convolution}"
        elif isinstance(m, nn.Linear):
            layer += 1
            name = "softmax" if m is dense[-1] else "dense" if len(dense) == 2 else f"dense{layer}"
        elif isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            if in_top:
                name = ("dense" if len(dense) == 2 else f"dense{layer}") + ".norm"
            else:
                name, fresh = f"block{block}.norm", True
            yield m.weight, name + ".gamma"
            yield m.bias, name + ".beta"
            yield m.running_mean, name + ".moving_mean"
            yield m.running_var, name + ".moving_variance"
            continue
        else:
            continue
        yield m.weight, name + ".weight"
        yield m.bias, name + ".bias"


def named(network):
    parts = ([("", network.trunk), ("", network.top)] if isinstance(network, Single) else
             [("audio.", network.audio), ("spec.", network.spec), ("head.", network.head)])
    for prefix, part in parts:
        for tensor, name in names(part):
            yield tensor, prefix + name


def to_torch(values, like):
    """Ours [c_out, h, w, c_in] or [in, 1, 1, out] in the shape of torch's tensor `like`."""
    t = torch.from_numpy(numpy.ascontiguousarray(values))
    if like.dim() == 1:
        return t.reshape(like.shape)
    if like.dim() == 2:
        return t.reshape(like.shape[1], like.shape[0]).t()
    t = t.permute(0, 3, 1, 2)
    return t.reshape(like.shape) if like.dim() == 4 else t.squeeze(2)


def from_torch(t):
    if t.dim() == 2:
        t = t.t()
    elif t.dim() == 3:
        t = t.permute(0, 2, 1)
    elif t.dim() == 4:
        t = t.permute(0, 2, 3, 1)
    return t.detach().float().cpu().numpy()


def build(step, dims):
    """The network with our weights; dims 1 writes the audio convolutions as Conv1d."""
    network = (Joined if step.joined() else Single)(step, dims)
    weights = step.part("weight")
    with torch.no_grad():
        for tensor, name in named(network):
            tensor.copy_(to_torch(weights.pop(name), tensor))
    if weights:
        raise ValueError(f"weights without a place in PyTorch: {sorted(weights)}")
    return network


def as_input(values, dims):
    """Ours [n, h, w, 1] as [n, 1, (h,) w]."""
    n, h, w, c = values.shape
    t = torch.from_numpy(numpy.ascontiguousarray(values))
    return t.reshape(n, c, w) if dims == 1 and h == 1 else t.reshape(n, c, h, w)
