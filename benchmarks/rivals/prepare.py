"""Decodes, trims and stores recordings with soundfile and librosa on all cores: int16 samples and
log-mel, a .npy each."""
import argparse
import json
import pathlib
from concurrent.futures import ProcessPoolExecutor

import librosa
import numpy
import soundfile

import mel
import worker


def one(paths):
    source, out = paths
    wave, rate = soundfile.read(source, dtype="float32", always_2d=True)
    wave = wave.mean(1)
    if rate != mel.RATE:
        wave = librosa.resample(wave, orig_sr=rate, target_sr=mel.RATE)
    wave, _ = librosa.effects.trim(wave, top_db=40, frame_length=2048, hop_length=512)
    numpy.save(f"{out}.npy", numpy.round(wave * 32768).clip(-32768, 32767).astype(numpy.int16))
    numpy.save(f"{out}.mel.npy", mel.librosa_clip(wave).T)
    return len(wave)


def warm(_):
    """Imports and compiles what librosa loads late."""
    noise = numpy.random.default_rng(0).standard_normal(mel.RATE).astype(numpy.float32)
    librosa.effects.trim(noise, top_db=40, frame_length=2048, hop_length=512)
    mel.librosa_clip(noise)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--index", required=True, help="index.json of earshot's store of them")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    files = sorted(options.source.rglob("*.wav"))
    pairs = [(file, options.out / file.stem) for file in files]
    pool = ProcessPoolExecutor(options.threads)
    list(pool.map(warm, range(4 * options.threads)))
    lengths = list(pool.map(one, pairs))
    with open(options.index) as index:
        clips = {pathlib.Path(c["name"]).stem: c["samples"] for c in json.load(index)["clips"]}
    differing = sum(clips.get(file.stem) != length for file, length in zip(files, lengths))
    worker.serve({"engine": f"librosa {librosa.__version__}, soundfile {soundfile.__version__}",
                  "files": len(files), "other_lengths": differing},
                 lambda: list(pool.map(one, pairs, chunksize=4)))


if __name__ == "__main__":
    main()
