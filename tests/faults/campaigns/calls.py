"""Programs under break_calls.so: a fault at the n-th call that changes a file."""

import signal


class Calls:
    def __init__(self, bench, command, folder):
        """`command` of a folder; `folder` makes a fresh one for each try."""
        self.bench, self.command, self.folder = bench, command, folder
        counter = bench.work / "calls"
        out = folder()
        done = bench.do(command(out), **self.environment("count", 0, out),
                        EARSHOT_FAULT_COUNT=str(counter))
        if done.status != 0:
            raise RuntimeError(done.errors)
        self.count = int(counter.read_text())

    def environment(self, kind, at, out):
        return {"LD_PRELOAD": str(self.bench.o.build / "tests/faults/break_calls.so"),
                "EARSHOT_FAULT": f"{kind}:{at}", "EARSHOT_FAULT_FOLDER": str(out)}

    def some(self, most):
        """Call numbers: all of them, or `most` drawn from them."""
        numbers = range(1, self.count + 1)
        return numbers if self.count <= most else sorted(self.bench.draw.sample(numbers, most))

    def strike(self, kind, at):
        """(outcome, folder) of one run with the fault."""
        out = self.folder()
        return self.bench.do(self.command(out), **self.environment(kind, at, out)), out

    @staticmethod
    def was_killed(done):
        return done.status == -signal.SIGKILL
