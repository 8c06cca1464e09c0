#!/usr/bin/python3
"""resources.py BUILD TABLE [--write]: registers, shared memory and spills of every CUDA kernel.

The build keeps what ptxas reports beside each object. Checked: every kernel and architecture that
was built stands in TABLE, and spills no more bytes than it says there; registers and shared memory may
change. --write replaces TABLE's rows of the architectures that were built, and keeps the others of
kernels that still exist (`cmake --build build --target resources`).
exit status: 0 fine, 1 a kernel spills more or is missing, 2 the call was wrong
"""

import argparse
import csv
import re
import subprocess
import sys
from pathlib import Path

FIELDS = ("file", "kernel", "architecture", "registers", "shared_bytes", "spill_bytes")
KEY = FIELDS[:3]
ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def short(demangled):
    """Without namespaces, return type and parameters: assemble_wave, resize<PlacedColumns>."""
    name = re.sub(r"\(anonymous namespace\)::|earshot::cuda::|earshot::", "", demangled)
    name = name.removeprefix("void ")
    depth = 0
    for i, letter in enumerate(name):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:
            return name[:i]
    return name


def read_report(path):
    """Rows of one object; several kernels of one short name count as the worst of them."""
    found = []
    for line in path.read_text().splitlines():
        if match := ENTRY.search(line):
            found.append({"mangled": match[1], "architecture": match[2], "registers": 0,
                          "shared_bytes": 0, "spill_bytes": 0})
        elif found and (match := SPILLS.search(line)):
            found[-1]["spill_bytes"] = int(match[1]) + int(match[2])
        elif found and (match := USED.search(line)):
            found[-1]["registers"] = int(match[1])
            if shared := SHARED.search(line):
                found[-1]["shared_bytes"] = int(shared[1])
    names = subprocess.run(["c++filt"], input="\n".join(row["mangled"] for row in found), text=True,
                           capture_output=True, check=True).stdout.splitlines()
    file = path.name.removesuffix(".o.ptxas")
    return [{**row, "file": file, "kernel": short(name).replace("> >", ">>")}
            for row, name in zip(found, names)]


def read_build(folder):
    rows = {}
    for path in sorted(folder.rglob("*.cu.o.ptxas")):
        if not path.with_suffix("").exists():
            continue  # of an object that is gone
        for row in read_report(path):
            known = rows.setdefault(key_of(row), row)
            for field in FIELDS[3:]:
                known[field] = max(known[field], row[field])
    return rows


def key_of(row):
    return tuple(row[field] for field in KEY)


def read_table(path):
    with open(path, newline="") as file:
        return {key_of(row): {**row, **{field: int(row[field]) for field in FIELDS[3:]}}
                for row in csv.DictReader(file)}


def write_table(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def faults(built, table):
    for key, row in sorted(built.items()):
        what = "{0}: {1} on {2}".format(*key)
        if key not in table:
            yield f"{what} is not in the table"
        elif not row["spill_bytes"] <= table[key]["spill_bytes"]:
            yield (f"{what} spills {row['spill_bytes']} bytes, the table allows "
                   f"{table[key]['spill_bytes']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    built = read_build(options.build)
    if not built:
        print(f"resources: no report of ptxas in {options.build}; build earshot_kernels_cuda first",
              file=sys.stderr)
        return 2
    table = read_table(options.table) if options.table.exists() else {}
    if options.write:
        kernels = {key[:2] for key in built}
        architectures = {key[2] for key in built}
        kept = {key: row for key, row in table.items()
                if key[:2] in kernels and key[2] not in architectures}
        write_table(options.table, {**kept, **built})
        print(f"{options.table}: {len(kept)} rows kept, {len(built)} from this build")
        return 0
    found = list(faults(built, table))
    for fault in found:
        print(fault)
    spilling = sum(row["spill_bytes"] > 0 for row in built.values())
    print(f"{len(built)} kernels x architectures, {spilling} of them spill, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
