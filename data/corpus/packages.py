"""Fetches Debian packages into a cache and unpacks them, without installing anything.

Works as root and as any user: `apt-get download` needs no privilege, and as root its sandbox user
is turned off because it may not write into the cache.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from errors import CorpusError
from sources import PACKAGES


class Deb(NamedTuple):
    package: str
    version: str
    sha256: str
    path: Path


def default_cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "earshot" / "packages"


def require(*programs):
    hints = {"apt-get": "this needs Debian or a relative of it", "dpkg-deb": "apt-get install dpkg"}
    for program in programs:
        if shutil.which(program) is None:
            hint = hints.get(program, f"apt-get install --no-install-recommends {program}")
            raise CorpusError(f"the program {program} is missing: {hint}")


def fetch(names, cache, say):
    """The .deb of each package: from the cache if a good one is there, else from the mirror."""
    require("dpkg-deb")
    cache.mkdir(parents=True, exist_ok=True)
    found = {name: _cached(name, cache, say) for name in names}
    missing = [name for name in names if found[name] is None]
    if missing:
        _download(missing, cache, say)
        for name in missing:
            found[name] = _cached(name, cache, say)
            if found[name] is None:
                raise CorpusError(f"apt-get brought no usable package {name} into {cache}")
    for deb in found.values():
        known = PACKAGES[deb.package].version
        if deb.version != known:
            say(f"{deb.package} is version {deb.version}; the recipe was made with {known}")
    return [found[name] for name in names]


def unpack(deb, folder):
    """Returns the place of the package's audio below `folder`."""
    target = folder / deb.package
    target.mkdir(parents=True)
    done = subprocess.run(["dpkg-deb", "-x", str(deb.path), str(target)], capture_output=True,
                          text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise CorpusError(f"{deb.path} cannot be unpacked: {_last_line(done.stderr)}")
    root = target / PACKAGES[deb.package].root
    if not root.exists():
        raise CorpusError(f"{deb.package} {deb.version} has no {PACKAGES[deb.package].root}; "
                          f"the recipe was made with {PACKAGES[deb.package].version}")
    return root


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _cached(name, cache, say):
    """The version the recipe knows if it is there and whole, else the last one by name."""
    candidates = []
    for path in sorted(cache.glob(f"{name}_*.deb")):
        version = _field(path, "Version")
        if version is None:
            say(f"{path} is damaged and is ignored")
            continue
        deb = Deb(name, version, sha256_of(path), path)
        if version == PACKAGES[name].version:
            if deb.sha256 == PACKAGES[name].sha256:
                return deb
            say(f"{path} does not have the checksum on record and is ignored")
            continue
        candidates.append(deb)
    return candidates[-1] if candidates else None


def _field(path, field):
    done = subprocess.run(["dpkg-deb", "-f", str(path), field], capture_output=True, text=True,
                          errors="replace", check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _download(names, cache, say):
    require("apt-get")
    say(f"downloading {len(names)} Debian packages into {cache}")
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2",
             "download", *names],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False, env={**os.environ, "LC_ALL": "C"})
        for path in sorted(Path(folder).glob("*.deb")):
            os.replace(path, cache / path.name)
    if done.returncode != 0:
        raise CorpusError(_explain(done.stderr))


def _explain(message):
    """One sentence for apt's many."""
    if "Unable to locate" in message or "find a source" in message or "No candidate" in message:
        return (f"apt does not know the package ({_last_line(message)}): run apt-get update as "
                f"root, and have Debian's main section among the sources")
    if "No space left" in message or "enough free space" in message:
        return f"the disk is full: {_last_line(message)}"
    if "resolv" in message or "connect" in message or "Failed to fetch" in message:
        return (f"the Debian mirror cannot be reached ({_last_line(message)}); put the .deb files "
                f"into the cache to work without internet")
    return f"apt-get download failed: {_last_line(message)}"


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E:")]
    return (errors or lines or ["no message"])[0].removeprefix("E:").strip()
