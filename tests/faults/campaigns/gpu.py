"""A GPU that is lost while train works, and one whose memory another program takes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaigns.signals import STOPPED

ON_GPU, ON_CPU = ("--device", "cuda"), ("--device", "cpu")


def run(bench, table):
    os.environ["EARSHOT_CACHE_DIR"] = str(bench.work / "plans")  # one choice of plans for all runs
    done = bench.do(bench.train_command(bench.work, *ON_GPU, "--dry-run"))
    if done.status != 0:
        table.skip("a lost GPU, and one without memory", done.errors.strip())
        return
    whole = bench.fresh("whole-gpu")
    seconds = bench.timed(bench.train_command(whole, *ON_GPU))
    trapped(bench, table, whole, seconds)
    crowded(bench, table, whole)


def check_goes_on(bench, row, out, whole, over_cpu):
    """On the GPU bit for bit; by way of the CPU to the end."""
    bench.check_whole_files(row, out)
    if not over_cpu:
        bench.check_resumes(row, out, *ON_GPU, whole=whole)
        return
    process = bench.start(bench.train_command(out, *ON_CPU))
    while not (out / ".lock").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(bench.draw.uniform(0, bench.train_seconds))
    process.send_signal(signal.SIGTERM)
    for done in (bench.end(process), bench.do(bench.train_command(out, *ON_GPU))):
        if done.status not in (0, STOPPED):
            row.loses(f"resume over the CPU failed: {done.errors.strip()}")
    bench.check_whole_files(row, out)


def check_struck(row):
    if not row.struck:
        row.loses("no try struck: the fault was not injected")


def trapped(bench, table, whole, seconds):
    shim = bench.o.build / "tests" / "faults" / "break_gpu.so"
    with table.row("a kernel traps at a random instant of train") as row:
        for i in range(4 if bench.quick else 40):
            out = bench.fresh("run-trapped")
            done = bench.do(bench.train_command(out, *ON_GPU), LD_PRELOAD=str(shim),
                            EARSHOT_TRAP_MS=str(int(1000 * bench.draw.uniform(0, seconds))))
            row.tries(done.status != 0)
            if done.status != 0:
                bench.check_failure(row, done)
            check_goes_on(bench, row, out, whole, over_cpu=i % 2 == 1)
        check_struck(row)


class OtherProgram:
    """Holds the GPU's memory while the block lasts."""

    def __enter__(self):
        program = Path(__file__).with_name("gpu_memory.py")
        self.process = subprocess.Popen([sys.executable, program], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.hears("ready")
        return self

    def hears(self, word):
        if self.process.stdout.readline().strip() != word:
            raise RuntimeError("the GPU's memory could not be taken")

    def take(self, leave):
        """All but so many megabytes."""
        self.process.stdin.write(f"{leave}\n")
        self.process.stdin.flush()
        self.hears("taken")

    def __exit__(self, *_):
        self.process.communicate()


def crowded(bench, table, whole):
    tries = 4 if bench.quick else 20
    with table.row("another program holds the GPU's memory before train starts") as row:
        for i in range(tries):
            out = bench.fresh("run-crowded")
            with OtherProgram() as other:
                other.take(leave=1024 * i // tries)  # less than a context takes, and more
                done = bench.do(bench.train_command(out, *ON_GPU))
            row.tries(done.status != 0)
            if done.status != 0:
                bench.check_failure(row, done)
                check_goes_on(bench, row, out, whole, over_cpu=i % 2 == 1)
        check_struck(row)
    with table.row("another program takes the GPU's memory while train works") as row:
        for i in range(tries):
            out = bench.fresh("run-crowded")
            with OtherProgram() as other:
                process = bench.start(bench.train_command(out, *ON_GPU))
                while not list(out.glob("fold-0/*/last.safetensors")) and process.poll() is None:
                    time.sleep(0.001)
                process.send_signal(signal.SIGSTOP)  # the networks are tiny: it would be done
                other.take(leave=0)
                process.send_signal(signal.SIGCONT)
                done = bench.end(process)
            row.tries(done.status != 0)
            if done.status != 0:
                bench.check_failure(row, done)
                check_goes_on(bench, row, out, whole, over_cpu=i % 2 == 1)
        check_struck(row)
