"""The protocol of benchmarks/worker.h for the rivals, and the file format of bench_worker step --save."""
import glob
import json
import resource
import struct
import sys
import time

import numpy

TYPES = {"F32": numpy.float32, "F64": numpy.float64, "I64": numpy.int64, "U8": numpy.uint8}


def peak_bytes():
    """The most resident memory of this process, plus that of its living children."""
    total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for children in glob.glob("/proc/self/task/*/children"):
        with open(children) as file:
            pids = file.read().split()
        for pid in pids:
            with open(f"/proc/{pid}/status") as status:
                total += sum(int(line.split()[1]) * 1024 for line in status
                             if line.startswith("VmHWM"))
    return total


def say(answer):
    print(json.dumps(answer), flush=True)


def serve(ready, repetition):
    """Answers 'run N' and 'memory' until the input ends."""
    say(ready)
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["run"] and len(words) == 2:
            seconds = []
            for _ in range(int(words[1])):
                start = time.perf_counter()
                repetition()
                seconds.append(time.perf_counter() - start)
            say({"seconds": seconds})
        elif words == ["memory"]:
            say({"peak_bytes": peak_bytes()})
        else:
            sys.exit(f"command {line.strip()!r}: a worker knows 'run N' and 'memory'")


def read_safetensors(path):
    """(tensors by name, metadata); arrays are views of the file's bytes."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())  # writable, as PyTorch wants it
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first = entry["data_offsets"][0]
        values = numpy.frombuffer(data, TYPES[entry["dtype"]], numpy.prod(entry["shape"], dtype=int), first)
        tensors[name] = values.reshape(entry["shape"])
    return tensors, metadata


class StepFile:
    """What bench_worker step --save wrote: weights, inputs, first outputs and the layers' tables."""

    def __init__(self, path):
        self.tensors, metadata = read_safetensors(path)
        self.model = metadata["model"]
        self.batch = int(metadata["batch"])  # examples a forward pass
        self.classes = int(metadata["classes"])
        self.tables = json.loads(metadata["tables"])
        self.head = json.loads(metadata["head"])
        self.epsilon = float(metadata["batch_norm_epsilon"])
        self.momentum = float(metadata["batch_norm_momentum"])
        self.learning_rate = float(metadata["learning_rate"])

    def part(self, kind):
        """Tensors whose names start with "<kind>.", by the rest of the name."""
        return {n[len(kind) + 1:]: t for n, t in self.tensors.items() if n.startswith(kind + ".")}

    def inputs(self):
        part = self.part("input")
        return [part[name] for name in ("wave", "mel") if name in part]

    def joined(self):
        return self.model == "cnn-comb"

    def differences(self, outputs):
        """Relative distance |a - b| / |b| (Euclidean) of each named output from ours."""
        out = {}
        for name, value in outputs.items():
            expected = self.tensors[name].astype(numpy.float64).ravel()
            distance = numpy.linalg.norm(value.astype(numpy.float64).ravel() - expected)
            out[name] = float(distance / max(numpy.linalg.norm(expected), 1e-30))
        return out
