"""A worker whose repetition is a whole program: command_worker.py COMMAND..., or, with --epoch LOG,
the seconds that `train` logged for the steps of its last epoch."""
import json
import resource
import subprocess
import sys
import time


def last_epoch_seconds(log):
    """What the steps of the last epoch in log.jsonl took; validation is not part of it."""
    with open(log) as file:
        epochs = [e for e in map(json.loads, file) if e["event"] == "epoch"]
    return sum(v for k, v in epochs[-1]["seconds"].items() if k != "validation")


def main():
    words = sys.argv[1:]
    log = None
    if words[0] == "--epoch":
        log, words = words[1], words[2:]
    print("{}", flush=True)
    for line in sys.stdin:
        command, *count = line.split()
        answer = {}
        if command == "run":
            answer["seconds"] = []
            for _ in range(int(count[0])):
                if log:
                    subprocess.run(["rm", "-rf", log[:log.rindex("/")]], check=True)
                start = time.perf_counter()
                done = subprocess.run(words, capture_output=True, text=True)
                took = time.perf_counter() - start
                if done.returncode != 0:
                    sys.exit(done.stderr.strip().splitlines()[-1])
                answer["seconds"].append(last_epoch_seconds(log) if log else took)
        else:
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            answer["peak_bytes"] = usage.ru_maxrss * 1024
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
