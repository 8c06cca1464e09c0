"""Every own kernel and library call of a step alone, against the roofs measured beside them."""
import json
import subprocess


def rows(report):
    """Google Benchmark's report as rows; `roof` is the share of the nearer roof."""
    context = report["context"]
    product = float(context["product_flops_per_second"])
    copy = float(context["copy_bytes_per_second"])
    out = []
    for case in report["benchmarks"]:
        scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[case["time_unit"]]
        flops, read = 1e9 * case.get("GFLOP/s", 0), 1e9 * case.get("GB/s", 0)
        out.append({"name": case["name"].removesuffix("/real_time"),
                    "label": case.get("label", ""), "seconds": scale * case["real_time"],
                    "memory_bytes": round(1e6 * case["MB"]), "flops_per_second": flops, "bytes_per_second": read,
                    "roof": max(flops / product, read / copy) if flops or read else None})
    return {"product_flops_per_second": product, "copy_bytes_per_second": copy, "rows": out}


def run(context):
    if not context.in_time("kernels"):
        return None
    context.progress("kernels")("each alone")
    command = [context.program("benchmarks", "bench_kernels"), f"--device={context.device}",
               "--benchmark_format=json",
               f"--benchmark_min_time={0.02 if context.quick else 0.3}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        context.skip("kernels", (done.stderr.strip().splitlines() or ["it failed"])[-1])
        return None
    context.kernels = rows(json.loads(done.stdout[done.stdout.index("{"):]))
    return None
