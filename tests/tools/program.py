"""Running the built programs: EARSHOT_TOOLS is their folder."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(os.environ["EARSHOT_TOOLS"])


def run(name, *arguments, **options):
    command = [str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, **options)


class ProgramTest(unittest.TestCase):
    """A temporary folder, and what success and failure of a program must look like."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="earshot-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def succeeds(self, name, *arguments, **options):
        done = run(name, *arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def fails(self, status, text, name, *arguments, **options):
        """One sentence on stderr that holds `text`, and nothing of a crash."""
        done = run(name, *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith(name + ": "), lines[0])
        self.assertIn(text, lines[0])
        for word in ("terminate", "Aborted", "what()", "std::"):
            self.assertNotIn(word, lines[0])
        return lines[0]
