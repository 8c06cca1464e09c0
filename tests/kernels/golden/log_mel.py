#!/usr/bin/env python3
"""Makes log_mel.h beside this file from librosa (written with 0.11.0, which agrees with 0.6 once
its padding is "reflect"): python3 log_mel.py. Needs librosa and numpy from PyPI."""

import pathlib

import librosa
import numpy as np

LENGTH = 5000
FRAMES = (0, 7, 13)
QUIET = 16  # divisor of the quiet parts of the log-mel's signal ...
TRIM_QUIET = 512  # ... and of the trim's
TRIM_LENGTHS = (300, 2047, 9000, 44100)


def signal(length, quiet):
    """Noise from a 32-bit congruential generator, loud in the middle third only."""
    state, out = 1, []
    for i in range(length):
        state = (1664525 * state + 1013904223) % 2**32
        value = (state >> 16) - 32768
        loud = length // 3 <= i < 2 * length // 3
        out.append(value // (2 if loud else quiet))
    return np.array(out, dtype=np.float32) / np.float32(32768)


def log_mel(samples):
    spectrum = librosa.stft(samples, n_fft=2048, hop_length=256, window="hann", center=True,
                            pad_mode="reflect")
    mel = mel_bank() @ np.abs(spectrum) ** 2
    return librosa.amplitude_to_db(mel, ref=1.0, amin=1e-5, top_db=80.0)


def mel_bank():
    return librosa.filters.mel(sr=44100, n_fft=2048, n_mels=128, fmin=0.0, fmax=22050.0, htk=False,
                               norm="slaney", dtype=np.float64)


def trim(samples):
    rms = librosa.feature.rms(y=samples, frame_length=2048, hop_length=512, center=True,
                              pad_mode="reflect")[0]
    level = librosa.power_to_db(rms**2, ref=np.max, amin=1e-10, top_db=None)
    sound = np.flatnonzero(level > -40.0)
    return int(sound[0]) * 512, min(len(samples), (int(sound[-1]) + 1) * 512)


def rows(values, per_line=8):
    texts = [f"{v:.7g}" for v in values]
    lines = [", ".join(texts[i:i + per_line]) for i in range(0, len(texts), per_line)]
    return ",\n    ".join(lines)


def main():
    mel = log_mel(signal(LENGTH, QUIET))
    bank = mel_bank()
    bands = (0, 1, 40, 90, 127)
    trims = ",\n    ".join(f"{{{n}, {a}, {b}}}" for n in TRIM_LENGTHS
                           for a, b in [trim(signal(n, TRIM_QUIET))])
    weights = ",\n    ".join(f"{{{b}, {int(bank[b].argmax())}, {bank[b].max():.9g}}}"
                             for b in bands)
    text = f"""// Values of librosa {librosa.__version__}, made by log_mel.py.
// clang-format off
#pragma once

namespace earshot::golden {{

inline constexpr int kLength = {LENGTH};  // samples
inline constexpr int kQuiet = {QUIET};
inline constexpr int kTrimQuiet = {TRIM_QUIET};
inline constexpr int kFrames[] = {{{", ".join(map(str, FRAMES))}}};
/// Log-mel (amplitude_db) of those frames, [3, 128].
inline constexpr double kLogMel[] = {{
    {rows(np.concatenate([mel[:, t] for t in FRAMES]))}}};

struct Peak {{
  int band, bin;
  double weight;
}};
inline constexpr Peak kPeaks[] = {{
    {weights}}};

struct Trim {{
  int length, begin, end;
}};
inline constexpr Trim kTrims[] = {{
    {trims}}};

}}  // namespace earshot::golden
"""
    pathlib.Path(__file__).with_name("log_mel.h").write_text(text)


if __name__ == "__main__":
    main()
