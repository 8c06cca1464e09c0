"""The paper's three networks in Keras, from its Tables 1 and 2, narrow: logits, loss and every
gradient from given weights, in double."""

import layers  # noqa: F401: chooses Keras' backend and its precision first

import keras
import numpy as np
import torch

from common import noise, write
from layers import weighted_loss

SHARE = 16  # of the paper's channels
CLASSES = 5
EXAMPLES = 8
HEAD = (12, 9, 7)
AUDIO_POOL = {1: 8, 2: 16, 3: 16}
SPEC_POOL = {1: 1, 2: 2, 3: 2}
SPEC_WIDTH = {1: 170, 2: 300, 3: 400}


def audio_blocks(seconds):
    """[(name, kernel, channels, pool or None)] of Table 1, one row a convolution."""
    pools = (AUDIO_POOL[seconds], 16, 16, 16)
    for i, (kernel, channels) in enumerate(((11, 32), (9, 64), (7, 128), (5, 256))):
        yield f"block{i + 1}.conv1", kernel, channels // SHARE, None
        yield f"block{i + 1}.conv2", kernel, channels // SHARE, pools[i]


def spec_blocks(seconds):
    first = (SPEC_POOL[seconds],) * 2
    yield "block1.conv1", (4, 4), 64 // SHARE, None
    yield "block1.conv2", (4, 4), 64 // SHARE, first
    rows = ((4, 64, (2, 2)), (3, 128, (2, 4)), (3, 128, (2, 2)), (3, 256, (2, 2)), (3, 256, (2, 2)))
    for i, (kernel, channels, pool) in enumerate(rows):
        yield f"block{i + 2}.conv1", (kernel, kernel), channels // SHARE, pool


class Graph:
    """Keras layers by the names of a checkpoint."""

    def __init__(self):
        self.layers = {}

    def add(self, name, layer, x, train=True):
        self.layers[name] = layer
        layer.trainable = train  # a batch norm that is not keeps to its moving averages
        return layer(x)

    def trunk(self, kind, seconds, x, prefix="", train=True):
        one_d = kind == "audio"
        conv = keras.layers.Conv1D if one_d else keras.layers.Conv2D
        pooling = keras.layers.MaxPooling1D if one_d else keras.layers.MaxPooling2D
        for name, kernel, channels, pool in (audio_blocks if one_d else spec_blocks)(seconds):
            layer = conv(channels, kernel, padding="same", activation="relu")
            x = self.add(prefix + name, layer, x, train)
            if pool is None:
                continue
            if pool not in (1, (1, 1)):
                x = pooling(pool)(x)
            x = self.add(prefix + name.split(".")[0] + ".norm",
                         keras.layers.BatchNormalization(), x, train)
        return keras.layers.Flatten()(x)

    def hidden(self, name, width, x):
        x = self.add(name, keras.layers.Dense(width, activation="relu"), x)
        return self.add(name + ".norm", keras.layers.BatchNormalization(), x)

    def model(self, kind, seconds):
        wave = keras.Input((44100 * seconds, 1))
        mel = keras.Input((128, SPEC_WIDTH[seconds], 1))
        if kind == "comb":
            x = keras.layers.Concatenate()([self.trunk("audio", seconds, wave, "audio.", False),
                                            self.trunk("spec", seconds, mel, "spec.", False)])
            for i, width in enumerate(HEAD):
                x = self.hidden(f"head.dense{i + 1}", width, x)
            inputs = [wave, mel]
        else:
            inputs = wave if kind == "audio" else mel
            x = self.trunk(kind, seconds, inputs)
            x = self.hidden("dense", (512 if kind == "audio" else 256) // SHARE, x)
        last = "head.softmax" if kind == "comb" else "softmax"
        return keras.Model(inputs, self.add(last, keras.layers.Dense(CLASSES), x))

    def tensors(self):
        """(checkpoint name, Keras variable, whether it is trained)."""
        for name, layer in self.layers.items():
            if isinstance(layer, keras.layers.BatchNormalization):
                parts = ("gamma", "beta", "moving_mean", "moving_variance")
            else:
                parts = ("weight", "bias")
            for part in parts:
                variable = getattr(layer, "kernel" if part == "weight" else part)
                yield f"{name}.{part}", variable, layer.trainable and "moving" not in part

    def randomise(self, random):
        for name, variable, _ in self.tensors():
            shape = tuple(variable.shape)
            if name.endswith("weight"):
                limit = np.sqrt(6 / np.prod(shape[:-1]))
                values = random.uniform(-limit, limit, shape)
            elif name.endswith(("gamma", "variance")):
                values = random.uniform(0.5, 1.5, shape)
            elif ".conv2.bias" in name:  # else some windows always win: no gradient past the norm
                values = random.uniform(-2, -0.5, shape)
            else:
                values = random.uniform(-0.5, 0.5, shape)
            variable.assign(values.astype(np.float32).astype(np.float64))


def stored(values):
    """A convolution's weight as [c_out, kernel_h, kernel_w, c_in]; others as they are."""
    if values.ndim == 3:
        values = values[None]
    return values.transpose(3, 0, 1, 2) if values.ndim == 4 else values


def different(seed, size):
    """[EXAMPLES, size]: noise of another loudness and pitch in every example, or batch norm over
    the batch would have next to nothing to normalise."""
    values = noise(EXAMPLES * size, seed).reshape(EXAMPLES, size).astype(np.float64)
    return np.stack([row[np.arange(size) // (1 + i % 4)] * (i + 1) / EXAMPLES
                     for i, row in enumerate(values)])


def inputs_of(kind, seconds):
    wave = torch.from_numpy(different(11, 44100 * seconds)[..., None])
    width = SPEC_WIDTH[seconds]
    mel = torch.from_numpy(different(12, 128 * width).reshape(EXAMPLES, 128, width, 1) * 16 - 8)
    return [wave, mel] if kind == "comb" else wave if kind == "audio" else mel


def targets():
    mixed = np.zeros((EXAMPLES, CLASSES))
    mixed[range(EXAMPLES), [0, 1, 2, 3, 4, 0, 1, 2]] = [1, 0.75, 0.5, 0.125, 1, 0.5, 0.25, 1]
    mixed[[1, 2, 3, 5, 6], [4, 0, 4, 3, 3]] = [0.25, 0.5, 0.875, 0.5, 0.75]
    return mixed, np.array([1, 0.5, 1.5, 2, 0.75])


def pass_over(model, graph, inputs):
    mixed, class_weights = targets()
    before = [(variable, variable.numpy().copy()) for _, variable, _ in graph.tensors()]
    logits = model(inputs, training=True)
    loss, mean = weighted_loss(logits, mixed, class_weights)
    trained = [(name, variable) for name, variable, train in graph.tensors() if train]
    gradients = torch.autograd.grad(mean, [variable.value for _, variable in trained])
    for variable, values in before:  # training moved batch norm's averages
        variable.assign(values)
    inference = model(inputs, training=False)
    found = {"logits": logits.detach().numpy(), "loss": loss.detach().numpy(),
             "inference": inference.detach().numpy()}
    return found | {f"gradient.{name}": stored(g.numpy())
                    for (name, _), g in zip(trained, gradients)}


def is_sound(model, graph, inputs, found):
    """Whether every gradient is more than rounding, and stays when the weights change as much as
    float32 may change what they lead to: no ReLU and no pool is about to decide otherwise."""
    if min(np.abs(values).max() for values in found.values()) < 1e-2:
        return False
    random = np.random.default_rng(1)
    weights = [(variable, variable.numpy().copy()) for _, variable, _ in graph.tensors()]
    worst = 0
    for _ in range(2):
        for variable, values in weights:
            variable.assign(values * (1 + 5e-7 * random.standard_normal(values.shape)))
        for name, values in pass_over(model, graph, inputs).items():
            worst = max(worst, np.abs(values - found[name]).max() / np.abs(found[name]).max())
    for variable, values in weights:
        variable.assign(values)
    return worst <= 5e-5


def make_one(kind, seconds):
    graph = Graph()
    model = graph.model(kind, seconds)
    inputs = inputs_of(kind, seconds)
    for seed in range(100):
        graph.randomise(np.random.default_rng(seed))
        found = pass_over(model, graph, inputs)
        if is_sound(model, graph, inputs, found):
            break
    else:
        raise RuntimeError(f"{kind} {seconds} s: no draw is sound")
    weights = {name: stored(variable.numpy()) for name, variable, _ in graph.tensors()}
    write(f"cnn-{kind}-{seconds}s", weights | {f"expected.{key}": values
                                              for key, values in found.items()})
    print("  seed", seed)


def make():
    for seconds in (1, 2, 3):
        for kind in ("audio", "spec", "comb"):
            make_one(kind, seconds)
