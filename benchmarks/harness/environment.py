"""The machine that the numbers are of."""
import datetime
import os
import pathlib
import platform
import subprocess
import sys

from harness.context import ROOT


def command_output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def first_line(path, key):
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return None


def describe(context, versions):
    record = ROOT / "build.json"  # of a bundle
    gpu = command_output("nvidia-smi", "--format=csv,noheader",
                         "--query-gpu=name,driver_version,clocks.sm,clocks.max.sm,power.limit")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": (command_output("git", "describe", "--always", "--dirty", "--abbrev=12")
                   or (record.read_text() if record.exists() else "unknown")),
        "device": context.device, "threads": context.threads, "quick": context.quick,
        "cpu": first_line("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
        "memory": first_line("/proc/meminfo", "MemTotal"), "gpu": gpu,
        "kernel": platform.release(), "system": first_line_of_os(),
        "python": sys.version.split()[0], "rivals": versions,
        "load_before": os.getloadavg(),
    }


def first_line_of_os():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def slug(environment):
    """Name of the device's folder under results/."""
    name = environment["gpu"].split(",")[0] if environment["device"] != "cpu" else environment["cpu"]
    words = "".join(c.lower() if c.isalnum() else " " for c in name or "unknown").split()
    words = [w for w in words if w not in ("r", "tm", "cpu", "processor")]
    return "-".join(words + ([f"{environment['threads']}-threads"]
                             if environment["device"] == "cpu" else []))
