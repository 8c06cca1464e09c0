"""Clips from recorded one-shots: decoded, a little faster or slower, single or strung together."""

import io
from typing import NamedTuple, Optional

import numpy as np
import soundfile

import archives
from errors import CorpusError
from postprocess import LONGEST, RATE, resample


class Style(NamedTuple):
    speed: float  # largest change of speed, as a fraction
    hits: tuple = (1, 1)
    gap: Optional[tuple] = None  # seconds from start to start; None: from end to start, see pause
    pause: tuple = (0.05, 0.6)  # seconds between the end of one and the start of the next
    crop: Optional[tuple] = None  # seconds cut at a random place from a long recording
    single: float = 0.4  # probability of one hit


STYLES = {
    "drum": Style(0.12, (2, 8), (0.11, 0.48)),
    "shot": Style(0.15, (2, 4), (0.2, 1.1)),
    "bark": Style(0.15, (2, 5), (0.25, 0.9), single=0.25),
    "voice": Style(0.12, (1, 2)),
    "glass": Style(0.20, (1, 3), (0.15, 0.9)),
    "snap": Style(0.15, (2, 6), (0.18, 0.8)),
    "phone": Style(0.10, (1, 2)),
    "typing": Style(0.05, (4, 28), (0.06, 0.34), single=0.0),
    "loop": Style(0.12, (1, 4), pause=(0.0, 0.3), crop=(0.5, 1.2)),
    "crop": Style(0.10, crop=(1.2, 6.0)),
}


def decode(root, name):
    """One file below `root` (a folder or an archive) as float64 mono at 44.1 kHz."""
    raw = archives.read(root, name)
    if isinstance(raw, archives.Samples):
        x, rate = raw.samples, raw.rate
    else:
        try:
            x, rate = soundfile.read(io.BytesIO(raw), dtype="float32", always_2d=True)
        except RuntimeError as e:
            raise CorpusError(f"{root}: {name} cannot be decoded ({e})") from e
        x = x.astype(np.float64).mean(axis=1)
    if len(x) == 0 or not np.isfinite(x).all():
        raise CorpusError(f"{root}: {name} holds no usable samples")
    return resample(x, RATE / rate)


def make(recordings, style_name, stream):
    """A clip from decoded recordings of one family; raw samples, not yet finished."""
    style = STYLES[style_name]
    count = 1 if stream.chance(style.single) else stream.integer(*style.hits)
    ratio = 1.0 + stream.uniform(-style.speed, style.speed)
    sounds = {}  # by number: one speed for the whole clip, so each is resampled once
    gap = stream.uniform(*style.gap) if style.gap else None
    pieces, now = [], 0
    for _ in range(count):
        number = stream.integer(0, len(recordings) - 1)
        if number not in sounds:
            sounds[number] = resample(recordings[number], ratio)
        x = sounds[number]
        if style.crop:
            length = min(len(x), int(stream.uniform(*style.crop) * RATE))
            start = stream.integer(0, len(x) - length)
            x = _fade_in(x[start:start + length])
        if now >= LONGEST:
            break
        pieces.append((now, x * (1.0 if count == 1 else stream.uniform(0.6, 1.0))))
        if style_name == "typing":
            wait = stream.uniform(0.4, 1.0) if stream.chance(0.12) else stream.uniform(*style.gap)
        elif gap is not None:
            wait = gap * stream.choice((1, 1, 1, 2)) * stream.uniform(0.92, 1.08)
        else:
            wait = len(x) / RATE + stream.uniform(*style.pause)
        now += int(wait * RATE)
    out = np.zeros(max(start + len(x) for start, x in pieces))
    for start, x in pieces:
        out[start:start + len(x)] += x
    return out


def _fade_in(x):
    n = min(len(x) // 2, RATE // 100)
    x = x.copy()
    x[:n] *= np.arange(n) / max(1, n)
    return x
