"""SIGKILL at random instants and at every write, of prepare, train, evaluate and reproduce.

At random instants by the clock; and, because what is written takes little of the time, also at the
n-th call that changes a file (write, fsync, rename, truncate), for n drawn from all of them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaigns.calls import Calls


def run(bench, table):
    kills = bench.o.kills
    share = {"prepare": kills // 8, "train": kills // 2, "evaluate": kills // 8}
    clock(bench, table, share)
    in_writes(bench, table, {name: max(2, count // 2) for name, count in share.items()})
    reproduce(bench, table, max(1, kills // 20))


def programs(bench):
    """name: (command of a folder, a fresh folder, its seconds)."""
    return {"prepare": (bench.prepare_command, lambda: bench.fresh("store-killed"),
                        bench.prepare_seconds),
            "train": (bench.train_command, lambda: bench.fresh("run-killed"),
                      bench.train_seconds),
            "evaluate": (bench.evaluate_command, lambda: bench.copy_of_whole("run-scored"),
                         bench.evaluate_seconds)}


def clock(bench, table, share):
    for name, (command, folder, seconds) in programs(bench).items():
        with table.row(f"SIGKILL of {name} at a random instant") as row:
            while row.struck < share[name] and row.tried < 3 * share[name]:
                out = folder()
                row.tries(bench.killed(command(out), bench.draw.uniform(0, seconds)))
                bench.check_recovers(row, name, out)
            row.sees("the same call goes on (train: with --resume)")


def in_writes(bench, table, share):
    for name, (command, folder, _) in programs(bench).items():
        with table.row(f"SIGKILL of {name} at its n-th write, fsync, rename or truncate") as row:
            calls = Calls(bench, command, folder)
            for at in calls.some(share[name]):
                done, out = calls.strike("kill", at)
                row.tries(Calls.was_killed(done))
                bench.check_recovers(row, name, out)
            row.figures["calls in a whole run"] = calls.count
            row.sees("the same call goes on (train: with --resume)")


def reproduce(bench, table, count):
    with table.row("SIGKILL of reproduce with its child at a random instant") as row:
        words = [word for key in ("cnn-audio", "cnn-spec", "cnn-comb")
                 for word in ("--set", f"{key}.epochs=1")]
        for key, value in {"width.audio": 0.0625, "width.spec": 0.0625, "batch": 8,
                           "head.layers": "[8]", "checkpoint_seconds": 0,
                           "scoring.step": 40960}.items():
            words += ["--set", f"{key}={value}"]

        def command(out):
            return [sys.executable, Path(os.environ["EARSHOT_SOURCE"]) / "tools/reproduce",
                    "--data", bench.store, "--out", out, "--programs", os.environ["EARSHOT_TOOLS"],
                    "--seconds", "1", "--folds", "2", "--fold", "0", *words]
        whole = bench.fresh("reproduce-whole")
        seconds = bench.timed(command(whole))
        units = {path.relative_to(whole): path.read_bytes()
                 for path in whole.rglob("*.safetensors") if "units" in path.parts}
        while row.struck < count and row.tried < 3 * count:
            out = bench.fresh("reproduce-killed")
            process = subprocess.Popen([str(word) for word in command(out)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)
            time.sleep(bench.draw.uniform(0, seconds))
            if struck := process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            row.tries(struck)
            done = bench.do(command(out))
            if done.status != 0:
                row.loses(f"reproduce again failed: {done.errors}")
            for name, content in units.items():
                if not (out / name).exists() or (out / name).read_bytes() != content:
                    row.loses(f"{name} differs")
        row.sees("the same call goes on")
        shutil.rmtree(whole)
