"""Runs and checkpoints as train writes them: run.json, and safetensors read with numpy alone."""

import json
import struct
from pathlib import Path

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "u1"}
VERSION = 1


class BadRun(Exception):
    """What is wrong with a run or a checkpoint, in one sentence."""


class Checkpoint:
    """One network of one fold: `tensors` by name, `config`, `features`, `classes`."""

    def __init__(self, path):
        try:
            data = Path(path).read_bytes()
            size, = struct.unpack("<Q", data[:8])
            header = json.loads(data[8:8 + size])
            metadata = header.pop("__metadata__")
            self.tensors = {}
            for name, entry in header.items():
                first, last = (8 + size + offset for offset in entry["data_offsets"])
                values = np.frombuffer(data[first:last], TYPES[entry["dtype"]])
                self.tensors[name] = values.reshape(entry["shape"])
            if metadata["format"] != "earshot checkpoint" or int(metadata["version"]) != VERSION:
                raise BadRun(f"{path} is no checkpoint of format {VERSION}")
            self.model = metadata["model"]
            self.config = json.loads(metadata["config"])
            if self.model != "cnn-audio" and self.config["input"]["resize"] != "window":
                raise BadRun(f"{path} was trained with input.resize: clip, which export does not "
                             "know; train with input.resize: window")
            self.features = json.loads(metadata["features"])
            self.classes = json.loads(metadata["classes"])
        except (OSError, struct.error, ValueError, KeyError, TypeError) as error:
            raise BadRun(f"cannot read the checkpoint {path}: {error}") from error

    def setting(self, key):
        """A setting by its dotted key, "batch_norm.epsilon"."""
        value = self.config
        for part in key.split("."):
            value = value[part]
        return value


def trained_folds(run, model):
    """{fold: best checkpoint} of one model in a run."""
    found = {}
    for path in Path(run).glob(f"fold-*/{model}/best.safetensors"):
        number = path.parent.parent.name[len("fold-"):]
        if number.isdecimal():
            found[int(number)] = path
    return dict(sorted(found.items()))
