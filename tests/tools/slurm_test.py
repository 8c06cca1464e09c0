"""docs/slurm.sbatch under a scheduler made of two scripts: pre-empted until it is done."""

import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from program import ProgramTest, TOOLS
from runs import make_store, settings, weights

SCRIPT = Path(os.environ["EARSHOT_SOURCE"]) / "docs/slurm.sbatch"
FAKES = {"srun": '#!/bin/bash\necho $$ >"$FAKE/step"\nexec "$@"\n',
         "scontrol": '#!/bin/bash\n[[ $1 == requeue ]] && echo "$2" >>"$FAKE/queue"\n'}


class SlurmTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.fake = self.folder / "fake"
        self.fake.mkdir()
        for name, text in FAKES.items():
            (self.fake / name).write_text(text)
            (self.fake / name).chmod(0o755)
        self.store = make_store(self.folder / "store", train=5)
        self.words = ["--data", str(self.store), "--quiet",
                      *settings({"checkpoint_seconds": 0, "cnn-audio.epochs": 3})]

    def submit(self, out, preempt):
        """One start of the job; `preempt`: the signal a moment after the first checkpoints."""
        command = ["bash", str(SCRIPT), *self.words, "--out", str(out)]
        before = weights(out) if out.exists() else {}
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PATH": f"{self.fake}:{os.environ['PATH']}",
                                    "FAKE": str(self.fake), "SLURM_JOB_ID": "4711",
                                    "EARSHOT_PROGRAMS": str(TOOLS)})
        if preempt:
            while job.poll() is None and (weights(out) if out.exists() else {}) == before:
                time.sleep(0.01)
            if job.poll() is None:
                job.send_signal(preempt)  # SLURM signals the job script too where B: asks for it
                os.kill(int((self.fake / "step").read_text()), preempt)
        _, errors = job.communicate(timeout=200)
        return job.returncode, errors

    def test_queues_itself_again_until_it_is_done(self):
        whole, out = self.folder / "whole", self.folder / "out"
        self.assertEqual(self.submit(whole, preempt=None), (0, ""))
        queue = self.fake / "queue"
        self.assertFalse(queue.exists())
        starts = 0
        while starts < 40:
            starts += 1
            waiting = len(queue.read_text().splitlines()) if queue.exists() else 0
            status, errors = self.submit(out, (signal.SIGUSR1, signal.SIGTERM)[starts % 2])
            self.assertEqual(status, 0, errors)
            if (len(queue.read_text().splitlines()) if queue.exists() else 0) == waiting:
                break
        self.assertGreater(starts, 2)
        self.assertEqual(weights(out), weights(whole))

    def test_does_not_queue_what_fails(self):
        blocked = self.folder / "blocked"
        blocked.write_text("a file is in the way")
        status, errors = self.submit(blocked, preempt=None)
        self.assertEqual(status, 1, errors)
        self.assertFalse((self.fake / "queue").exists())


if __name__ == "__main__":
    unittest.main()
