"""Train, disturb, resume, evaluate, again and again, beside one long training that is watched."""

import signal
import time

from campaigns.calls import Calls

SETTLE = 0.2  # the share of the time before memory counts: caches fill first


def run(bench, table):
    with table.row("train, random fault, resume, evaluate: in turns") as row:
        watched = Watched(bench)
        calls = Calls(bench, bench.train_command, lambda: bench.fresh("run-soak"))
        end = time.monotonic() + 60 * bench.o.minutes
        kinds = {}
        while time.monotonic() < end:
            kind = bench.draw.choice(["kill", "term", "usr1", "eio", "enospc", "kill-write"])
            out = bench.fresh("run-soak")
            for _ in range(bench.draw.randint(1, 3)):
                disturb(bench, calls, out, kind)
                row.tries()
                watched.sample()
            kinds[kind] = kinds.get(kind, 0) + 1
            bench.check_whole_files(row, out)
            bench.check_resumes(row, out)
            bench.check_scores(row, out)
            watched.sample()
        row.figures.update(watched.finish(row), cycles=sum(kinds.values()))
        row.sees("the same call with --resume goes on")


def disturb(bench, calls, out, kind):
    command = bench.train_command(out)
    if kind in ("eio", "enospc", "kill-write"):
        at = bench.draw.randint(1, calls.count)
        bench.do(command, **calls.environment(kind.removesuffix("-write").replace("kill-", ""), at,
                                              out))
        return
    process = bench.start(command)
    time.sleep(bench.draw.uniform(0, bench.train_seconds))
    process.send_signal({"kill": signal.SIGKILL, "term": signal.SIGTERM,
                         "usr1": signal.SIGUSR1}[kind])
    bench.end(process)


def slope(points):
    """Least squares, per second."""
    n = len(points)
    mean_t = sum(t for t, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    return sum((t - mean_t) * (y - mean_y) for t, y in points) / spread if spread else 0.0


class Watched:
    """One training that goes on all the time: its memory and its open files."""

    def __init__(self, bench):
        self.bench, self.out = bench, bench.fresh("run-long")
        self.process = bench.start(bench.train_command(
            self.out, "--set", "cnn-audio.epochs=100000", "--set", "cnn-audio.patience=100000",
            "--set", "checkpoint_seconds=1"))
        self.began, self.points = time.monotonic(), []

    def sample(self):
        try:
            with open(f"/proc/{self.process.pid}/status") as file:
                rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
            files = len(list(self.folder().iterdir()))
        except (OSError, StopIteration):
            return
        self.points.append((time.monotonic() - self.began, rss, files))

    def folder(self):
        return self.bench.work.__class__(f"/proc/{self.process.pid}/fd")

    def finish(self, row):
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGTERM)
        done = self.bench.end(self.process)
        if not alive or done.status != 75:
            row.loses(f"the long training ended: {done.errors}")
            return {}
        last = self.points[-1][0]
        kept = [point for point in self.points if point[0] >= SETTLE * last]
        files = [point[2] for point in kept]
        growth = slope([(t, rss) for t, rss, _ in kept]) * 60
        if max(files) > min(files) + 2:  # a checkpoint being written, its folder being synced
            row.loses(f"open files grew from {min(files)} to {max(files)}")
        if last > 600 and growth > 20:
            row.loses(f"memory grew by {growth:.1f} kB a minute")
        return {"memory slope (kB/min)": round(growth, 2),
                "memory (MB)": round(kept[-1][1] / 1024, 1),
                "open files": f"{min(files)} to {max(files)}", "minutes": round(last / 60, 1)}
