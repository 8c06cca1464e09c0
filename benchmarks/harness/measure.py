"""Timing of sides against each other: trials choose the best rival, paired rounds time it."""
import statistics

from harness.workers import Worker, WorkerError


def spread(samples):
    """Half the distance of the quartiles over the median."""
    if len(samples) < 2:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(samples)


def summary(samples, peak):
    return {"samples": samples, "median": statistics.median(samples), "spread": spread(samples),
            "peak_bytes": peak}


def trial(side, agree, limit):
    """One warm-up and one timed repetition of a rival alone, and whether its outputs are ours."""
    out = {"name": side.name, "refused": None, "seconds": None}
    try:
        with Worker(side, limit) as worker:
            out["engine"] = worker.ready.get("engine", side.name)
            out["first_seconds"] = worker.run(1, limit)[0]
            out["seconds"] = worker.run(1, limit)[0]
            out["peak_bytes"] = worker.peak_bytes()
            out["agreement"], out["refused"] = agree(worker.ready)
    except WorkerError as error:
        out["refused"] = str(error)
    return out


def repeats_for(worker, limit):
    """Repetitions that make a round last about half a second, after one to warm up."""
    if worker.run(1, limit)[0] >= 0.5:
        return 1
    return max(1, min(200, round(0.5 / max(worker.run(1, limit)[0], 1e-4))))


def paired(ours, rival, agree, rounds, limit):
    """Interleaved rounds; who begins alternates. Without a ratio where the outputs differ."""
    samples = ([], [])
    with Worker(ours, limit) as a, Worker(rival, limit) as b:
        agreement, refused = agree(b.ready)
        if refused:
            raise WorkerError(f"{rival.name}: {refused}")
        repeats = [repeats_for(worker, limit) for worker in (a, b)]
        for i in range(rounds):
            for k in (0, 1) if i % 2 == 0 else (1, 0):
                samples[k].append(statistics.median((a, b)[k].run(repeats[k], limit)))
        peaks = [worker.peak_bytes() for worker in (a, b)]
        ready = a.ready, b.ready
    ratios = [theirs / mine for mine, theirs in zip(*samples)]
    return {"ours": {**summary(samples[0], peaks[0]), "ready": ready[0]},
            "rival": {"name": rival.name, "engine": ready[1].get("engine", rival.name),
                      "agreement": agreement, **summary(samples[1], peaks[1])},
            "ratio": statistics.median(ratios), "ratios": ratios, "ratio_spread": spread(ratios),
            "memory_ratio": peaks[1] / peaks[0]}


def alone(ours, rounds, limit):
    with Worker(ours, limit) as worker:
        worker.run(1, limit)
        samples = [worker.run(1, limit)[0] for _ in range(rounds)]
        return {"ours": {**summary(samples, worker.peak_bytes()), "ready": worker.ready}}


def compare(ours, rivals, agree, rounds, limit, progress):
    """Everything about one case; `agree(ready)` is ({...}, None or why the outputs differ). Trials
    of each rival alone choose the one that the rounds are against."""
    trials = []
    for rival in rivals if len(rivals) > 1 else []:
        progress(f"trial of {rival.name}")
        trials.append(trial(rival, agree, limit))
    good = [(t["seconds"], rival) for t, rival in zip(trials, rivals) if t["refused"] is None]
    best = min(good, key=lambda pair: pair[0])[1] if good else rivals[0] if rivals else None
    if best is not None and (good or len(rivals) == 1):
        progress(f"{rounds} rounds against {best.name}")
        try:
            return {**paired(ours, best, agree, rounds, limit), "trials": trials}
        except WorkerError as error:
            trials.append({"name": best.name, "refused": str(error), "seconds": None})
    return {**alone(ours, rounds, limit), "trials": trials}
