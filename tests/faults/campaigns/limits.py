"""The largest and smallest of everything, under a hard limit on memory.

The limit is RLIMIT_DATA: for train what `train --dry-run` announced, for prepare kProgram and the
clips in work. What asks for more gets an error."""

import re
import resource
import signal
import subprocess
import time

import audio
import numpy as np

kProgram = 512 << 20  # bytes


def run(bench, table):
    many_clips(bench, table)
    long_clip(bench, table)
    many_classes(bench, table)
    wide(bench, table)


def limited(bench, command, limit):
    process = subprocess.Popen(
        [str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
    return bench.end(process)


def announced(bench, *words):
    """Bytes of the largest phase: parameters, arena, plans of convolutions and the program."""
    done = bench.do([bench.train_command(bench.work)[0], "--dry-run", *words])
    if done.status != 0:
        raise RuntimeError(done.errors)
    parameters = re.findall(r"\(([\d.]+) MB with gradients", done.output)
    arenas = re.findall(r"^arena ([\d.]+) MB", done.output, re.M)
    beside = re.findall(r"^beside it ([\d.]+) MB .* at most (\d+) MB", done.output, re.M)
    return int(1e6 * max(float(p) + float(a) + float(plans) + float(program)
                         for p, a, (plans, program) in zip(parameters, arenas, beside, strict=True)))


def prepared(bench, row, source, store, limit, *words):
    done = limited(bench, [bench.prepare_command(store)[0], source, "--out", store, "--quiet", "--jobs",
                           "2", *words], limit)
    if done.status != 0:
        row.loses(f"prepare failed: {done.errors.strip()}")
    return done.status == 0


def stopped_train(bench, row, command, limit, folder):
    """Trains until the first checkpoint, then asks to stop."""
    process = subprocess.Popen(
        [str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
    while not list(folder.glob("fold-0/*/last.safetensors")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    done = bench.end(process)
    if done.status not in (0, 75):
        row.loses(f"train: status {done.status}: {done.errors.strip()}")


def many_clips(bench, table):
    count = 1500 if bench.quick else 100_000
    with table.row(f"a store of {count:,} clips") as row:
        rng, source = np.random.default_rng(1), bench.fresh("many")
        lines = ["path,label,split"]
        for i in range(count):
            path = f"{i % 100}/{i}.wav"
            audio.write_wav(source / path, rng.integers(-9000, 9000, 300).tolist())
            lines.append(f"{path},Class {i % 41},{'test' if i % 10 == 9 else 'train'}")
        (source / "corpus.csv").write_text("\n".join(lines) + "\n")
        store, out = bench.fresh("many-store"), bench.fresh("many-run")
        row.tries()
        if not prepared(bench, row, source, store, kProgram + count * 4000):
            return
        done = bench.do([bench.prepare_command(store)[0].parent / "inspect", store, "--verify"])
        if done.status != 0 or f"{count}" not in done.output.replace(",", ""):
            row.loses(f"inspect: {done.errors} {done.output[:300]}")
        limit = announced(bench, *bench.settings) + count * 4000
        stopped_train(bench, row, bench.train_command(out, "--models", "cnn-audio", data=store),
                      limit, out)
        row.sees("it works")


def long_clip(bench, table):
    minutes = 5 if bench.quick else 30
    with table.row(f"a test clip of {minutes} minutes") as row:
        source = bench.fresh("long")
        for label in ("Clicks", "Noise", "Sweep", "Tone"):
            audio.write_wav(source / "train" / label / "a.wav", audio.tone(20000, 100 + len(label)))
        rng = np.random.default_rng(2)
        audio.write_wav(source / "test" / "Noise" / "long.wav",
                        rng.integers(-9000, 9000, minutes * 60 * 44100).tolist())
        store = bench.fresh("long-store")
        row.tries()
        # One copy of the samples as int16, float and at 44.1 kHz, and the log-mel.
        clip = minutes * 60 * 44100
        if not prepared(bench, row, source, store, kProgram + 24 * clip):
            return
        run = bench.copy_of_whole("long-run")
        done = limited(bench, [bench.evaluate_command(run)[0], run, "--data", store, "--models",
                               "cnn-audio,cnn-spec", "--quiet"], (1 << 30) + 8 * clip)
        if done.status != 0:
            row.loses(f"evaluate: {done.errors.strip()}")
        row.sees("it works")


def many_classes(bench, table):
    count = 300 if bench.quick else 2000
    with table.row(f"{count:,} classes of one clip each, and a width of 1/16") as row:
        source = bench.fresh("classes")
        rng = np.random.default_rng(3)
        for i in range(count):
            audio.write_wav(source / f"class-{i:04}" / "a.wav",
                            rng.integers(-9000, 9000, 2000).tolist())
        store, out = bench.fresh("classes-store"), bench.fresh("classes-run")
        row.tries()
        if prepared(bench, row, source, store, kProgram + (64 << 20)):
            stopped_train(bench, row, bench.train_command(out, data=store),
                          announced(bench, "--data", store, *bench.settings), out)
        row.sees("it works; a warning says that some folds validate without some classes")


def wide(bench, table):
    most = 2 if bench.quick else 4
    with table.row(f"networks of {most} times the width, and of 1/16") as row:
        for width, batch in ((most, 2), (1 / 16, 8)):
            words = ["--set", f"width.audio={width}", "--set", f"width.spec={width}",
                     "--set", f"batch={batch}"]
            out = bench.fresh("wide-run")
            plan = announced(bench, *bench.settings, *words)
            row.tries()
            stopped_train(bench, row, bench.train_command(out, *words), plan, out)
            row.figures[f"plan at width {width:g} (MB)"] = round(plan / 1e6)
        words = ["--set", "width.audio=4", "--set", "batch=512"]
        done = limited(bench, bench.train_command(bench.fresh("wide-run"), *words), kProgram)
        row.tries()
        bench.check_failure(row, done)
