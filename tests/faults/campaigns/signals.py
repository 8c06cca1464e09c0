"""SIGTERM, SIGINT and SIGUSR1 to train: a checkpoint within 5 seconds, exit status 75."""

import signal
import time

STOPPED = 75
MOST_SECONDS = 5.0


def run(bench, table):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        with table.row(f"{number.name} to train at a random instant") as row:
            slowest = 0.0
            for _ in range(3 if bench.quick else 20):
                out = bench.fresh("run-asked")
                process = bench.start(bench.train_command(out))
                # Before main() has begun there is no handler.
                while not (out / ".lock").exists() and process.poll() is None:
                    time.sleep(0.005)
                time.sleep(bench.draw.uniform(0, bench.train_seconds))
                asked = time.monotonic()
                process.send_signal(number)
                done = bench.end(process)
                row.tries(done.status != 0)
                if done.status == 0:
                    continue
                slowest = max(slowest, time.monotonic() - asked)
                if slowest > MOST_SECONDS:
                    row.loses(f"took {slowest:.1f} s")
                bench.check_failure(row, done, statuses=(STOPPED,))
                bench.check_whole_files(row, out)
                bench.check_resumes(row, out)
            row.figures["slowest stop (s)"] = round(slowest, 2)
