"""The Debian packages the corpus is made from: what was read while developing, and the licences."""

from typing import NamedTuple


class Package(NamedTuple):
    version: str  # the version this recipe was developed with (Debian 12)
    sha256: str  # of its .deb
    short: str  # begins the file names of its clips
    license: str  # of the audio in it
    root: str  # where its audio lies: a bank, an archive, or a folder
    remark: str = ""


_BAND_LIMITED = "much of it holds nothing above 5 to 11 kHz: a shortcut for a model"
_FREESOUND = "partly from Freesound, as FSDKaggle2018 is: do not mix the two sets"

PACKAGES = {
    "fluidr3mono-gm-soundfont": Package(
        "2.315-7", "4098301bf29f4253c2f5799a844f42dd4aa733d91a210071ad16d7757dea51d6",
        "fluid", "MIT", "usr/share/fluidr3mono-gm-soundfont/FluidR3Mono_GM.sf3"),
    "minuet-data": Package(
        "22.12.3-1", "ebcfe09eb16ceeeaea998427b671784ff6a5f0b0e2aecb1e1ad9ef0da6ded5fb",
        "generaluser", "GeneralUser GS License v2.0",
        "usr/share/minuet/soundfonts/GeneralUser-v1.47.sf2",
        "the licence is stated inside the bank, Debian does not record it"),
    "fluid-soundfont-gs": Package(
        "3.1-5.3", "f9c5b171ce1cd6c05c5dd65e2ada61c0951ef491f1c67d077aaecd6c9d6ef3e4",
        "fluidgs", "MIT", "usr/share/sounds/sf2/FluidR3_GS.sf2"),
    "csound-soundfont": Package(
        "1:6.18.1+dfsg-1", "0d05bec0cff2486f4537dd0236fece99f3565b62959717f82e975be8e0cf1393",
        "csound", "public domain", "usr/share/sounds/sf2/sf_GMbank.sf2"),
    "sound-theme-freedesktop": Package(
        "0.8-2", "135cc4893ba590d428577bc3bf42df756a165c05a2a43f84311ad7db779a70ea",
        "freedesktop", "GPL-2+", "usr/share/sounds/freedesktop/stereo",
        "two of the three telephone tones are 8 kHz recordings"),
    "minetest-data": Package(
        "5.6.1+dfsg+~1.9.0mt8+dfsg-2",
        "91371dd2bd51cfcd4fa60c138667989a47047dfe1a47f7523b9ad1782d397585",
        "minetest", "CC-BY-SA-3.0", "usr/share/games/minetest/games/minetest_game/mods",
        _FREESOUND),
    "freepats": Package(
        "20060219-4", "1282628c7ec015f0d39a8b1ee58a2d942220bbad38173d005bbfbaaf36e1d6f1",
        "freepats", "GPL-2+", "usr/share/midi/freepats"),
    "hydrogen-data": Package(
        "1.2.0~beta1+dfsg-1", "d2cc3f281c02efb71f132bd173e95a958d3fede7c5aefcaba6547baf918cff2a",
        "hydrogen", "GPL-2+", "usr/share/hydrogen/data/drumkits"),
    "sonic-pi-samples": Package(
        "3.2.2~repack-8", "25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
        "sonicpi", "CC0-1.0", "usr/share/sonic-pi/samples", _FREESOUND),
    "ufoai-sound": Package(
        "2.5-2", "0224308c10e1265581d1829f19eaef031175390fd0eafeb4a1d558ac6561ed4e",
        "ufoai", "CC-BY-SA-3.0", "usr/share/games/ufoai/base/0snd.pk3"),
    "freedm": Package(
        "0.12.1-2", "d70a174c45a0c6d8404be7040387fa8ccbbfa9c97c07e047850ab5d39b023532",
        "freedm", "BSD-3-Clause", "usr/share/games/doom/freedm.wad",
        "8-bit recordings; " + _BAND_LIMITED),
    "openttd-opensfx": Package(
        "1.0.3-2", "2898b4677a3caccc4abc08fb4cf83319047b5a04729291deb5c77a8cd713c006",
        "opensfx", "CC-BY-3.0", "usr/share/games/openttd/baseset/opensfx/opensfx.cat", _FREESOUND),
    "bucklespring-data": Package(
        "1.4.0-2", "2add9f5583b3afc9c0b528066f4578baff930b74d4a94c8a25d103ef79a444e5",
        "bucklespring", "GPL-2+", "usr/share/buckle/wav"),
    "scratch": Package(
        "1.4.0.6~dfsg1-6.1", "36c582eb93110f64f06c4e685c41e933ccba2fa68db12f79b10bfe840b21fc10",
        "scratch", "CC-BY-SA-3.0", "usr/share/scratch/Media/Sounds", _BAND_LIMITED),
}

_SMALL = ("fluidr3mono-gm-soundfont", "minuet-data", "fluid-soundfont-gs",
          "sound-theme-freedesktop", "minetest-data", "csound-soundfont")

PROFILES = {"small": _SMALL, "full": tuple(PACKAGES)}
