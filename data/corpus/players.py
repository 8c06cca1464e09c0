"""Plays a MIDI file offline: fluidsynth for SoundFont banks, timidity for freepats."""

import os
import subprocess
import sys

import numpy as np

from errors import CorpusError
from postprocess import RATE

FLUIDSYNTH = ("fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE),
              "-f", os.devnull, "-o", "synth.cpu-cores=1", "-o", "synth.polyphony=256",
              "-o", "synth.midi-bank-select=gs", "-o", "synth.dynamic-sample-loading=1",
              "-T", "raw", "-O", "float")

# 24 bit, because the level of a clip is raised afterwards.
TIMIDITY = ("timidity", "--config-file=timidity.cfg", "--preserve-silence", "--output-24bit",
            "--output-mono", "-EFreverb=d,chorus=d,delay=d,ns=0", "-s", str(RATE), "-A", "60",
            "-p", "256", "--no-polyphony-reduction", "--quiet=2", "-Or2slM")


def play_bank(bank, track, folder):
    """[frames, 2] float32, mapped from a file in `folder`; no reverb, no chorus."""
    (folder / "in.mid").write_bytes(track)
    raw = folder / "out.raw"
    done = run_quietly([*FLUIDSYNTH, "-F", str(raw), str(bank), str(folder / "in.mid")])
    frames = _frames(raw, 8, done, f"fluidsynth could not play {bank}")
    kind = "<f4" if sys.byteorder == "little" else ">f4"
    return np.memmap(raw, dtype=kind, mode="r", shape=(frames, 2))


def play_patches(root, files, track, folder):
    """[frames, 1] float32. `files` maps a GM program to a patch file below `root`."""
    (folder / "in.mid").write_bytes(track)
    (folder / "patches").symlink_to(root)
    config = ["bank 0", *(f"{program} patches/{name}" for program, name in sorted(files.items()))]
    (folder / "timidity.cfg").write_text("\n".join(config) + "\n")
    raw = folder / "out.raw"
    # HOME: timidity reads a .timidity.cfg there.
    done = run_quietly([*TIMIDITY, "-o", "out.raw", "in.mid"], cwd=folder, HOME=str(folder))
    frames = _frames(raw, 3, done, f"timidity could not play the patches of {root}")
    octets = np.fromfile(raw, dtype=np.uint8, count=3 * frames).reshape(-1, 3).astype(np.int32)
    value = octets[:, 0] << 8 | octets[:, 1] << 16 | octets[:, 2] << 24  # sign in the top bit
    return (value.astype(np.float32) / np.float32(2.0**31)).reshape(-1, 1)


def run_quietly(call, cwd=None, **environment):
    return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False, cwd=cwd,
                          env={**os.environ, "LC_ALL": "C", **environment})


def _frames(raw, size, done, complaint):
    frames = raw.stat().st_size // size if raw.exists() else 0
    if done.returncode != 0 or frames == 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise CorpusError(f"{complaint} (exit status {done.returncode}; "
                          f"{words[-1] if words else 'no message'}; is the disk full?)")
    return frames
