"""Plays the planned clips: about 120 at a time in one MIDI file, because loading a bank is slow."""

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import rows
import midi
import oneshots
import phrases
import postprocess
from errors import CorpusError
from stream import Stream

CLIPS_PER_TASK = 120
LEAD = 20  # milliseconds between the cut of one clip and the first note of the next
GUARD = 30  # milliseconds at the end of a slot

FLUIDSYNTH = ("fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", "44100",
              "-f", os.devnull, "-o", "synth.cpu-cores=1", "-o", "synth.polyphony=256",
              "-o", "synth.midi-bank-select=gs", "-o", "synth.dynamic-sample-loading=1",
              "-T", "raw", "-O", "float")


def tasks(clips):
    """Groups the clips by package, in order; the grouping does not depend on the machine."""
    by_package = {}
    for clip in clips:
        kind = "files" if isinstance(clip.unit.row, rows.Recording) else "played"
        by_package.setdefault((kind, clip.unit.row.package), []).append(clip)
    return [(kind, package, part[i:i + CLIPS_PER_TASK])
            for (kind, package), part in by_package.items()
            for i in range(0, len(part), CLIPS_PER_TASK)]


def run(task, root, out, work, seed):
    """Writes the clips of one task below `out`; returns how many."""
    kind, _, clips = task
    if kind == "files":
        sounds = _from_files(clips, root, seed)
    else:
        sounds = _from_bank(clips, root, work, seed)
    for clip, x, stream in sounds:
        samples = postprocess.finish(x, stream)
        if samples is None:
            raise CorpusError(f"{clip.path}: silent ({clip.unit.source}); another version of it?")
        postprocess.write_wav(out / clip.path, samples)
    return len(clips)


def stream_of(clip, seed):
    return Stream(seed, clip.label, clip.unit.name, clip.index)


def _from_files(clips, root, seed):
    decoded = {}
    for clip in clips:
        row, stream = clip.unit.row, stream_of(clip, seed)
        for name in row.files:
            if name not in decoded:
                decoded[name] = oneshots.decode(root, name)
        yield clip, oneshots.make([decoded[n] for n in row.files], row.style, stream), stream


def _from_bank(clips, bank, work, seed):
    """Yields (clip, raw mono samples, stream). Each clip has a slot of its own in the MIDI file."""
    track, now, slots = midi.Track(), 0, []
    for clip in clips:
        stream = stream_of(clip, seed)
        part = phrases.compose(clip.unit.row.style, clip.unit.keys, stream)
        is_kit = isinstance(clip.unit.row, rows.Kit)
        channel = midi.DRUM_CHANNEL if is_kit else 0
        track.silence(now, midi.DRUM_CHANNEL)
        track.silence(now, 0)
        track.program(now + 1, channel, 0 if is_kit else clip.unit.row.bank, clip.unit.program)
        track.bend(now + 1, channel, midi.CENTRE_BEND + part.bend)
        for note in part.notes:
            track.note(now + LEAD + note.start, channel, note.key, note.velocity, note.hold)
        end = now + LEAD + part.length + GUARD
        slots.append((clip, stream, now + LEAD - 2, end - 2))
        now = end
    track.silence(now, midi.DRUM_CHANNEL)
    track.silence(now, 0)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        played = _play(bank, track.to_bytes(now + 100), Path(folder), now)
        for clip, stream, start, end in slots:
            at, to = (t * postprocess.RATE // 1000 for t in (start, end))
            yield clip, played[at:to].astype(np.float64).mean(axis=1), stream


def _play(bank, track, folder, length):
    """[frames, 2] float32 of at least `length` milliseconds, mapped from disk."""
    (folder / "in.mid").write_bytes(track)
    call = [*FLUIDSYNTH, "-F", str(folder / "out.raw"), str(bank), str(folder / "in.mid")]
    done = run_quietly(call)
    raw = folder / "out.raw"
    frames = raw.stat().st_size // 8 if raw.exists() else 0
    if done.returncode != 0 or frames < length * postprocess.RATE // 1000:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise CorpusError(f"fluidsynth could not play {bank} (exit status {done.returncode}; "
                          f"{words[-1] if words else 'no message'}; is the disk full?)")
    return np.memmap(raw, dtype="<f4", mode="r", shape=(frames, 2))


def run_quietly(call):
    return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False, env={**os.environ, "LC_ALL": "C"})
