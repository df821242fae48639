#!/usr/bin/env python3
"""calibrate.py - what the timing strategy predicts beside what this machine measures.

Usage: calibrate.py BUILD [--rounds N]

For a few loads on the soft machine, with one and two threads on as many processors and as much
memory for each: CPU time per access, workers included, predicted by `memman sim --cpus 1,2` (the table of costs is
src/world/costs.h) and measured by `memman run` without verification, alternately; medians, the
range of what was measured, and the error of the prediction. BUILD is a build without the expensive
checks. Exit: 0 printed; 1 a run failed; 2 usage.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

MIB = 1 << 20
# name, frames and memory of each thread, accesses of each thread, share of writes
LOADS = (
    ("resident", 16 * MIB, 8 * MIB, 400_000, 0.5),
    ("rescue-heavy", 8 * MIB, 9 * MIB, 100_000, 0.0),
    ("hard faults", 4 * MIB, 16 * MIB, 50_000, 0.5),
)


def run_json(command, cpus=2):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cpus])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    os.sched_setaffinity(0, before)
    if done.returncode != 0:
        sys.exit(f"calibrate.py: exit {done.returncode} of: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def predicted(program, load):
    _, frames, memory, accesses, writes = load
    weight = round(100 * writes)
    figures = run_json([program, "sim", "--cpus", "1,2", "--frames", str(frames), "--memory", str(memory),
                        "--operations", str(accesses), "--op-write", str(weight),
                        "--op-read", str(100 - weight), "--shared", "100", "--trimmers", "1",
                        "--writers", "1", "--zeroers", "1", "--balance", "workers", "--json", "-"])
    return [row["cpu_ns_per_access"] for row in figures["cpus"]]


def measured(program, load, threads):
    _, frames, memory, accesses, writes = load
    figures = run_json([program, "run", "--machine", "soft", "--threads", str(threads),
                        "--frames", str(frames * threads), "--memory", str(memory * threads),
                        "--accesses", str(accesses), "--write-ratio", str(writes),
                        "--verify", "off", "--latency", "off", "--json", "-"], threads)
    return 1e9 * sum(figures["cpu_seconds"].values()) / figures["accesses"]


def main():
    parser = argparse.ArgumentParser(usage="calibrate.py BUILD [--rounds N]")
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    program = os.path.join(options.build, "cli", "memman")
    if not os.access(program, os.X_OK) or options.rounds < 1:
        parser.error(f"{program} is not there to be run, or --rounds is less than 1")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("calibrate.py: it takes two processors, and there is one")
    print(f"CPU ns per access, medians of {options.rounds} measurements")
    print(f"{'':14}{'CPUs':>5}{'predicted':>11}{'measured':>10}  {'(range)':20}{'error':>8}")
    for load in LOADS:
        guesses = predicted(program, load)
        series = ([], [])
        for _ in range(options.rounds):
            for threads in (1, 2):
                series[threads - 1].append(measured(program, load, threads))
        for threads in (1, 2):
            values, guess = series[threads - 1], guesses[threads - 1]
            middle = statistics.median(values)
            print(f"{load[0] if threads == 1 else '':14}{threads:5}{guess:11.0f}{middle:10.0f}  "
                  f"{f'({min(values):.0f} to {max(values):.0f})':20}{100 * (guess / middle - 1):+7.0f} %")
        ratio = statistics.median([two / one for one, two in zip(*series)])
        print(f"{'':14}{'2 / 1':>5}{guesses[1] / guesses[0]:11.2f}{ratio:10.2f}  {'':20}"
              f"{100 * (guesses[1] / guesses[0] / ratio - 1):+7.0f} %")


main()
