"""Checks a corpus by numbers: nothing silent, lengths, levels, spectra, nothing on both sides."""

import hashlib
import wave
from typing import NamedTuple

import numpy as np

import table
from errors import CorpusError
from postprocess import LONGEST, RATE, SHORTEST, fft_size

FINGERPRINT = 8192  # samples after the onset
SAME = 0.98  # correlation at which two sounds are one recording at another level


class Facts(NamedTuple):
    label: str
    split: str
    path: str
    seconds: float
    rms: float  # dB of full scale
    centroid: float  # Hz
    digest: str  # of the samples at unit peak
    onset: np.ndarray  # float32 [FINGERPRINT], unit norm


def check(folder):
    """Prints a table of the classes; raises CorpusError when the corpus breaks a rule."""
    try:
        rows = table.read_clips(folder)
    except FileNotFoundError as e:
        raise CorpusError(f"{folder} holds no corpus.csv: not a corpus") from e
    if not rows:
        raise CorpusError(f"{folder}/corpus.csv lists no clips")
    facts = [measure(folder / r["path"], r["label"], r["split"]) for r in rows]
    labels = sorted({f.label for f in facts})
    print(f"{'class':<24}{'train':>6}{'test':>6}{'seconds':>14}{'RMS dB':>14}{'centroid Hz':>14}"
          f"{'alike':>7}")
    alike = {}
    for label in labels:
        sides = {s: [f for f in facts if f.label == label and f.split == s]
                 for s in ("train", "test")}
        if not all(sides.values()):
            raise CorpusError(f"{label} has no clips in train or none in test")
        alike[label] = likeness(sides["train"], sides["test"])
        print(_line(label, sides, alike[label][0]))
    minutes = sum(f.seconds for f in facts) / 60
    print(f"{len(labels)} classes, {sum(f.split == 'train' for f in facts)} train and "
          f"{sum(f.split == 'test' for f in facts)} test clips, {minutes:.1f} minutes")
    _check_disjoint(rows, facts)
    worst = max(alike.values(), key=lambda a: a[0])
    if worst[0] >= SAME:
        raise CorpusError(f"{worst[1]} and {worst[2]} are one recording (correlation "
                          f"{worst[0]:.3f}), but one trains and the other tests")


def measure(path, label, split):
    try:
        with wave.open(str(path), "rb") as f:
            shape = (f.getnchannels(), f.getsampwidth(), f.getframerate())
            x = np.frombuffer(f.readframes(f.getnframes()), dtype="<i2")
    except (OSError, EOFError, wave.Error) as e:
        raise CorpusError(f"{path}: not a readable wav file ({e})") from e
    if shape != (1, 2, RATE):
        raise CorpusError(f"{path}: not 16-bit mono at {RATE} Hz")
    if not SHORTEST <= len(x) <= LONGEST:
        raise CorpusError(f"{path}: {len(x) / RATE:.2f} s long, outside 0.3 to 8 s")
    peak = int(np.abs(x.astype(np.int32)).max())
    if peak < 0.2 * 32767:
        raise CorpusError(f"{path}: silent or nearly so (peak {peak})")
    unit = x / peak
    size = fft_size(len(x))
    power = np.abs(np.fft.rfft(unit, size)) ** 2
    hertz = np.arange(len(power)) * (RATE / size)
    digest = hashlib.sha256(np.rint(unit * 8191).astype("<i2").tobytes()).hexdigest()
    rms = 10 * np.log10(np.mean((x / 32768.0) ** 2))
    return Facts(label, split, str(path), len(x) / RATE, float(rms),
                 float((power * hertz).sum() / power.sum()), digest, _onset(unit))


def _onset(x):
    start = max(0, int(np.flatnonzero(np.abs(x) > 0.1)[0]) - 64)
    piece = np.zeros(FINGERPRINT)
    part = x[start:start + FINGERPRINT]
    piece[:len(part)] = part
    return (piece / np.linalg.norm(piece)).astype(np.float32)


def likeness(train, test):
    """(largest correlation over lags, train path, test path) of any pair's first 0.19 s."""
    size = 2 * FINGERPRINT
    heard = np.fft.rfft(np.stack([f.onset for f in train]), size)
    best = (-1.0, "", "")
    for f in test:
        lags = np.fft.irfft(heard * np.conj(np.fft.rfft(f.onset, size)), size)
        peaks = lags.max(axis=1)
        at = int(peaks.argmax())
        if peaks[at] > best[0]:
            best = (float(peaks[at]), train[at].path, f.path)
    return best


def _check_disjoint(rows, facts):
    groups = {s: {r["group"] for r in rows if r["split"] == s} for s in ("train", "test")}
    if common := groups["train"] & groups["test"]:
        raise CorpusError(f"source {sorted(common)[0]} is in train and in test")
    seen = {}
    for f in facts:
        other = seen.setdefault(f.digest, f)
        if other is not f:
            raise CorpusError(f"{f.path} and {other.path} hold the same sound")


def _line(label, sides, alike):
    both = sides["train"] + sides["test"]

    def span(values, digits=0):
        return f"{min(values):.{digits}f}..{max(values):.{digits}f}"

    return (f"{label:<24}{len(sides['train']):>6}{len(sides['test']):>6}"
            f"{span([f.seconds for f in both], 1):>14}{span([f.rms for f in both]):>14}"
            f"{span([f.centroid for f in both]):>14}{alike:>7.2f}")
