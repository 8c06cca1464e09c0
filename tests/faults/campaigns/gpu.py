"""A GPU that is lost while train works, and one whose memory another program takes."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ON_GPU, ON_CPU = ("--device", "cuda"), ("--device", "cpu")


def run(bench, table):
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
    time.sleep(bench.draw.uniform(0, bench.train_seconds))
    process.send_signal(signal.SIGTERM)
    bench.end(process)
    done = bench.do(bench.train_command(out, *ON_GPU))
    if done.status != 0:
        row.loses(f"resume over the CPU failed: {done.errors.strip()}")
    bench.check_whole_files(row, out)


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


@contextmanager
def memory_taken(leave):
    """Megabytes that are left."""
    program = Path(__file__).with_name("gpu_memory.py")
    with subprocess.Popen([sys.executable, program, str(leave)], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        if process.stdout.readline().strip() != "taken":
            raise RuntimeError("the GPU's memory could not be taken")
        yield
        process.stdin.close()


def crowded(bench, table, whole):
    tries = 2 if bench.quick else 10
    with table.row("another program holds the GPU's memory before train starts") as row:
        for i in range(tries):
            out = bench.fresh("run-crowded")
            with memory_taken(leave=32 * i):
                done = bench.do(bench.train_command(out, *ON_GPU))
            row.tries(done.status != 0)
            if done.status != 0:
                bench.check_failure(row, done)
            check_goes_on(bench, row, out, whole, over_cpu=i % 2 == 1)
    with table.row("another program takes the GPU's memory while train works") as row:
        for i in range(tries):
            out = bench.fresh("run-crowded")
            process = bench.start(bench.train_command(out, *ON_GPU))
            while not list(out.glob("fold-0/*/last.safetensors")) and process.poll() is None:
                time.sleep(0.01)
            with memory_taken(leave=0):
                done = bench.end(process)
            row.tries(done.status != 0)
            if done.status != 0:
                bench.check_failure(row, done)
            check_goes_on(bench, row, out, whole, over_cpu=i % 2 == 1)
