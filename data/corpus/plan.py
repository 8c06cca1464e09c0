"""From the table to a list of clips: which source plays which clip, and how many of each."""

import re
from typing import NamedTuple

import classes
import phrases
import rows
from errors import CorpusError
from soundfont import SoundFont
from sources import PACKAGES, PROFILES

DRUM_BANK = 128  # where SoundFont keeps its drum kits


class Unit(NamedTuple):
    """One recording or instrument: clips made from it differ in notes, speed and level only."""
    name: str  # unique; begins the clips' file names
    group: str  # recording family: never on both sides of a fold
    source: str  # for the reader of the corpus' table
    license: str
    row: tuple  # of classes.TABLE
    keys: tuple  # MIDI keys that may be played
    program: int  # program or kit
    most: int  # clips at most


class Clip(NamedTuple):
    label: str
    split: str
    unit: Unit
    index: int  # among the clips of its unit

    @property
    def name(self):
        return f"{self.unit.name}-{self.index:02d}"

    @property
    def path(self):
        return f"audio/{self.split}/{self.label}/{self.name}.wav"


def clips(profile, roots):
    """All clips of a profile. `roots` maps a package to its bank, archive or folder on disk."""
    banks = {p: SoundFont(r) for p, r in roots.items() if r.suffix in (".sf2", ".sf3")}
    result = []
    for label, sources in classes.TABLE.items():
        sides = {s: _in_profile(getattr(sources, s), profile) for s in ("train", "test")}
        if not all(sides.values()):
            continue  # a class needs both sides; some have them in `full` only
        for split, table_rows in sides.items():
            packages = {}
            for row in table_rows:
                packages.setdefault(row.package, []).append(_units(row, split, banks))
            for unit, n in spread(getattr(classes.CLIPS, split), list(packages.values())):
                result += [Clip(label, split, unit, i) for i in range(n)]
    return result


def spread(total, tree):
    """Shares `total` over nested lists of units, evenly at every level: [(unit, count)]."""
    result = []
    for node, n in zip(tree, share(total, [_capacity(node) for node in tree])):
        result += spread(n, node) if isinstance(node, list) else [(node, n)]
    return result


def _capacity(node):
    return sum(map(_capacity, node)) if isinstance(node, list) else node.most


def share(total, limits):
    """Splits `total` as evenly as the limits allow; at equal counts the first gets one more."""
    counts = [0] * len(limits)
    for _ in range(min(total, sum(limits))):
        at = min((i for i, n in enumerate(counts) if n < limits[i]), key=lambda i: counts[i])
        counts[at] += 1
    return counts


def _in_profile(table_rows, profile):
    return [r for r in table_rows if r.package in PROFILES[profile]]


def _units(row, split, banks):
    recording_limit = getattr(classes.MOST_OF_A_RECORDING, split)
    if isinstance(row, rows.Preset):
        is_effect = phrases.STYLES[row.style].spread > 0
        limit = recording_limit if is_effect else getattr(classes.CLIPS, split)
        units = [_preset_unit(row, banks[row.package], row.most or limit)]
    elif isinstance(row, rows.Kit):
        units = _kit_units(row, banks[row.package], row.most or recording_limit)
    elif isinstance(row, rows.Patch):
        units = [_patch_unit(row, row.most or getattr(classes.CLIPS, split))]
    else:
        units = [_recording_unit(row, row.most or recording_limit)]
    if not units:
        raise CorpusError(f"{row.package}: no source found for {row}; another version of the bank?")
    return units


def _preset_unit(row, bank, most):
    if (row.bank, row.program) not in bank.presets:
        raise CorpusError(f"{row.package}: bank {row.bank} program {row.program} is missing")
    keys = [k for k in range(row.keys[0], row.keys[1] + 1)
            if _all_match(row.samples, bank.samples_at(row.bank, row.program, k))]
    if not keys:
        raise CorpusError(f"{row.package}: bank {row.bank} program {row.program} plays no sample "
                          f"named {row.samples}; another version of the bank?")
    package, title = PACKAGES[row.package], bank.presets[row.bank, row.program]
    where = f"GM {row.program}" if row.bank == 0 else f"bank {row.bank} program {row.program}"
    return Unit(f"{package.short}-b{row.bank}p{row.program}", f"{row.package}/{title}",
                f"{row.package}: {where} {title}", package.license, row, tuple(keys), row.program,
                most)


def _kit_units(row, bank, most):
    """One unit for every different set of samples; sets that share a sample share a group."""
    package, found = PACKAGES[row.package], {}
    for kit in sorted(p for b, p in bank.presets if b == DRUM_BANK and p not in row.skip):
        for key in row.keys:
            samples = tuple(bank.samples_at(DRUM_BANK, kit, key))
            if _all_match(row.samples, samples):
                found.setdefault(samples, (kit, key))
    family = families(found)
    return [Unit(f"{package.short}-k{kit}n{key}", f"{row.package}/{family[samples]}",
                 f"{row.package}: kit {kit} key {key} {' + '.join(samples)}", package.license, row,
                 (key,), kit, most)
            for samples, (kit, key) in found.items()]


def families(sets):
    """Maps each set of sample names to the name of its family: sets linked by common samples."""
    parent = {}

    def root(name):
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for names in sets:
        for name in names[1:]:
            a, b = sorted((root(names[0]), root(name)))
            parent[b] = a
    return {names: root(names[0]) for names in sets}


def _all_match(pattern, samples):
    return bool(samples) and all(re.search(pattern, s) for s in samples)


def _recording_unit(row, most):
    package = PACKAGES[row.package]
    names = row.files[0] if len(row.files) == 1 else f"{row.files[0]} and {len(row.files) - 1} more"
    slug = re.sub(r"[^a-z0-9]+", "_", row.family.lower()).strip("_")
    return Unit(f"{package.short}-{slug}", f"{row.package}/{row.family}",
                f"{row.package}: {row.family} ({names})", row.license or package.license, row, (),
                0, most)


def _patch_unit(row, most):
    package = PACKAGES[row.package]
    title = row.patch.split("/")[-1].removesuffix(".pat")
    program = int(title.split("_")[0])  # the files are named after it: 042_Cello.pat
    keys = tuple(range(row.keys[0], row.keys[1] + 1))
    return Unit(f"{package.short}-{title.lower()}", f"{row.package}/{title}",
                f"{row.package}: {row.patch}", package.license, row, keys, program, most)
