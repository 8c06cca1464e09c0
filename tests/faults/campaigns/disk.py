"""Full disks, read-only and vanished folders, writes that fail or are cut short."""

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from campaigns.calls import Calls


class NoMount(Exception):
    pass


@contextmanager
def small_disk(bench, kilobytes):
    folder = Path(tempfile.mkdtemp(prefix="disk-", dir=bench.work))
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise NoMount(made.stderr.strip() or "no right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def run(bench, table):
    calls_fail(bench, table)
    vanished(bench, table)
    try:
        full(bench, table)
        read_only(bench, table)
    except NoMount as why:
        table.skip("full and read-only disk", str(why))


def calls_fail(bench, table):
    many = 4 if bench.quick else 60
    targets = {"prepare": (bench.prepare_command, lambda: bench.fresh("store-faulty")),
               "train": (bench.train_command, lambda: bench.fresh("run-faulty")),
               "evaluate": (bench.evaluate_command, lambda: bench.copy_of_whole("run-scored"))}
    words = {"eio": "EIO from the n-th write, fsync, rename or truncate",
             "enospc": "a disk that is full from the n-th call on",
             "short": "the n-th write takes half of its bytes"}
    for name, (command, folder) in targets.items():
        calls = Calls(bench, command, folder)
        for kind, what in words.items():
            with table.row(f"{name}: {what}") as row:
                for at in calls.some(many if name == "train" else max(3, many // 4)):
                    done, out = calls.strike(kind, at)
                    row.tries()
                    if kind == "short":
                        if done.status != 0:
                            row.loses(f"a short write ended it: {done.errors.strip()}")
                        row.sees("nothing: the rest is written after it")
                    else:
                        bench.check_failure(row, done)
                    bench.check_recovers(row, name, out)


def vanished(bench, table):
    tries = 2 if bench.quick else 10
    with table.row("the run's folder is removed while train writes to it") as row:
        for _ in range(tries):
            out = bench.fresh("run-removed")
            process = bench.start(bench.train_command(out, "--set", "cnn-audio.epochs=1000"))
            while not list(out.glob("fold-0/*/last.safetensors")) and process.poll() is None:
                time.sleep(0.01)
            shutil.rmtree(out, ignore_errors=True)
            bench.check_failure(row, bench.end(process))
            row.tries()
            shutil.rmtree(out, ignore_errors=True)
            bench.check_resumes(row, out)
    with table.row("the store is removed while train reads it") as row:
        for _ in range(tries):
            moved, out = bench.work / "store-away", bench.fresh("run-orphan")
            process = bench.start(bench.train_command(out))
            while not list(out.glob("fold-0")) and process.poll() is None:
                time.sleep(0.01)
            bench.store.rename(moved)
            done = bench.end(process)
            moved.rename(bench.store)
            row.tries()
            if done.status != 0:
                row.loses(f"a mapped store need not have a name: {done.errors}")
            elif why := bench.same_run(out):
                row.loses(why)
        row.sees("nothing: what is mapped stays")


def full(bench, table):
    """A tmpfs that fills while a program writes, and has room again later."""
    targets = {"train": (bench.train_command, bench.whole),
               "prepare": (bench.prepare_command, bench.store)}
    for name, (command, whole) in targets.items():
        size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file()) // 1024
        with table.row(f"a tmpfs fills up under {name}, then grows") as row:
            for _ in range(3 if bench.quick else 20):
                with small_disk(bench, int(size * bench.draw.uniform(0.1, 0.95))) as disk:
                    done = bench.do(command(disk / "out"))
                    row.tries(done.status != 0)
                    if done.status != 0:
                        bench.check_failure(row, done)
                    remount(disk, "size=100m")
                    bench.check_recovers(row, name, disk / "out")


def read_only(bench, table):
    with table.row("train, prepare and evaluate into a read-only disk") as row:
        with small_disk(bench, 100 * 1024) as disk:
            shutil.copytree(bench.whole, disk / "run")
            remount(disk, "ro")
            for command in (bench.train_command(disk / "new"), bench.train_command(disk / "run"),
                            bench.prepare_command(disk / "store"),
                            bench.evaluate_command(disk / "run")):
                bench.check_failure(row, bench.do(command))
                row.tries()
            if why := bench.same_run(disk / "run"):
                row.loses(why)
