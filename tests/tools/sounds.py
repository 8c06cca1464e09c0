"""A small corpus of made-up sounds in four classes, for the tests that train."""

import csv
import math

import numpy as np

import audio

RATE = 44100


def tone(rng, samples):
    t = np.arange(samples) / RATE
    pitch = 200.0 * 2 ** rng.uniform(0, 2)
    return sum(np.sin(2 * math.pi * k * pitch * t + rng.uniform(0, 6)) / k for k in (1, 2, 3))


def noise(rng, samples):
    return rng.normal(size=samples) * np.exp(-np.arange(samples) / RATE * rng.uniform(1, 4))


def clicks(rng, samples):
    wave = np.zeros(samples)
    wave[:: int(RATE / rng.uniform(5, 15))] = 1.0
    return np.convolve(wave, np.exp(-np.arange(200) / 20.0))[:samples]


def sweep(rng, samples):
    t = np.arange(samples) / RATE
    return np.sin(2 * math.pi * rng.uniform(300, 600) * t * (1 + rng.uniform(2, 5) * t))


CLASSES = {"Clicks": clicks, "Noise": noise, "Sweep": sweep, "Tone": tone}


def make_corpus(folder, train, test=0, seconds=1.0, seed=1):
    """`train` and `test` clips of each class, with corpus.csv; the same call, the same bytes."""
    rng = np.random.default_rng(seed)
    rows = [("path", "label", "split")]
    for split, count in (("train", train), ("test", test)):
        for label, make in CLASSES.items():
            for i in range(count):
                wave = make(rng, int(seconds * RATE * rng.uniform(0.6, 1.4)))
                wave = wave / np.abs(wave).max() * rng.uniform(0.3, 0.9)
                path = f"{split}/{label}/{i}.wav"
                audio.write_wav(folder / path, (wave * 32767).astype(int).tolist())
                rows.append((path, label, split))
    with open(folder / "corpus.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
