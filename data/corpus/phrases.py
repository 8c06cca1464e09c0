"""What is played on a sampled instrument: single notes, short phrases, chords, hits, effects."""

from typing import NamedTuple

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 12), (0, 3, 7, 12), (0, 5, 7), (0, 4, 7, 10))

VELOCITY = (52, 116)
CENTRE_KEY = 60  # effect presets are tuned for this key, whatever their root key says
LONGEST = 7500  # milliseconds of playing; the clip limit is 8 s


class Note(NamedTuple):
    start: int  # milliseconds from the start of the clip
    key: int
    velocity: int
    hold: int  # milliseconds


class Style(NamedTuple):
    phrase: float  # probability of a phrase of 3 to 8 notes (instruments)
    chord: float  # probability of a chord (plucked instruments)
    hold: tuple  # milliseconds a single note or effect is held
    tail: int  # milliseconds kept after the last note ends
    hits: tuple = (1, 1)  # repetitions (drums and effects)
    gap: tuple = (0, 0)  # milliseconds from one hit to the next
    spread: int = 0  # half-tones around CENTRE_KEY (effects)
    bend: int = 0  # largest pitch bend, in 1/8192 of two half-tones (drums and effects)


STYLES = {
    "sustained": Style(0.45, 0.0, (350, 3000), 900),
    "plucked": Style(0.30, 0.25, (350, 3000), 1800),
    "plucked_bass": Style(0.50, 0.0, (350, 2000), 1500),
    "struck": Style(0.45, 0.0, (350, 2000), 2000),
    "drum": Style(0, 0, (60, 250), 1500, hits=(1, 8), gap=(110, 480), bend=4500),
    "tambourine": Style(0, 0, (60, 250), 1200, hits=(1, 10), gap=(100, 420), bend=4500),
    "drum_chime": Style(0, 0, (600, 3000), 2000, hits=(1, 2), gap=(700, 1600), bend=4500),
    "applause": Style(0, 0, (1500, 6000), 1500, spread=3, bend=3000),
    "bark": Style(0, 0, (250, 700), 400, hits=(1, 5), gap=(300, 900), spread=3, bend=3000),
    "laughter": Style(0, 0, (700, 2600), 700, hits=(1, 2), gap=(900, 1600), spread=3, bend=3000),
    "shot": Style(0, 0, (300, 900), 1300, hits=(1, 4), gap=(220, 1100), spread=3, bend=3000),
    "burst": Style(0, 0, (350, 2200), 700, hits=(1, 2), gap=(700, 1500), spread=3, bend=3000),
    "telephone": Style(0, 0, (500, 3000), 500, hits=(1, 2), gap=(1200, 3200), spread=3, bend=3000),
    "chime": Style(0, 0, (800, 3500), 2000, spread=4, bend=3000),
    "creak": Style(0, 0, (500, 2500), 500, hits=(1, 2), gap=(900, 1500), spread=3, bend=3000),
}


class Part(NamedTuple):
    notes: list
    bend: int  # -8192..8191, held for the whole clip
    length: int  # milliseconds until the tail has to be over


def compose(style_name, keys, stream):
    """A part for one clip. `keys` are the keys that may be played (effects: ignored if spread)."""
    style = STYLES[style_name]
    bend = stream.integer(-style.bend, style.bend) if style.bend else 0
    if style.hits != (1, 1) or style.spread or style.bend:
        notes = _hits(style, keys, stream)
    else:
        kind = stream.unit()
        if kind < style.phrase:
            notes = _phrase(keys, stream)
        elif kind < style.phrase + style.chord:
            notes = _chord(style, keys, stream)
        else:
            notes = [Note(0, stream.choice(keys), _velocity(stream), _between(style.hold, stream))]
    return Part(notes, bend, max(n.start + n.hold for n in notes) + style.tail)


def _velocity(stream):
    return stream.integer(*VELOCITY)


def _between(limits, stream):
    return stream.integer(*limits)


def _phrase(keys, stream):
    """3 to 8 notes that walk up and down a scale, within the playable keys."""
    root, scale = stream.integer(0, 11), stream.choice(SCALES)
    ladder = [k for k in keys if (k - root) % 12 in scale]
    at = stream.integer(0, len(ladder) - 1)
    step, loud = stream.integer(140, 520), _velocity(stream)
    notes, now = [], 0
    for _ in range(stream.integer(3, 8)):
        beats = stream.choice((1, 1, 1, 2))
        velocity = min(127, max(30, loud + stream.integer(-12, 12)))
        notes.append(Note(now, ladder[at], velocity, int(step * beats * stream.uniform(0.6, 1.0))))
        now += step * beats
        at = min(len(ladder) - 1, max(0, at + stream.choice((-2, -1, -1, 1, 1, 2))))
    return notes


def _chord(style, keys, stream):
    """One or two strummed chords."""
    notes, now = [], 0
    for _ in range(stream.integer(1, 2)):
        shape = stream.choice(CHORDS)
        roots = [k for k in keys if all(k + d in keys for d in shape)]
        root, hold = stream.choice(roots), _between(style.hold, stream)
        strum = stream.integer(0, 35)
        velocity = _velocity(stream)
        for i, interval in enumerate(shape):
            notes.append(Note(now + i * strum, root + interval, velocity, hold))
        now += max(500, hold)
    return notes


def _hits(style, keys, stream):
    """One hit, or several in a loose rhythm; the effect or drum decays on its own."""
    count = 1 if stream.chance(0.4) else stream.integer(*style.hits)
    gap, loud = _between(style.gap, stream), _velocity(stream)
    key = CENTRE_KEY + stream.integer(-style.spread, style.spread) if style.spread else None
    notes, now = [], 0
    for _ in range(count):
        velocity = min(127, max(30, loud + stream.integer(-18, 12)))
        hold = _between(style.hold, stream)
        if now + hold > LONGEST:
            break
        notes.append(Note(now, stream.choice(keys) if key is None else key, velocity, hold))
        now += int(gap * stream.choice((1, 1, 1, 2)) * stream.uniform(0.92, 1.08))
    return notes
