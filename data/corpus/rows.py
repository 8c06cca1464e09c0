"""The kinds of rows in the table of classes, and short ways to write many of them."""

from typing import NamedTuple, Optional

FLUID = "fluidr3mono-gm-soundfont"
GENERALUSER = "minuet-data"
FLUID_GS = "fluid-soundfont-gs"
CSOUND = "csound-soundfont"
FREEPATS = "freepats"


class Preset(NamedTuple):
    """An instrument or effect of a SoundFont bank; `keys` is lowest to highest, MIDI numbers."""
    package: str
    bank: int
    program: int
    keys: tuple
    style: str  # phrases.STYLES
    samples: str  # pattern that the name of every sample behind a key must match
    most: Optional[int] = None  # clips at most


class Kit(NamedTuple):
    """The drums at `keys` in all kits of a bank: every different set of samples is a source."""
    package: str
    keys: tuple
    style: str
    samples: str
    skip: tuple = ()  # kits left out
    most: Optional[int] = None


class Patch(NamedTuple):
    """An instrument of freepats, played by timidity."""
    package: str
    patch: str  # file name below the package's root
    keys: tuple
    style: str  # phrases.STYLES
    most: Optional[int] = None


class Recording(NamedTuple):
    """Recorded one-shots of one family: velocity layers, or cuts of one recording."""
    package: str
    family: str
    files: tuple  # below the package's root, or entries of its archive
    style: str  # oneshots.STYLES
    license: Optional[str] = None  # where it is not the package's
    most: Optional[int] = None


class Sources(NamedTuple):
    train: list
    test: list


def gm(program, keys, style, samples, packages=(FLUID, GENERALUSER), most=None):
    return [Preset(p, 0, program, keys, style, samples, most) for p in packages]


def effect(bank, program, style, samples, packages):
    return [Preset(p, bank, program, (60, 60), style, samples) for p in packages]


def kits(keys, style, samples, packages=(FLUID, GENERALUSER), skip=()):
    return [Kit(p, keys, style, samples, skip) for p in packages]


def patches(keys_of_file, style, most=None):
    return [Patch(FREEPATS, f"Tone_000/{name}.pat", keys, style, most)
            for name, keys in keys_of_file.items()]


def each(package, names, form, style, **options):
    """A family of its own for every name; `form` turns the name into its file."""
    return [Recording(package, name, (form.format(name),), style, **options) for name in names]


def family(package, name, names, form, style, **options):
    return [Recording(package, name, tuple(form.format(n) for n in names), style, **options)]


def instrument(keys_of_program, style, samples, test_keys=None, freepats=None):
    """The same programs and key ranges on both sides; `test_keys` replaces them for csound."""
    def over(programs, packages):
        return [s for p, keys in programs.items() for s in gm(p, keys, style, samples, packages)]
    return Sources(over(keys_of_program, (FLUID, GENERALUSER)) + patches(freepats or {}, style),
                   over(test_keys or keys_of_program, (CSOUND,)))


def drum(keys, style, samples, train=(), freepats=(), skip=(), test_skip=()):
    """`train` are rows beside the banks' kits; the kits `skip` are left out on the training side,
    `test_skip` on the test side."""
    return Sources(kits(keys, style, samples, skip=skip) + list(train),
                   kits(keys, style, samples, (CSOUND,), test_skip)
                   + each(FREEPATS, freepats, "Drum_000/{}.pat", "drum"))
