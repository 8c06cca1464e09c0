"""Metric, class weights, and whole clips: many crops, two folds, their geometric mean."""

import networks

import numpy as np
import scipy.stats
import sklearn.metrics
import sklearn.utils.class_weight
import torch

from common import clips, noise, write
from features import log_mel, resize, trim

WINDOW = 44100  # samples
COLUMNS = 173


def mean_precision(probabilities, labels):
    """mAP@3 of one true label from scikit-learn's accuracies: a label at rank k counts 1 / k.
    Among equals scikit-learn prefers the last class, so it is given the classes turned round."""
    classes = probabilities.shape[1]
    accuracy = [0] + [sklearn.metrics.top_k_accuracy_score(
        classes - 1 - labels, probabilities[:, ::-1], k=k, labels=np.arange(classes))
        for k in (1, 2, 3)]
    return sum((accuracy[k] - accuracy[k - 1]) / k for k in (1, 2, 3))


def metric():
    random = np.random.default_rng(5)
    tensors = {}
    for name, rows, classes, levels in (("ties", 200, 7, 3), ("equal", 9, 9, 1),
                                        ("different", 200, 41, 0)):
        probabilities = random.uniform(size=(rows, classes))
        if levels:
            probabilities = np.ceil(probabilities * levels) / 4
        probabilities = probabilities.astype(np.float32)
        labels = np.arange(rows) % classes
        tensors |= {f"{name}.probabilities": probabilities, f"{name}.labels": labels,
                    f"{name}.map3": np.array([mean_precision(probabilities, labels)])}
    write("metric", tensors)


def class_weights():
    labels = np.repeat(np.arange(6), [94, 300, 7, 1, 120, 41])
    weights = sklearn.utils.class_weight.compute_class_weight("balanced", classes=np.arange(6),
                                                              y=labels)
    write("class_weights", {"labels": labels, "weights": weights})


def positions(length):
    """Where a clip of `length` samples starts in the window, 5,120 apart, and at the other end."""
    room = abs(length - WINDOW)
    starts = list(range(0, room + 1, 5120))
    end = room // 256 * 256
    if end != starts[-1]:
        starts.append(end)
    return [-s if length >= WINDOW else s for s in starts]


def place(values, at, width):
    """`values` [..., n] from position `at` of a window of zeros [..., width]."""
    window = np.zeros((*values.shape[:-1], width))
    first, last = max(at, 0), min(at + values.shape[-1], width)
    window[..., first:last] = values[..., first - at:last - at]
    return window


def crops(samples):
    mel = log_mel(samples)
    for at in positions(len(samples)):
        yield (place(samples.astype(np.float64), at, WINDOW)[:, None],
               resize(place(mel, at // 256, COLUMNS), 170)[..., None])


def whole_clips():
    """Clips to score: short ones, all real ones in a row, one of exactly a window."""
    all_clips = [clip[slice(*trim(clip))] for clip in clips()]
    everything = np.concatenate(all_clips[:12])
    return all_clips[:3] + [all_clips[14], all_clips[21], everything, everything[:WINDOW],
                            everything[:WINDOW + 700]]


def scoring():
    folds, tensors = [], {}
    for fold in range(2):
        graph = networks.Graph()
        model = graph.model("comb", 1)
        graph.randomise(np.random.default_rng(40 + fold))
        # Log-mels are tens of dB: statistics that bring them and the features to about 1.
        graph.layers["spec.block1.norm"].moving_variance.assign(np.full(4, 900.0, np.float64))
        folds.append(model)
        tensors |= {f"{fold}/{name}": networks.stored(variable.numpy())
                    for name, variable, _ in graph.tensors()}
    for i, clip in enumerate(whole_clips()):
        wave, mel = (torch.from_numpy(np.stack(x)) for x in zip(*crops(clip)))
        probabilities = np.concatenate([torch.softmax(model([wave, mel], training=False), 1)
                                        .detach().numpy() for model in folds])
        mean = scipy.stats.gmean(probabilities, axis=0)
        tensors |= {f"clip{i}.samples": np.array([len(clip)]),
                    f"clip{i}.probabilities": mean / mean.sum()}
        print(" ", len(clip), len(probabilities), np.round(mean / mean.sum(), 3))
    write("scoring", tensors)


def make():
    metric()
    class_weights()
    scoring()
