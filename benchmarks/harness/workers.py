"""Processes that repeat one piece of work on command: bench_worker and the rivals."""
import dataclasses
import json
import os
import selectors
import subprocess
import tempfile
import time


class WorkerError(Exception):
    """A worker that did not start, died or did not answer; the text says which and why."""


@dataclasses.dataclass
class Side:
    """One way to do the work of a case."""
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)


class Worker:
    """A running side. `ready` is its first line."""

    def __init__(self, side, limit):
        self.side = side
        self.errors = tempfile.TemporaryFile("w+")
        try:
            self.process = subprocess.Popen(
                [str(word) for word in side.command], stdin=subprocess.PIPE, bufsize=0,
                stdout=subprocess.PIPE, stderr=self.errors, env={**os.environ, **side.environment})
        except OSError as error:
            raise WorkerError(f"{side.name}: {error}") from error
        self.unread = b""  # what came after the last answer
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        try:
            self.ready = self._answer(limit)
        except WorkerError:
            self.close()
            raise

    def run(self, repetitions, limit=600):
        return self._ask(f"run {repetitions}", limit)["seconds"]

    def peak_bytes(self):
        return self._ask("memory", 60)["peak_bytes"]

    def close(self):
        """Ends the input and, where that does not end the process, the process."""
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.selector.close()
        self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _ask(self, command, limit):
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except OSError:
            raise WorkerError(f"{self.side.name}: {self._last_words()}") from None
        return self._answer(limit)

    def _answer(self, limit):
        """The next line that is JSON; what is not is a library's chatter."""
        deadline = time.monotonic() + limit
        while True:
            line, end, rest = self.unread.partition(b"\n")
            if end:
                self.unread = rest
                if line.startswith(b"{"):
                    return json.loads(line)
                continue
            left = deadline - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                raise WorkerError(f"{self.side.name}: no answer in {limit:.0f} s")
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                self.process.wait()
                raise WorkerError(f"{self.side.name}: {self._last_words()}")
            self.unread += more

    def _last_words(self):
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        return lines[-1] if lines else f"ended with exit status {self.process.returncode}"
