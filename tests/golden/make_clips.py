#!/usr/bin/env python3
"""Makes data/clips.flac from the small corpus: python3 make_clips.py CORPUS. Real clips in the
public domain (csound-soundfont), as they are and with silence, noise and clicks around them, and
clips that are awkward to frame. Everything else is made from clips.flac by make_goldens.py."""

import pathlib
import sys

import numpy as np
import soundfile

from common import DATA, noise, write

REAL = [
    "Acoustic_guitar/csound-b0p25-04", "Bark/csound-b1p123-05", "Bass_drum/csound-k16n36-00",
    "Cowbell/csound-k25n56-09", "Electric_piano/csound-b0p4-09", "Flute/csound-b0p73-18",
    "Hi-hat/csound-k0n44-02", "Oboe/csound-b0p68-00", "Snare_drum/csound-k0n40-01",
    "Squeak/csound-b2p124-04", "Tambourine/csound-k0n54-08", "Trumpet/csound-b0p59-01",
]


def real_clips(corpus):
    for name in REAL:
        samples, rate = soundfile.read(corpus / "audio/test" / f"{name}.wav", dtype="int16")
        assert rate == 44100 and samples.ndim == 1
        yield samples


def awkward_clips(real):
    def zeros(count):
        return np.zeros(count, np.int16)

    def hiss(count, scale, seed=7):
        return (noise(count, seed) * scale).astype(np.int16)

    def click(count, *positions):
        out = zeros(count)
        out[list(positions)] = 30000
        return out

    drum, bark, hat = real[2], real[1], real[6]
    return [
        click(1, 0), hiss(2, 9000), hiss(300, 9000), hiss(1023, 9000), hiss(1024, 9000),
        hiss(1025, 9000), hiss(2047, 9000), hiss(2049, 9000),  # about a half and a whole frame
        zeros(511), zeros(5000),  # all zero
        click(5000, 0), click(5000, 4999), click(5000, 0, 4999), click(5120, 2560),
        np.concatenate([zeros(20000), drum, zeros(9000)]),
        np.concatenate([hiss(7001, 30), bark, hiss(6007, 30, 8)]),  # about 60 dB down
        np.concatenate([hiss(4000, 130), bark, hiss(4000, 130, 8)]),  # just about 40 dB down
        np.concatenate([hat, zeros(12345), hat]),  # silence inside stays
    ]


def main():
    real = list(real_clips(pathlib.Path(sys.argv[1])))
    clips = real + awkward_clips(real)
    soundfile.write(DATA / "clips.flac", np.concatenate(clips), 44100, subtype="PCM_16",
                    compression_level=1.0)
    write("clips", {"lengths": np.array([len(clip) for clip in clips])})
    print(len(clips), "clips,", (DATA / "clips.flac").stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
