"""Tiny stores and runs: what the tests of train, evaluate, predict and inspect stand on."""

import json
import struct
import tempfile
from pathlib import Path

import sounds
from program import ProgramTest, run

MODELS = ("cnn-audio", "cnn-spec", "cnn-comb")
SMALL = {"seconds": 1, "width.audio": 0.0625, "width.spec": 0.0625, "batch": 8,
         "folds.run": "[0]", "head.layers": "[16,8]", "cnn-audio.epochs": 1,
         "cnn-spec.epochs": 1, "cnn-comb.epochs": 1, "scoring.step": 40960}


def settings(changes=None):
    """--set for the smallest run, with `changes` by key."""
    values = {**SMALL, **(changes or {})}
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def must(name, *arguments):
    done = run(name, *arguments)
    if done.returncode != 0:
        raise AssertionError(f"{name} failed: {done.stderr}")
    return done.stdout


def make_store(store, **corpus):
    source = store.with_name(store.name + "-source")
    sounds.make_corpus(source, **corpus)
    must("prepare", source, "--out", store, "--quiet")
    return store


def train(store, out, *arguments, changes=None):
    must("train", "--data", store, "--out", out, "--quiet", *settings(changes), *arguments)
    return out


def epochs(out, model=None):
    """The epoch lines of a run's log."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines
            if line["event"] == "epoch" and model in (None, line["model"])]


def weights(out):
    """Every checkpoint of a run as bytes, by its path in the run."""
    return {str(path.relative_to(out)): path.read_bytes()
            for path in sorted(out.glob("fold-*/*/*.safetensors"))}


def change_metadata(checkpoint, key, value):
    data = checkpoint.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header["__metadata__"][key] = value
    header["__metadata__"].pop("content_hash", None)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    checkpoint.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])


class RunTest(ProgramTest):
    """One store and one run on it for all tests of the class; they must not be changed."""

    corpus = {"train": 10, "test": 3}
    changes = {}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        cls.addClassCleanup(folder.cleanup)
        cls.store = make_store(Path(folder.name) / "store", **cls.corpus)
        cls.source = Path(folder.name) / "store-source"
        cls.out = train(cls.store, Path(folder.name) / "run", changes=cls.changes)
