"""Whatever of CUDA is missing, `auto` takes the CPU and says why, and `cuda` is refused in one
sentence. Each thing is hidden in turn; a fake driver stands for a machine that has the rest."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PROBE = Path(os.environ["EARSHOT_PROBE"])
PLUGIN = Path(os.environ["EARSHOT_PLUGIN"]) if os.environ["EARSHOT_PLUGIN"] else None
DRIVER = Path(os.environ["EARSHOT_FAKE_DRIVER"])


class ProbeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("tools", "lib", "libraries"):
            (self.folder / name).mkdir()
        shutil.copy(PROBE, self.folder / "tools/probe")
        if PLUGIN:
            shutil.copy(PLUGIN, self.folder / "lib" / PLUGIN.name)
            shutil.copy(DRIVER, self.folder / "libraries/libcuda.so.1")

    def probe(self, device, **environment):
        path = ":".join(filter(None, (str(self.folder / "libraries"),
                                      os.environ.get("LD_LIBRARY_PATH"))))
        return subprocess.run([self.folder / "tools/probe", device], capture_output=True, text=True,
                              timeout=120,
                              env={**os.environ, "LD_LIBRARY_PATH": path, **environment})

    def refused(self, *texts, device="cuda", **environment):
        """`cuda` fails with one sentence, `auto` runs on the CPU with the same reason."""
        done = self.probe(device, **environment)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.endswith("; use --device cpu\n"), done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)
        if device != "cuda":
            return
        done = self.probe("auto", **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1], "cpu")
        for text in texts:
            self.assertIn(text, done.stdout)


class AnyBuildTest(ProbeTest):
    def test_cpu_never_asks(self):
        done = self.probe("cpu", FAKE_INIT="999")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("cuda", done.stdout)

    @unittest.skipIf(PLUGIN, "this build has a CUDA backend")
    def test_a_build_without_cuda(self):
        self.refused("this build has no CUDA backend")


@unittest.skipUnless(PLUGIN, "this build has no CUDA backend")
class HidingTest(ProbeTest):
    def test_no_driver(self):
        (self.folder / "libraries/libcuda.so.1").write_bytes(b"")  # hides the machine's own too
        self.refused("no NVIDIA driver (", "libcuda.so.1")

    def test_an_old_driver(self):
        self.refused("supports CUDA 12.4, CUDA 13.0 is needed", FAKE_DRIVER_VERSION="12040")

    def test_no_gpu(self):
        self.refused("no GPU is visible", FAKE_GPUS="0")
        self.refused("no GPU is visible", FAKE_INIT="100")

    def test_a_driver_that_does_not_start(self):
        self.refused("cuInit returns 999", FAKE_INIT="999")

    def test_another_gpu_than_there_is(self):
        self.refused("there is no GPU 3, only 2", device="cuda:3", FAKE_GPUS="2")

    def test_an_unsupported_architecture(self):
        self.refused("has compute capability 6.1, this build needs ", FAKE_CAPABILITY="61")

    def test_no_plugin(self):
        (self.folder / "lib" / PLUGIN.name).unlink()
        self.refused("the CUDA plug-in ", "is missing")

    def hide(self, library, other):
        """The plug-in asks for a library that cannot be there."""
        plugin = self.folder / "lib" / PLUGIN.name
        code = plugin.read_bytes()
        self.assertIn(library, code)
        self.assertEqual(len(library), len(other))
        plugin.write_bytes(code.replace(library, other))

    def test_no_cudnn(self):
        self.hide(b"libcudnn.so.9", b"libcudnn.so.0")
        self.refused("cuDNN 9 is missing (libcudnn.so.0", "LD_LIBRARY_PATH")

    def test_no_cublas(self):
        self.hide(b"libcublasLt.so.", b"libcublasXX.so.")
        self.refused("the CUDA plug-in cannot be loaded (libcublasXX.so.", "LD_LIBRARY_PATH")

    def test_a_broken_plugin(self):
        (self.folder / "lib" / PLUGIN.name).write_bytes(b"broken")
        self.refused("the CUDA plug-in cannot be loaded (")

    def test_a_driver_that_fails_later(self):
        self.refused("GPU 0 cannot be opened: CUDA: ")


if __name__ == "__main__":
    unittest.main()
