"""Makes the planned clips: about 120 in one MIDI file, because loading a bank is slow."""

import tempfile
from pathlib import Path

import numpy as np

import midi
import oneshots
import phrases
import players
import postprocess
import rows
from errors import CorpusError
from stream import Stream

CLIPS_PER_TASK = 120
LEAD = 20  # milliseconds between the cut of one clip and the first note of the next
GUARD = 30  # milliseconds at the end of a slot


def tasks(clips):
    """[(package, clips)], all of one kind of row; the same on every machine."""
    parts = {}
    for clip in clips:
        kind = "file" if isinstance(clip.unit.row, rows.Recording) else "played"
        parts.setdefault((kind, clip.unit.row.package), []).append(clip)
    return [(package, part[i:i + CLIPS_PER_TASK]) for (_, package), part in parts.items()
            for i in range(0, len(part), CLIPS_PER_TASK)]


def run(clips, root, out, work, seed):
    """Writes the clips of one task below `out`; returns how many."""
    is_file = isinstance(clips[0].unit.row, rows.Recording)
    sounds = from_files(clips, root, seed) if is_file else from_midi(clips, root, work, seed)
    for clip, x, stream in sounds:
        samples = postprocess.finish(x, stream)
        if samples is None:
            raise CorpusError(f"{clip.path}: silent ({clip.unit.source}); another version of it?")
        postprocess.write_wav(out / clip.path, samples)
    return len(clips)


def stream_of(clip, seed):
    return Stream(seed, clip.label, clip.unit.name, clip.index)


def from_files(clips, root, seed):
    """Yields (clip, raw mono samples, stream)."""
    decoded = {}
    for clip in clips:
        row, stream = clip.unit.row, stream_of(clip, seed)
        for name in row.files:
            if name not in decoded:
                decoded[name] = oneshots.decode(root, name)
        yield clip, oneshots.make([decoded[n] for n in row.files], row.style, stream), stream


def from_midi(clips, root, work, seed):
    """Yields (clip, raw mono samples, stream). Each clip has a slot of its own in the file."""
    track, slots, length = lay_out(clips, seed)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        if isinstance(clips[0].unit.row, rows.Patch):
            files = {c.unit.program: c.unit.row.patch for c in clips}
            played = players.play_patches(root, files, track, Path(folder))
        else:
            played = players.play_bank(root, track, Path(folder))
        if len(played) < length * postprocess.RATE // 1000:
            raise CorpusError(f"{root}: only {len(played)} samples were played; disk full?")
        for clip, stream, start, end in slots:
            at, to = (t * postprocess.RATE // 1000 for t in (start, end))
            yield clip, played[at:to].astype(np.float64).mean(axis=1), stream


def lay_out(clips, seed):
    """(MIDI file, [(clip, stream, start, end)], length); times in milliseconds."""
    track, now, slots = midi.Track(), 0, []
    for clip in clips:
        stream = stream_of(clip, seed)
        part = phrases.compose(clip.unit.row.style, clip.unit.keys, stream)
        is_kit = isinstance(clip.unit.row, rows.Kit)
        channel = midi.DRUM_CHANNEL if is_kit else 0
        bank = clip.unit.row.bank if isinstance(clip.unit.row, rows.Preset) else 0
        track.silence(now, midi.DRUM_CHANNEL)
        track.silence(now, 0)
        track.program(now + 1, channel, bank, clip.unit.program)
        track.bend(now + 1, channel, midi.CENTRE_BEND + part.bend)
        for note in part.notes:
            track.note(now + LEAD + note.start, channel, note.key, note.velocity, note.hold)
        end = now + LEAD + part.length + GUARD
        slots.append((clip, stream, now + LEAD - 2, end - 2))
        now = end
    track.silence(now, midi.DRUM_CHANNEL)
    track.silence(now, 0)
    return track.to_bytes(now + 100), slots, now
