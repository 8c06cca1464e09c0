"""Two writers, a reader beside a writer, locks that a killed process left."""

import time


def run(bench, table):
    tries = 2 if bench.quick else 15
    two(bench, table, "train on one run", tries, lambda: bench.fresh("run-shared"),
        lambda out: bench.train_command(out), lambda out: not (out / "run.json").exists(),
        lambda row, out: bench.same_run(out))
    two(bench, table, "prepare on one store", tries, lambda: bench.fresh("store-shared"),
        lambda out: bench.prepare_command(out, "--force"),
        lambda out: not list(out.glob("clips-*")),
        lambda row, out: bench.check_same_store(row, out))
    reader(bench, table, tries)
    stale(bench, table, tries)


def two(bench, table, what, tries, folder, command, waits, check):
    with table.row(f"two {what}") as row:
        for _ in range(tries):
            out = folder()
            first = bench.start(command(out))
            while waits(out) and first.poll() is None:
                time.sleep(0.002)
            done = bench.do(command(out))
            late = first.poll() is not None
            row.tries(not late)
            if not late or done.status != 0:
                bench.check_failure(row, done)
            if (ended := bench.end(first)).status != 0:
                row.loses(f"the first failed too: {ended.errors}")
            if why := check(row, out):
                row.loses(why)


def reader(bench, table, tries):
    with table.row("train reads a store that prepare --force replaces meanwhile") as row:
        store = bench.store
        for _ in range(tries):
            out = bench.fresh("run-reader")
            process = bench.start(bench.train_command(out))
            replaced = 0
            while process.poll() is None:
                done = bench.do(bench.prepare_command(store, "--force"))
                replaced += 1
                if done.status != 0:
                    row.loses(f"prepare failed: {done.errors}")
            done = bench.end(process)
            row.tries(replaced > 0)
            if done.status != 0:
                row.loses(f"the reader failed: {done.errors}")
            elif why := bench.same_run(out):
                row.loses(why)
        row.sees("nothing: the reader keeps what it has mapped")
    with table.row("inspect and evaluate of a run while train writes it") as row:
        for _ in range(tries):
            out = bench.fresh("run-watched")
            process = bench.start(bench.train_command(out))
            while process.poll() is None:
                for command in ([bench.evaluate_command(out)[0].parent / "inspect", out],
                                bench.evaluate_command(out)):
                    done = bench.do(command)
                    row.tries()
                    if done.status not in (0, 1):
                        row.loses(f"status {done.status}: {done.errors}")
                    elif done.status == 1:
                        bench.check_failure(row, done)
            bench.end(process)
            if why := bench.same_run(out):
                row.loses(why)


def stale(bench, table, tries):
    with table.row("a lock that a killed process left") as row:
        for _ in range(tries):
            out = bench.fresh("run-stale")
            process = bench.start(bench.train_command(out))
            while not (out / ".lock").exists() and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            bench.end(process)
            row.tries((out / ".lock").exists())
            bench.check_resumes(row, out)
        row.sees("nothing: the kernel frees the lock with the process")
