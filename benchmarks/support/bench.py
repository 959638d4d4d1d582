"""What the Python programs share: they take the options and write the JSON of Google Benchmark, as far as benchmarks/report needs it."""

import json
import math
import os
import re
import sys
import time

_benchmarks = []


def expect(got, expected):
    """A wrong answer ends the process: a time without a right answer means nothing."""
    if got != expected:
        sys.exit(f"wrong answer {got}, expected {expected}")


def add(name, items, body):
    """A body that does so many items, on one thread: the interpreter has one."""
    _benchmarks.append((f"{name}/workers:1", items, body))


def _measure(body, iterations):
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(iterations):
        body()
    return time.perf_counter() - wall, time.process_time() - cpu


def _iterations_for(body, min_time):
    iterations = 1
    while True:
        wall, _ = _measure(body, iterations)
        if wall >= min_time:
            return iterations
        iterations = math.ceil(iterations * min(max(1.4 * min_time / max(wall, 1e-9), 1.1), 10))


def run():
    """Does what the command line asks for."""
    options = {"filter": ".", "repetitions": "1", "min_time": "0.5", "out": "", "list_tests": "false"}
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if not name.startswith("--benchmark_"):
            sys.exit(f"unknown option {argument}")
        options[name.removeprefix("--benchmark_")] = value or "true"  # others are taken and ignored
    wanted = [b for b in _benchmarks if re.search(options["filter"], b[0])]
    if options["list_tests"] == "true":
        print("\n".join(name for name, _, _ in wanted))
        return
    iterations = [_iterations_for(body, float(options["min_time"].rstrip("s"))) for _, _, body in wanted]
    results = []
    for repetition in range(int(options["repetitions"])):
        for (name, items, body), count in zip(wanted, iterations):
            wall, cpu = (1e9 * t / count for t in _measure(body, count))
            print(f"{name:<60} {wall:15.0f} ns {cpu:15.0f} ns {count:10}")
            results.append({"name": name, "run_name": name, "run_type": "iteration", "repetitions": int(options["repetitions"]),
                            "repetition_index": repetition, "threads": 1, "iterations": count, "real_time": wall, "cpu_time": cpu,
                            "time_unit": "ns", "items_per_second": items * 1e9 / wall})
    if options["out"] and results:
        with open(options["out"], "w") as f:
            json.dump({"context": {}, "benchmarks": results}, f)
    if "BENCH_PEAK_MEMORY" in os.environ:  # see peak_memory.cpp
        with open("/proc/self/status") as status, open(os.environ["BENCH_PEAK_MEMORY"], "w") as f:
            f.write(next(line.split()[1] for line in status if line.startswith("VmHWM:")) + "\n")
