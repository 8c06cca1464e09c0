"""What every case needs to know: where things are, how long it may take, what to report to."""
import dataclasses
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]  # of the checkout, or of the bundle


def program(folder, name, build):
    """A program of ours: in the build folder, or beside us in a bundle."""
    for base in (build, ROOT) if build else (ROOT / "build", ROOT):
        path = base / folder / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder}/{name} is not built: cmake --build build --target {name}")


@dataclasses.dataclass
class Context:
    build: pathlib.Path | None
    work: pathlib.Path      # scratch, removed at the end
    python: pathlib.Path | None  # interpreter of the rivals' environment
    missing: dict           # rival -> why it is not there
    device: str
    threads: int
    quick: bool
    only: list
    deadline: float         # time.monotonic() when the last case must have begun
    started: float = dataclasses.field(default_factory=time.monotonic)
    cases: dict = dataclasses.field(default_factory=dict)
    skipped: list = dataclasses.field(default_factory=list)
    kernels: dict | None = None

    def wanted(self, case):
        return not self.only or any(case == o or case.startswith(o + "/") or o.startswith(case + "/")
                                    for o in self.only)

    def in_time(self, case):
        """False, with a line in the report, when the time for this run is used up."""
        if time.monotonic() < self.deadline:
            return True
        self.skip(case, "no time was left")
        return False

    def skip(self, case, why):
        self.skipped.append({"case": case, "why": why})
        print(f"skipped {case}: {why}", file=sys.stderr, flush=True)

    def has(self, rival):
        return self.python is not None and rival not in self.missing

    def progress(self, case):
        start = self.started
        return lambda text: print(f"{time.monotonic() - start:6.0f} s  {case}: {text}",
                                  file=sys.stderr, flush=True)

    def program(self, folder, name):
        return program(folder, name, self.build)

    def ours(self, *arguments):
        """The command of our side: bench_worker."""
        return [self.program("benchmarks", "bench_worker"), "--quiet", *arguments]

    def rival(self, script, *arguments):
        return [self.python, ROOT / "benchmarks" / "rivals" / script, *arguments]

    def on_gpu(self):
        return self.device.startswith("cuda")
