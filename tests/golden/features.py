"""What librosa computes of the clips, with the defaults of its 2018 versions: reflect padding."""

import functools
from unittest import mock

import librosa
import numpy as np
import torch

from common import clips, noise, write

TRIMMED_BY = 40  # dB


def trim(samples):
    """librosa.effects.trim; since 0.10 its frames are continued by zeros unless told."""
    rms = functools.partial(librosa.feature.rms, pad_mode="reflect")
    with mock.patch("librosa.effects.feature.rms", rms):
        return librosa.effects.trim(samples, top_db=TRIMMED_BY, frame_length=2048, hop_length=512)[1]


def trimmed_clips():
    return [clip[slice(*trim(clip))] for clip in clips()]


def power(samples):
    """[1025, frames]; in double, as librosa's FFT was before it followed the input's type."""
    spectrum = librosa.stft(samples.astype(np.float64), n_fft=2048, hop_length=256, window="hann",
                            center=True, pad_mode="reflect")
    return np.abs(spectrum) ** 2


def mel_bank():
    return librosa.filters.mel(sr=44100, n_fft=2048, n_mels=128, fmin=0.0, fmax=22050.0, htk=False,
                               norm="slaney", dtype=np.float64)


def log_mel(samples, scale="amplitude_db"):
    """[128, frames] in dB."""
    mel = mel_bank() @ power(samples)
    if scale == "power_db":
        return librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=80.0)
    return librosa.amplitude_to_db(mel, ref=1.0, amin=1e-5, top_db=80.0)


def resize(columns, width):
    """[128, native] -> [128, width], linear in time with half-pixel centres."""
    rows = torch.from_numpy(columns)[None]
    return torch.nn.functional.interpolate(rows, size=width, mode="linear",
                                           align_corners=False)[0].numpy()


def make():
    all_clips = clips()
    trims = np.array([trim(clip) for clip in all_clips])
    assert (trims[:, 1] - trims[:, 0] < [len(clip) for clip in all_clips]).sum() >= 8
    write("trim", {"kept": trims})

    bank = mel_bank()
    first = (bank > 0).argmax(axis=1)
    count = (bank > 0).sum(axis=1)
    write("mel_bank", {"first": first, "count": count,
                       "weights": np.concatenate([row[f:f + c] for row, f, c
                                                  in zip(bank, first, count)])})

    tensors = {}
    for clip in (1, 12, 14, 17, 19):  # a bark; 1, 300, 1,025 and 2,049 samples
        p = power(all_clips[clip])
        frames = np.unique([0, 1, p.shape[1] // 2, p.shape[1] - 1])
        frames = frames[frames < p.shape[1]]
        tensors |= {f"{clip}.frames": frames, f"{clip}.power": p[:, frames].T}
    write("stft", tensors)

    tensors = {f"amplitude_db.{clip}": log_mel(all_clips[clip]).T
               for clip in (1, 2, 6, 12, 13, 14, 16, 19, 21, 22, 24)}
    tensors |= {f"power_db.{clip}": log_mel(all_clips[clip], "power_db").T for clip in (2, 17, 24)}
    write("log_mel", tensors)

    tensors = {}
    for seconds, native, width in ((1, 173, 170), (2, 345, 300), (3, 517, 400)):
        columns = noise(native * 128, seed=seconds).reshape(native, 128).T.astype(np.float64)
        tensors[f"{seconds}s"] = resize(columns, width)[[0, 77, 127]]
    write("resize", tensors)
