"""Layers and the optimiser of Keras, forward and backward in double, on its PyTorch backend."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes

from common import noise, write

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
# Keras lets only TensorFlow calculate in double; PyTorch can too.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

# name: (x [n, h, w, c], kernel, filters, pool); height 1 stands for one dimension.
CONVOLUTIONS = {
    "conv1d_11": ((2, 1, 100, 1), (1, 11), 3, (1, 8)),
    "conv1d_9": ((2, 1, 70, 5), (1, 9), 16, (1, 16)),
    "conv1d_5": ((3, 1, 33, 4), (1, 5), 6, (1, 1)),
    "conv2d_4x4": ((2, 9, 10, 1), (4, 4), 5, (1, 1)),
    "conv2d_4x4_pooled": ((2, 11, 8, 3), (4, 4), 16, (2, 2)),
    "conv2d_3x3_2x4": ((2, 8, 13, 4), (3, 3), 7, (2, 4)),
}
# The paper's own counts of channels, for which there are kernels of their own. Their inputs come
# from noise() in the test too: the files would be large.
WIDE = {
    "wide1d_11_first": ((1, 1, 120, 1), (1, 11), 32, (1, 1)),
    "wide1d_9": ((2, 1, 128, 32), (1, 9), 32, (1, 16)),
    "wide2d_4x4_first": ((1, 8, 16, 1), (4, 4), 32, (1, 1)),
    "wide2d_4x4": ((1, 32, 32, 32), (4, 4), 32, (2, 2)),
    "wide2d_3x3_2x4": ((1, 32, 32, 32), (3, 3), 32, (2, 4)),
}


def draw(shape, seed, scale=1.0):
    return noise(int(np.prod(shape)), seed).reshape(shape).astype(np.float64) * scale


def gradients(outputs, dy, tensors):
    return [g.numpy() for g in torch.autograd.grad(outputs, tensors, torch.from_numpy(dy))]


def convolution(seed, shape, kernel, filters, pool):
    one_d = shape[1] == 1
    if one_d:
        conv = keras.layers.Conv1D(filters, kernel[1], padding="same", activation="relu")
        down = keras.layers.MaxPooling1D(pool[1])
    else:
        conv = keras.layers.Conv2D(filters, kernel, padding="same", activation="relu")
        down = keras.layers.MaxPooling2D(pool)
    x = draw(shape, seed)
    weight = draw((filters, *kernel, shape[3]), seed + 1, scale=0.5)
    bias = draw((filters,), seed + 2, scale=0.25)
    given = torch.from_numpy(x[:, 0] if one_d else x).requires_grad_()
    conv.build(given.shape)
    like_keras = weight.transpose(1, 2, 3, 0)
    conv.set_weights([like_keras[0] if one_d else like_keras, bias])
    y = down(conv(given))
    dy = draw(tuple(y.shape), seed + 3)
    dx, dweight, dbias = gradients(y, dy, [given, conv.kernel.value, conv.bias.value])
    dweight = dweight[None] if one_d else dweight
    found = {"x": x, "weight": weight, "bias": bias, "y": y.detach().numpy(), "dy": dy, "dx": dx,
             "dweight": dweight.transpose(3, 0, 1, 2), "dbias": dbias}
    if one_d:
        found |= {key: found[key][:, None] for key in ("y", "dy", "dx")}
    return found


def batch_norm():
    layer = keras.layers.BatchNormalization()  # momentum 0.99, epsilon 1e-3
    x = draw((5, 3, 4, 6), 50) * np.linspace(0.1, 3, 6) + np.linspace(-2, 2, 6)
    layer.build(x.shape)
    weights = [draw((6,), seed) + 1 for seed in (51, 52, 53, 54)]
    layer.set_weights(weights)
    given = torch.from_numpy(x).requires_grad_()
    inference = layer(given, training=False).detach().numpy()
    y = layer(given, training=True)
    dy = draw(x.shape, 55)
    dx, dgamma, dbeta = gradients(y, dy, [given, layer.gamma.value, layer.beta.value])
    named = dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), weights))
    return named | {"x": x, "y": y.detach().numpy(), "inference": inference, "dy": dy, "dx": dx,
                    "dgamma": dgamma, "dbeta": dbeta}


def moving_averages():
    """Ten steps. PyTorch, like the fused operation that Keras 2.2 called, keeps the unbiased
    variance; Keras 3 does not."""
    layer = torch.nn.BatchNorm1d(4, eps=1e-3, momentum=0.01, dtype=torch.float64)
    x = draw((10, 9, 4), 60) * np.linspace(0.5, 4, 4) + np.linspace(-1, 1, 4)
    mean, variance = [], []
    for batch in x:
        layer(torch.from_numpy(batch))
        mean.append(layer.running_mean.numpy().copy())
        variance.append(layer.running_var.numpy().copy())
    return {"x": x, "mean": np.array(mean), "variance": np.array(variance)}


def dense():
    layer = keras.layers.Dense(7, activation="relu")
    x, weight, bias = draw((5, 11), 70), draw((11, 7), 71, 0.5), draw((7,), 72, 0.2)
    given = torch.from_numpy(x).requires_grad_()
    layer.build(x.shape)
    layer.set_weights([weight, bias])
    y, dy = layer(given), draw((5, 7), 73)
    dx, dweight, dbias = gradients(y, dy, [given, layer.kernel.value, layer.bias.value])
    return {"x": x, "weight": weight, "bias": bias, "y": y.detach().numpy(), "dy": dy, "dx": dx,
            "dweight": dweight, "dbias": dbias}


def weighted_loss(logits, targets, class_weights):
    """Per example, and the batch's: cross-entropy on mixed targets, each example weighted by the
    mean of its classes' weights."""
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="none")
    weights = torch.from_numpy(targets @ class_weights)
    loss = cross_entropy(torch.from_numpy(targets), logits) * weights
    return loss, loss.sum() / len(loss)


def loss():
    logits = draw((6, 9), 80, 6.0)
    targets = np.zeros((6, 9))
    targets[np.arange(6), [0, 3, 8, 4, 4, 2]] = [1, 0.75, 0.5, 1, 0.125, 0.25]
    targets[[1, 2, 4, 5], [5, 0, 3, 8]] = [0.25, 0.5, 0.875, 0.75]
    class_weights = draw((9,), 81) + 1.25
    given = torch.from_numpy(logits).requires_grad_()
    each, mean = weighted_loss(given, targets, class_weights)
    (dlogits,) = torch.autograd.grad(mean, [given])
    return {"logits": logits, "targets": targets, "class_weights": class_weights,
            "loss": each.detach().numpy(), "dlogits": dlogits.numpy()}


def adam():
    """Twenty steps of Keras' Adam, and of PyTorch's, whose epsilon stands elsewhere. The gradients
    go from far above epsilon to far below."""
    start = draw((40,), 90, 0.01)
    g = draw((20, 40), 91) * np.logspace(0, -10, 40)
    ours = keras.Variable(start)
    optimizer = keras.optimizers.Adam(1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7)
    optimizer.build([ours])
    other = torch.nn.Parameter(torch.from_numpy(start.copy()))
    other_optimizer = torch.optim.Adam([other], 1e-3, (0.9, 0.999), eps=1e-7)
    p, other_p = [], []
    for row in g.astype(np.float32).astype(np.float64):
        optimizer.apply([torch.from_numpy(row)], [ours])
        p.append(keras.ops.convert_to_numpy(ours).copy())
        other.grad = torch.from_numpy(row)
        other_optimizer.step()
        other_p.append(other.detach().numpy().copy())
    return {"start": start, "g": g, "p": np.array(p), "other": np.array(other_p)}


def make():
    tensors = {}
    for i, (name, case) in enumerate(CONVOLUTIONS.items()):
        for key, values in convolution(100 * i + 1, *case).items():
            tensors[f"{name}.{key}"] = values
    for i, (name, case) in enumerate(WIDE.items()):
        found = convolution(1000 + 100 * i + 1, *case)
        for key in ("y", "dx", "dweight", "dbias"):
            tensors[f"{name}.{key}"] = found[key]
    parts = {"batch_norm": batch_norm(), "moving": moving_averages(), "dense": dense(),
             "loss": loss(), "adam": adam()}
    for name, part in parts.items():
        tensors |= {f"{name}.{key}": values for key, values in part.items()}
    write("layers", tensors)
