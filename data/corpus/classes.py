"""Classes and sources: the recipe as a table that a reader can check.

Names of the FSDKaggle2018 classes. Training and test sources are disjoint: other instruments,
rooms, people. The rules behind it:
- FluidR3 in all its versions is one family; it and the GeneralUser bank are training sources, the
  csound bank is a test source. Where the two sides share a recording, one side does without:
  csound's lowest cello and electric piano notes and its brush snare, GeneralUser's oboe, tenor
  saxophone, dog, laughter and creaking door, the cowbells of the TR-808 (kit 25) in both, freepats'
  soprano saxophone, E.Piano 2, cowbell and flute above key 93; ufoai's rifle and shotgunmini are
  cut from sounds of the other side.
- The pattern after a style is the name every sample behind a key must have: keys that play
  anything else are left out (orchestra kits put timpani on hi-hat keys).
- Not found good enough on both sides: Burping_or_eructation, Drawer_open_or_close, Fart,
  Fireworks, Gong, Keys_jangling, Knock, Microwave_oven, Scissors, Tearing, Writing.
"""

from rows import (CSOUND, FLUID, FLUID_GS, FREEPATS, GENERALUSER, Sources, drum, each, effect,
                  family, gm, instrument, kits, patches)

CLIPS = Sources(45, 20)  # a class, spread evenly over its packages, and over the rows of each
MOST_OF_A_RECORDING = Sources(20, 14)  # clips made from one drum, effect or family of one-shots

FREEDESKTOP = "sound-theme-freedesktop"
MINETEST = "minetest-data"
HYDROGEN = "hydrogen-data"
SONIC_PI = "sonic-pi-samples"
UFOAI = "ufoai-sound"
FREEDM = "freedm"
OPENSFX = "openttd-opensfx"
SCRATCH = "scratch"

_LAYERS = ("Soft", "Softest", "Med", "Hard", "Hardest")
_ROCK = "GMRockKit/{}.wav"
_808 = "TR808EmulationKit/808_{}.flac"
_FLAC = "{}.flac"
_SHOT = "sound/weapons/bullet-{}.ogg"
_BREAK = "sound/misc/breakglass{}.ogg"
_GLASS = "default/sounds/default_break_glass.{}.ogg"
_BUCKLE = [f"{key:02x}-{up}" for key in range(0x02, 0x36) for up in (0, 1)]
_SAX = {64: (56, 84), 65: (49, 78), 66: (44, 73), 67: (37, 66)}


def _rock(drum_name, *parts):
    return family(HYDROGEN, f"GMRockKit {drum_name}", [f"{p}-{v}" for p in parts for v in _LAYERS],
                  _ROCK, "drum")


def _tr808(drum_name, *files):
    return family(HYDROGEN, f"TR808 {drum_name}", files, _808, "drum")


_KICKS = (_rock("kick", "Kick") + _tr808("kick", "Kick_Long", "Kick_Short")
          + each(SONIC_PI, ("bd_808", "bd_ada", "bd_boom", "bd_fat", "bd_gas", "bd_haus", "bd_klub",
                            "bd_mehackit", "bd_pure", "bd_sone", "bd_tek", "bd_zome", "bd_zum",
                            "drum_heavy_kick"), _FLAC, "drum")
          + family(SONIC_PI, "drum_bass", ("drum_bass_hard", "drum_bass_soft"), _FLAC, "drum"))
_SNARES = (_rock("snare", "Snare") + _tr808("snare", "Snare_1", "Snare_2")
           + each(SONIC_PI, ("sn_dolf", "sn_dub", "sn_generic", "sn_zome"), _FLAC, "drum")
           + family(SONIC_PI, "drum_snare", ("drum_snare_hard", "drum_snare_soft"), _FLAC, "drum"))
_HATS = (_rock("hat", "HatClosed", "HatOpen", "HatPedal", "HatSemiOpen")
         + _tr808("hat", "Hat_Closed", "Hat_Open", "Hat_Pedal")
         + each(SONIC_PI, ("drum_cymbal_closed", "drum_cymbal_pedal"), _FLAC, "drum"))
_COWBELLS = (_rock("cowbell", "Cowbell") + _tr808("cowbell", "Cowbell")
             + each(SONIC_PI, ("drum_cowbell",), _FLAC, "drum"))

TABLE = {
    "Acoustic_guitar": instrument(
        {24: (40, 76), 25: (40, 76)}, "plucked", "Nylon|Steel|N Guitar",
        freepats={"024_Nylon_Guitar": (40, 76), "025_Steel_Guitar": (40, 76)}),
    "Cello": instrument({42: (36, 72)}, "sustained", "Cello", {42: (45, 72)},
                        freepats={"042_Cello": (36, 72)}),
    "Clarinet": instrument({71: (50, 86)}, "sustained", "Clar",
                           freepats={"071_Clarinet": (50, 86)}),
    "Double_bass": Sources(
        gm(32, (28, 55), "plucked_bass", "Acoustic Bass") + gm(43, (28, 55), "sustained", "Bass")
        + patches({"032_Acoustic_Bass": (28, 55)}, "plucked_bass"),
        gm(32, (28, 55), "plucked_bass", "Acoustic Bass", (CSOUND,))
        + gm(43, (28, 55), "sustained", "Contra Bass", (CSOUND,))),
    "Electric_piano": instrument({4: (36, 84), 5: (36, 84)}, "plucked", "",
                                 {4: (42, 84), 5: (36, 84)},
                                 freepats={"004_Electric_Piano_1_Rhodes": (36, 84)}),
    "Flute": instrument({73: (60, 93)}, "sustained", "Flute", freepats={"073_Flute": (60, 93)}),
    "Glockenspiel": instrument({9: (72, 100)}, "struck", "Glocken",
                               freepats={"009_Glockenspiel": (72, 100)}),
    "Harmonica": instrument({22: (55, 84)}, "sustained", "(?i)harm"),
    "Oboe": Sources(gm(68, (58, 88), "sustained", "Oboe", (FLUID,))
                    + patches({"068_Oboe": (58, 88)}, "sustained"),
                    gm(68, (58, 88), "sustained", "Oboe", (CSOUND,))),
    "Saxophone": Sources(
        [row for p, keys in _SAX.items()
         for row in gm(p, keys, "sustained", "Sax|Soprano|Alto|Tenor|Baritone",
                       (FLUID,) if p == 66 else (FLUID, GENERALUSER))]
        + patches({"065_Alto_Sax": _SAX[65], "066_Tenor_Sax": _SAX[66],
                   "067_Baritone_Sax": _SAX[67]}, "sustained"),
        [row for p, keys in _SAX.items()
         for row in gm(p, keys, "sustained", "Sax|Soprano|Baritone", (CSOUND,))]),
    # The trumpet of freepats is a flugelhorn.
    "Trumpet": instrument({56: (53, 82), 59: (55, 79)}, "sustained", "(?i)trumpet|tp_|Mute",
                          freepats={"059_Muted_Trumpet": (55, 79)}),
    "Violin_or_fiddle": instrument({40: (55, 91)}, "sustained", "Violin|Vln",
                                   freepats={"040_Violin": (55, 91)}),

    "Bass_drum": drum((35, 36), "drum", "Kick|Bass Drum", _KICKS, ("035_Kick_1", "036_Kick_2")),
    "Snare_drum": drum((38, 40), "drum", "Snare|Snr|Piccolo|RmPwr", _SNARES,
                       ("038_Snare_1", "040_Snare_2"), test_skip=(40,)),
    "Hi-hat": drum((42, 44, 46), "drum", "Hat|Dead Air", _HATS,
                   ("042_Hi-Hat_Closed", "044_Hi-Hat_Pedal", "046_Hi-Hat_Open")),
    "Cowbell": drum((56,), "drum", "Cow ?[Bb]ell", _COWBELLS, skip=(25,)),
    "Tambourine": drum((54,), "tambourine", "Tambourine", freepats=("054_Tombourine",)),

    "Applause": Sources(
        effect(0, 126, "applause", "Applause", (FLUID, GENERALUSER))
        + each(OPENSFX, ("29",), "{}", "crop"),
        effect(0, 126, "applause", "Applause", (CSOUND,))),
    "Bark": Sources(
        effect(1, 123, "bark", "Dog", (FLUID_GS,))
        + each(SCRATCH, ("Dog1",), "Animal/{}.wav", "bark"),
        effect(1, 123, "bark", "Dog", (CSOUND,))
        + each(SCRATCH, ("Dog2",), "Animal/{}.wav", "bark")),
    "Laughter": Sources(
        effect(1, 126, "laughter", "Laugh", (FLUID_GS,))
        + each(SCRATCH, ("Laugh-female", "Laugh-male1", "Laugh-male2"), "Human/{}.wav", "voice")
        + each(SCRATCH, ("Laugh-male3",), "Human/{}.mp3", "voice"),
        effect(1, 126, "laughter", "Laugh", (CSOUND,))),
    "Gunshot_or_gunfire": Sources(
        effect(0, 127, "shot", "Gun", (FLUID, GENERALUSER))
        + effect(1, 127, "burst", "Machine ?Gun", (FLUID_GS,))
        + each(UFOAI, ("pistol2",), _SHOT, "shot")
        + family(UFOAI, "rifle x", ("rifle-1x", "rifle-3x", "rifle-8x"), _SHOT, "shot")
        + family(UFOAI, "shotgun", ("shotgun", "shotgun-3x"), _SHOT, "shot")
        + family(UFOAI, "smg", ("smg", "smg-1x", "smg-5x", "smg-15x"), _SHOT, "shot")
        + each(FREEDM, ("DSSHOTGN", "DSDSHTGN"), "{}", "shot"),
        effect(0, 127, "shot", "Gun", (CSOUND,))
        + effect(1, 127, "burst", "Machine ?Gun", (CSOUND,))
        + each(UFOAI, ("pistol", "sniper"), _SHOT, "shot")
        + each(FREEDM, ("DSPISTOL",), "{}", "shot")),
    "Telephone": Sources(
        effect(0, 124, "telephone", "", (FLUID, GENERALUSER))
        + effect(1, 124, "telephone", "Telephone", (FLUID_GS, GENERALUSER))
        + each(FREEDESKTOP, ("phone-incoming-call", "phone-outgoing-busy",
                             "phone-outgoing-calling"), "{}.oga", "phone"),
        effect(0, 124, "telephone", "Telephone", (CSOUND,))
        + effect(1, 124, "telephone", "Telephone", (CSOUND,))),
    # Tubular bells stand in for a door chime, a few only.
    "Chime": Sources(
        effect(5, 124, "chime", "Wind ?[Cc]hime", (FLUID_GS, GENERALUSER))
        + kits((84,), "drum_chime", "Bell Tree|Chimes")
        + gm(14, (55, 84), "struck", "Tubular", most=4)
        + patches({"014_Tubular_Bells": (55, 84)}, "struck", most=4),
        effect(5, 124, "chime", "Chimes", (CSOUND,))
        + kits((84,), "drum_chime", "Bell Tree", (CSOUND,))
        + gm(14, (55, 84), "struck", "Tubular", (CSOUND,), most=3)),
    "Shatter": Sources(
        each(MINETEST, ("2",), _GLASS, "glass") + each(UFOAI, ("01",), _BREAK, "glass")
        + family(UFOAI, "glass 02 04", ("02", "04"), _BREAK, "glass")
        + family(UFOAI, "glass 05 06 07", ("05", "06", "07"), _BREAK, "glass"),
        each(MINETEST, ("1", "3"), _GLASS, "glass", most=10)
        + each(UFOAI, ("03",), _BREAK, "glass")),
    # Creaking doors stand in for most of it.
    "Squeak": Sources(
        effect(2, 124, "creak", "(?i)creak", (FLUID_GS,))
        + each(SCRATCH, ("BalloonScratch",), "Effects/{}.mp3", "crop"),
        effect(2, 124, "creak", "(?i)creak", (CSOUND,))
        + each(SCRATCH, ("DoorCreak",), "Effects/{}.wav", "crop")),

    "Finger_snapping": Sources(
        each(SONIC_PI, ("perc_snap", "perc_snap2"), _FLAC, "snap"),
        each(SCRATCH, ("FingerSnap",), "Human/{}.wav", "snap")
        + each(FREEPATS, ("026_Snap",), "Drum_000/{}.pat", "snap")),
    "Computer_keyboard": Sources(
        family("bucklespring-data", "keyboard", _BUCKLE, "{}.wav", "typing", most=CLIPS.train),
        each(SCRATCH, ("Typing",), "Effects/{}.mp3", "loop")),
    "Meow": Sources(
        each(SCRATCH, ("Cat",), "Animal/{}.mp3", "voice")
        + each(SCRATCH, ("Meow",), "Animal/{}.wav", "voice"),
        each(SCRATCH, ("Kitten",), "Animal/{}.wav", "voice")),
    "Bus": Sources(
        each(OPENSFX, ("25",), "{}", "crop", license="CC0-1.0")
        + each(OPENSFX, ("27",), "{}", "crop"),
        each(OPENSFX, ("28",), "{}", "crop")),
    "Cough": Sources(each(SCRATCH, ("Cough-male",), "Human/{}.wav", "voice"),
                     each(SCRATCH, ("Cough-female",), "Human/{}.wav", "voice")),
}
