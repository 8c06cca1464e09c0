"""NaN and infinities in samples, weights, loss and gradients: named, state saved, or skipped."""

import json
import shutil
import struct

import audio
import numpy as np
import runs


def run(bench, table):
    samples(bench, table)
    weights(bench, table)
    overflow(bench, table)


def samples(bench, table):
    with table.row("NaN or infinity in a float recording") as row:
        source = bench.fresh("nan-corpus")
        for i in range(4):
            audio.write_wav(source / "AB"[i % 2] / f"{i}.wav", audio.tone(20000, 200 + 100 * i))
        for i, value in enumerate((float("nan"), float("inf"), float("-inf"))):
            tone = [x / 32768 for x in audio.tone(20000)]
            tone[1000 * (i + 1)] = value
            audio.write_float_wav(source / "A" / f"bad{i}.wav", tone)
        store = bench.fresh("nan-store")
        done = bench.do([bench.train_command(store)[0].parent / "prepare", source, "--out", store])
        row.tried = row.struck = 3
        listed = (store / "problems.csv").read_text() if done.status == 0 else ""
        if listed.count("not finite") != 3:
            row.loses(f"not listed: {listed} {done.errors}")
        row.sees(listed.splitlines()[1] if listed else "")


def weights(bench, table):
    """A NaN in one tensor of a checkpoint, with a checksum that is right."""
    with table.row("NaN in a weight, a statistic or a moment of a checkpoint") as row:
        names = ["block1.conv1.weight", "block2.norm.moving_variance", "softmax.bias", "adam.m",
                 "adam.v"]
        for name in names:
            out = bench.copy_of_whole("run-nan")
            shutil.rmtree(out / "fold-0/cnn-comb")
            last = out / "fold-0/cnn-spec/last.safetensors"
            poison(last, name, AT_THE_START)
            before = last.read_bytes()
            done = bench.do(bench.train_command(out))
            row.tries()
            bench.check_failure(row, done)
            if name not in done.errors or "NaN" not in done.errors:
                row.loses(f"{name} is not named: {done.errors}")
            if last.read_bytes() != before:
                row.loses("the checkpoint was written over")


def poison(path, name, changes, value=np.nan, count=1):
    """`value` in the first cells of a tensor, and other metadata; the checksum goes."""
    data = bytearray(path.read_bytes())
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    first, last = header[name]["data_offsets"]
    count = min(count, (last - first) // 4)
    data[8 + size + first:8 + size + first + 4 * count] = np.full(count, value, "<f4").tobytes()
    path.write_bytes(bytes(data))
    for key, text in changes.items():
        runs.change_metadata(path, key, text)


AT_THE_START = {"done": "0", "epoch": "0", "step_in_epoch": "0", "step": "0", "best_epoch": "-1"}


def overflow(bench, table):
    """Weights that are finite, and logits that are not."""
    out = bench.copy_of_whole("run-overflow")
    shutil.rmtree(out / "fold-0/cnn-comb")
    last = out / "fold-0/cnn-spec/last.safetensors"
    poison(last, "softmax.weight", AT_THE_START, value=3e38, count=1 << 30)
    with table.row("logits that overflow") as row:
        done = bench.do(bench.train_command(out))
        row.tries()
        bench.check_failure(row, done)
        for word in ("cnn-spec fold 0", "step 1 ", "epoch 1", "in tensor softmax.", ".wav",
                     "of layer softmax", "--on-nan skip"):
            if word not in done.errors:
                row.loses(f"'{word}' is not in: {done.errors}")
    with table.row("logits that overflow in every batch, --on-nan skip") as row:
        done = bench.do(bench.train_command(out, "--on-nan", "skip"))
        row.tries()
        bench.check_failure(row, done)
        row.seen = ""
        row.sees(done.errors.strip().splitlines()[-1])
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        row.figures["batches left out"] = sum(line["event"] == "skipped" for line in lines)
        if row.figures["batches left out"] == 0 or "no batch of epoch 1" not in done.errors:
            row.loses("not counted, or not stopped")
