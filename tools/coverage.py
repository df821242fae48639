#!/usr/bin/env python3
"""coverage.py - branch coverage of the engine, from what gcov counted.

Usage: coverage.py BUILD-DIRECTORY [--least PERCENT] [--missed]
The engine is compiled twice, for real threads and for fibers; a branch is taken if either took it.
Prints a line for each file and the sum; with --missed also each line with a branch never taken.
Exit: 0 good; 1 less than PERCENT; 2 usage; 3 nothing was counted.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys


def counted_objects(build):
    """The counters of both builds of the engine."""
    for path in sorted(build.resolve().rglob("*.gcda")):
        if path.parent.name in ("libengine.a.p", "libengine_fibers.a.p"):
            yield path


def read_branches(path):
    """(file, line) -> how often each branch of the line was taken, in one object."""
    output = subprocess.run(
        ["gcov", "--json-format", "--branch-probabilities", "--stdout", str(path)],
        check=True, capture_output=True, cwd=path.parent).stdout
    for text in output.splitlines():
        for entry in json.loads(text)["files"]:
            name = entry["file"].replace("\\", "/")
            if "src/engine/" not in name:
                continue
            name = "src/engine/" + name.rsplit("src/engine/", 1)[1]
            for line in entry["lines"]:
                counts = [branch["count"] for branch in line["branches"]]
                if counts:
                    yield (name, line["line_number"]), counts


def merge(build):
    """The best that any object did for each branch; a line is known by its number of branches."""
    merged = collections.defaultdict(dict)
    for path in counted_objects(build):
        for place, counts in read_branches(path):
            before = merged[place].get(len(counts), [0] * len(counts))
            merged[place][len(counts)] = [max(a, b) for a, b in zip(before, counts)]
    # Where the two builds see different branches in a line, the one that did better counts.
    return {place: max(shapes.values(), key=lambda counts: sum(map(bool, counts)) / len(counts))
            for place, shapes in merged.items()}


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("--missed", action="store_true")
    options = parser.parse_args()
    lines = merge(options.build)
    if not lines:
        print(f"coverage: nothing was counted below {options.build}; run the tests there first",
              file=sys.stderr)
        return 3
    files = collections.defaultdict(lambda: [0, 0])
    for (name, number), counts in sorted(lines.items()):
        files[name][0] += sum(map(bool, counts))
        files[name][1] += len(counts)
        if options.missed and not all(counts):
            print(f"{name}:{number}: {counts.count(0)} of {len(counts)} branches never taken")
    for name, (taken, branches) in sorted(files.items()):
        print(f"{name:28} {taken:5} of {branches:5} branches taken  {100 * taken / branches:5.1f} %")
    taken, branches = (sum(column) for column in zip(*files.values()))
    percent = 100 * taken / branches
    print(f"{'engine':28} {taken:5} of {branches:5} branches taken  {percent:5.1f} %")
    if percent < options.least:
        print(f"coverage: {percent:.2f} % is less than {options.least:g} %; --missed names the lines", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
