"""The corpus' own tables and its identity: corpus.csv, sources.csv, corpus.json."""

import csv
import hashlib
import json
import platform
import subprocess
from pathlib import Path

import numpy
import soundfile

from packages import sha256_of
from sources import PACKAGES

BUILDER = "earshot data/corpus"
COLUMNS = ("path", "label", "split", "group", "source", "license")


def tool_versions():
    done = subprocess.run(["fluidsynth", "--version"], capture_output=True, text=True, check=False)
    first = (done.stdout or done.stderr).strip().splitlines()[:1]
    return {"fluidsynth": first[0] if first else "unknown", "numpy": numpy.__version__,
            "libsndfile": soundfile.__libsndfile_version__, "machine": platform.machine()}


def fingerprint(profile, seed, debs):
    """Equal fingerprints, equal corpora: the recipe, its code, its packages and its tools."""
    here = Path(__file__).resolve().parent
    code = {p.name: sha256_of(p) for p in [here / "build", *sorted(here.glob("*.py"))]}
    parts = {"profile": profile, "seed": seed, "code": code, "tools": tool_versions(),
             "packages": {d.package: d.sha256 for d in debs}}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_identity(folder):
    """What corpus.json says, or None if the folder is no corpus of this builder."""
    try:
        identity = json.loads((folder / "corpus.json").read_text())
    except (OSError, ValueError):
        return None
    return identity if isinstance(identity, dict) and identity.get("builder") == BUILDER else None


def write_identity(folder, **entries):
    text = json.dumps({"builder": BUILDER, **entries}, indent=2, sort_keys=True)
    (folder / "corpus.json").write_text(text + "\n")


def write_clips(folder, clips):
    with open(folder / "corpus.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(COLUMNS)
        for clip in sorted(clips, key=lambda c: c.path):
            unit = clip.unit
            writer.writerow((clip.path, clip.label, clip.split, unit.group, unit.source,
                             unit.license))


def write_sources(folder, debs, clips):
    columns = ("package", "version", "sha256", "license", "train_clips", "test_clips", "classes",
               "remark")
    with open(folder / "sources.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(columns)
        for deb in debs:
            mine = [c for c in clips if c.unit.row.package == deb.package]
            licenses = sorted({c.unit.license for c in mine}) or [PACKAGES[deb.package].license]
            count = {s: sum(c.split == s for c in mine) for s in ("train", "test")}
            labels = {}
            for c in mine:
                labels[c.label] = labels.get(c.label, 0) + 1
            writer.writerow((deb.package, deb.version, deb.sha256, "; ".join(licenses),
                             count["train"], count["test"],
                             "; ".join(f"{k} {n}" for k, n in sorted(labels.items())),
                             PACKAGES[deb.package].remark))


def read_clips(folder):
    with open(folder / "corpus.csv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def content_sha256(folder):
    """One digest over path and bytes of every file but corpus.json."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "corpus.json"):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
