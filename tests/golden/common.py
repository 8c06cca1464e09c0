"""What the golden scripts share: the clips, repeatable noise, and files of named tensors."""

import pathlib

import numpy as np
import soundfile
from safetensors.numpy import load_file, save_file

DATA = pathlib.Path(__file__).parent / "data"


def clips():
    """Every clip of clips.flac as float32 at full scale 1.0."""
    samples, rate = soundfile.read(DATA / "clips.flac", dtype="int16")
    assert rate == 44100
    lengths = load_file(DATA / "clips.safetensors")["lengths"]
    assert lengths.sum() == len(samples)
    parts = np.split(samples, np.cumsum(lengths)[:-1])
    return [part.astype(np.float32) / np.float32(32768) for part in parts]


def noise(count, seed):
    """float32 in [-1, 1): the 16 high bits of a 32-bit congruential generator, as golden.h has."""
    out, state = np.empty(count, np.float32), seed
    for i in range(count):
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF
        out[i] = ((state >> 16) - 32768) / 32768
    return out


def write(name, tensors):
    """Real numbers as float32, counts as int64."""
    def stored(values):
        values = np.ascontiguousarray(values)
        return values.astype(np.float32 if values.dtype.kind == "f" else np.int64)

    path = DATA / f"{name}.safetensors"
    save_file({key: stored(values) for key, values in tensors.items()}, path)
    path.chmod(0o644)
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size / 1e3:.0f} kB")
