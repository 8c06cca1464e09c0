"""libFuzzer over every reader, with seeds from real files; the programs are those of preset fuzz."""

import os
import re
import subprocess


def run(options, table, work):
    table.begin("fuzz")
    programs = sorted(path for path in (options.fuzz_build / "tests/faults").glob("fuzz_*")
                      if os.access(path, os.X_OK) and path.is_file())
    if not programs:
        table.skip("all targets", f"nothing is built in {options.fuzz_build}: cmake --preset fuzz && "
                   "cmake --build build-fuzz --target fuzzers")
    for program in programs:
        with table.row(f"{program.name.removeprefix('fuzz_')}, {options.fuzz} s") as row:
            corpus = work / program.name
            corpus.mkdir()
            subprocess.run([program, "--seeds", corpus], check=True)
            done = subprocess.run(
                [program, corpus, f"-max_total_time={options.fuzz}", f"-seed={options.seed}",
                 "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={work}/",
                 "-print_final_stats=1"], capture_output=True, text=True, errors="replace")
            runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
            row.tried = row.struck = int(runs[1]) if runs else 0
            coverage = re.findall(r"cov: (\d+)", done.stderr)
            if coverage:
                row.figures["edges"] = int(coverage[-1])
            if done.returncode != 0:
                row.loses(done.stderr[-1500:])
                for found in work.glob("*-*"):
                    if found.is_file():
                        kept = options.fuzz_build / f"{program.name}-{found.name}"
                        kept.write_bytes(found.read_bytes())
                        print(f"kept: {kept}")
