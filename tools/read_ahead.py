#!/usr/bin/env python3
"""What reading ahead spares on the recorded programs, beside a run that reads nothing ahead.

    tools/read_ahead.py build/cli/memman [--shares 10,25,50] [--by auto,streams] [-- OPTIONS]

Each program of traces/ runs with so many percent of its pages as frames. A row says how many faults
waited for a read, and for each way of --prefetch-by the ratios: of these faults, and of the pages
read. OPTIONS go to memman run (default: --machine linux --store ram:latency=20000).
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

TRACES = pathlib.Path(__file__).resolve().parent.parent / "traces"
DEFAULT = ["--machine", "linux", "--store", "ram:latency=20000"]


def run(memman, options):
    done = subprocess.run([memman, *options, "--json", "-"], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"read_ahead.py: {memman} {' '.join(options)} ended with {done.returncode}")
    return json.loads(done.stdout)


def waited(memman, trace, info, share, options):
    """Faults that waited for a read, and pages read."""
    frames = info["pages"] * share // 100
    report = run(memman, ["run", "--workload", f"trace:{trace}", "--threads", "1", "--latency", "off",
                          "--accesses", str(info["references"]), "--memory", f"{info['pages'] * 4}K",
                          "--frames", f"{frames * 4}K", *options])
    faults = report["faults"]
    return faults["hard"] + faults["collided"], report["io"]["pages_read"]


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def table(arguments, share, infos):
    ratios = {by: [] for by in arguments.by}
    print(f"{share} %: hard faults alone; of them left and pages read, by " + ", ".join(arguments.by))
    for trace, info in infos.items():
        alone = waited(arguments.memman, trace, info, share,
                       [*arguments.options, "--prefetch", "off", "--read-cluster", "1"])
        row = f"  {trace.name.split('.')[0]:8} {alone[0]:7}"
        for by in arguments.by:
            found = waited(arguments.memman, trace, info, share,
                           [*arguments.options, "--prefetch-by", by])
            pair = [max(after, 1) / max(before, 1) for after, before in zip(found, alone)]
            ratios[by].append(pair)
            row += f"   {pair[0]:.2f} {pair[1]:.2f}"
        print(row, flush=True)
    print("  geometric mean  " + "".join(
        f"   {mean([p[0] for p in pairs]):.2f} {mean([p[1] for p in pairs]):.2f}"
        for pairs in ratios.values()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memman")
    parser.add_argument("--shares", default="10,25,50")
    parser.add_argument("--by", default="auto,streams", type=lambda text: text.split(","))
    parser.add_argument("options", nargs="*", default=DEFAULT)
    arguments = parser.parse_args()
    infos = {trace: run(arguments.memman, ["trace", "info", str(trace)])
             for trace in sorted(TRACES.glob("*.mmt.zst"))}
    for share in map(int, arguments.shares.split(",")):
        table(arguments, share, infos)


main()
