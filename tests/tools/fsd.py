"""Miniatures of FSDKaggle2018 in both layouts, from the real clips of tests/golden, with what is
awkward about the data set: empty files, rows nobody scores, a spelling, a missing file."""

import csv
import json
import os
import struct
from pathlib import Path

import numpy as np
import soundfile

import audio

GOLDEN = Path(os.environ["EARSHOT_SOURCE"]) / "tests/golden/data"
# Classes of the first clips of clips.flac.
CLASSES = ("Acoustic_guitar", "Bark", "Bass_drum", "Cowbell", "Electric_piano", "Flute", "Hi-hat",
           "Oboe", "Snare_drum", "Squeak", "Tambourine", "Trumpet")
EMPTY = ("0b0427e2.wav", "6ea0099f.wav", "b39975f5.wav")
MISSING = "deadbeef.wav"


def real_clips():
    data = (GOLDEN / "clips.safetensors").read_bytes()
    size, = struct.unpack("<Q", data[:8])
    first, last = json.loads(data[8:8 + size])["lengths"]["data_offsets"]
    lengths = np.frombuffer(data[8 + size:][first:last], "<i8")
    samples, _ = soundfile.read(str(GOLDEN / "clips.flac"), dtype="int16")
    return np.split(samples, np.cumsum(lengths)[:-1])[:len(CLASSES)]


def write_clip(path, clip, variant):
    """No two variants of a clip are the same."""
    audio.write_wav(path, (clip[200 * variant:] * (1 - 0.15 * variant)).astype(int).tolist())


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def training(folder, per_class):
    """(fname, label, manually_verified) of clips written into `folder`, and one that is missing."""
    rows = []
    for label, clip in zip(CLASSES, real_clips()):
        for i in range(per_class):
            rows.append((f"{len(rows):08x}.wav", label, i % 2))
            write_clip(folder / rows[-1][0], clip, i)
    return rows + [(MISSING, "Bark", 1)]


def testing(folder):
    """(fname, label, usage); a quarter is public."""
    rows = []
    for i, (label, clip) in enumerate(zip(CLASSES, real_clips())):
        rows.append((f"{i + 0xf0000000:08x}.wav", label, "Public" if i % 4 == 0 else "Private"))
        write_clip(folder / rows[-1][0], clip, 5)
    return rows


def make_zenodo(root, per_class=4):
    train = training(root / "FSDKaggle2018.audio_train", per_class)
    test = testing(root / "FSDKaggle2018.audio_test")
    meta = root / "FSDKaggle2018.meta"
    write_csv(meta / "train_post_competition.csv",
              [("fname", "label", "manually_verified", "freesound_id", "license")]
              + [(*row, 1000 + i, "Attribution") for i, row in enumerate(train)])
    write_csv(meta / "test_post_competition_scoring_clips.csv",
              [("fname", "label", "usage", "freesound_id", "license")]
              + [(*row, 5000 + i, "Creative Commons 0") for i, row in enumerate(test)])
    return root


def make_kaggle(root, per_class=4, unscored=2):
    train, test = training(root / "audio_train", per_class), testing(root / "audio_test")
    clips = real_clips()
    ignored = [f"{i + 0xe0000000:08x}.wav" for i in range(unscored)]
    for name, clip in zip(ignored, clips):
        write_clip(root / "audio_test" / name, clip, 6)
    for name in EMPTY:
        audio.write_wav(root / "audio_test" / name, [])
    write_csv(root / "train.csv", [("fname", "label", "manually_verified")] + train)
    write_csv(root / "test_post_competition.csv",
              [("fname", "label", "usage", "freesound_id", "license")]
              + [(*row, 1, "Attribution") for row in test]
              + [(name, "None", "Ignored", "", "") for name in (*ignored, *EMPTY)])
    names = sorted([row[0] for row in test] + ignored + list(EMPTY))
    write_csv(root / "sample_submission.csv",
              [("fname", "label")] + [(name, "Laughter Hi-Hat Flute") for name in names])
    return root
