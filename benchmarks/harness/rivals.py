"""The rivals' own Python environment: PyPI's packages at the versions of rivals/requirements.txt."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parents[1] / "rivals"
PROBE = """
import importlib, json
out = {}
for name in ("torch", "torchaudio", "jax", "librosa", "kaldi_native_fbank", "nvidia.dali", "soundfile",
             "numpy", "matplotlib"):
    try:
        if name == "torchaudio":
            import torchaudio_alone as module
        else:
            module = importlib.import_module(name)
        out[name] = getattr(module, "__version__", "unknown")
    except Exception as error:
        out[name] = None, f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(out))
"""


def install(folder):
    """The environment's interpreter, made where it is missing or of other versions; or why not."""
    requirements = HERE / "requirements.txt"
    stamp = folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python, None
    print(f"installing the rivals from PyPI into {folder} (some 6 GB, once)", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", folder],
                    [python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                     "-r", requirements]):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no word of why"]
            return None, f"the rivals' environment cannot be made: {lines[-1].strip()}"
    stamp.write_text(wanted)
    return python, None


def find(folder, python, offline):
    """(interpreter or None, versions by package, reasons by missing package)."""
    if python is None:
        if offline and not (folder / "installed").exists():
            return None, {}, {"all rivals": f"--offline, and nothing is installed in {folder}"}
        python, why = install(folder)
        if python is None:
            return None, {}, {"all rivals": why}
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run([str(python), "-c", PROBE], capture_output=True, text=True,
                          env=environment)
    if done.returncode != 0:
        return None, {}, {"all rivals": f"{python}: {done.stderr.strip().splitlines()[-1]}"}
    found = json.loads(done.stdout.splitlines()[-1])
    versions = {name: value for name, value in found.items() if isinstance(value, str)}
    missing = {name: value[1] for name, value in found.items() if not isinstance(value, str)}
    return pathlib.Path(python), versions, missing
