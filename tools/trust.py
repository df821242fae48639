#!/usr/bin/env python3
"""trust.py - runs what builds trust, appends it to a ledger, and writes the page that sums it up.

Usage: trust.py seeds MINUTES BUILD      seeds that no line of the ledger has, until the time is up
       trust.py scenarios BUILD          every micro-scenario, with the schedules it explored
       trust.py torture SECONDS BUILD    the Linux machine under torture
       trust.py whole BUILD              the suite `whole`: what dev test does a part of each day
       trust.py coverage BUILD           branch coverage of what was run in a coverage build
       trust.py mutants FILE             the table that `dev mutants --write FILE` made
       trust.py page                     docs/trust.md from the ledger
The ledger is docs/trust/ledger.tsv: a line for each piece of work, never changed. Exit: 0 good;
1 something failed (its line says so, and the program said what); 2 usage.
"""
import collections
import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEDGER = ROOT / "docs" / "trust" / "ledger.tsv"
PAGE = ROOT / "docs" / "trust.md"
COLUMNS = ["date", "commit", "what", "detail", "passed", "failed", "counts", "seconds"]
SEEDS_AT_ONCE = 2000

Entry = collections.namedtuple("Entry", COLUMNS)


# ---- the ledger ----------------------------------------------------------------------------------

def read_ledger():
    if not LEDGER.exists():
        return []
    lines = LEDGER.read_text().splitlines()
    if not lines or lines[0].split("\t") != COLUMNS:
        sys.exit(f"trust: {LEDGER}: the first line must name the columns")
    return [Entry(*line.split("\t")) for line in lines[1:]]


def commit():
    output = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%h"],
                            capture_output=True, text=True, check=False).stdout.strip()
    dirty = subprocess.run(["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", ":!docs"],
                           check=False).returncode
    return (output or "none") + ("+" if dirty else "")


def append(what, detail, passed, failed, counts, seconds):
    LEDGER.parent.mkdir(exist_ok=True)
    new = not LEDGER.exists()
    with LEDGER.open("a") as file:
        if new:
            file.write("\t".join(COLUMNS) + "\n")
        text = " ".join(f"{name}={value}" for name, value in counts.items())
        entry = Entry(datetime.date.today().isoformat(), commit(), what, detail, passed, failed,
                      text or "-", f"{seconds:.0f}")
        file.write("\t".join(map(str, entry)) + "\n")


def counts_of(entry):
    return {name: int(value) for name, value in
            (pair.split("=") for pair in entry.counts.split() if pair != "-")}


# ---- work ----------------------------------------------------------------------------------------

def run_seeds(minutes, build):
    """Chunks of seeds; a chunk that has begun is finished."""
    if not 0 < minutes < 100000:
        raise ValueError(f"'{minutes}' is not a number of minutes above 0")
    end = time.monotonic() + minutes * 60
    seen = [int(entry.detail.split("..")[1]) for entry in read_ledger() if entry.what == "seeds"]
    first, failed = max(seen, default=0) + 1, 0
    while True:
        last = first + SEEDS_AT_ONCE - 1
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            command = [str(build / "cli" / "memman"), "sim", "--seeds", f"{first}..{last}",
                       "--quiet", "--json", report.name]
            status = subprocess.run(command, check=False).returncode
            if status not in (0, 1):
                sys.exit(f"trust: {' '.join(command)}: exit status {status}")
            result = json.load(report)
        ended = result["seeds"]["passed"] + result["seeds"]["failed"]
        if ended != SEEDS_AT_ONCE:
            sys.exit(f"trust: {' '.join(command)}: {ended} of {SEEDS_AT_ONCE} seeds passed or failed; "
                     "what became of the others is unknown, and nothing is added to the ledger")
        counts = {name: result[name] for name in ("steps", "switches", "operations", "checks")}
        counts.update({f"fault_{name}": value for name, value in result["faults"].items()})
        counts.update({f"injected_{name}": value for name, value in result["injected"].items()})
        counts.update({f"move_{name.replace(' ', '_')}": value for name, value in result["moves"].items()})
        append("seeds", f"{first}..{last}", result["seeds"]["passed"], result["seeds"]["failed"],
               counts, result["seconds"])
        failed += result["seeds"]["failed"]
        print(f"seeds {first}..{last}: {result['seeds']['passed']} passed, "
              f"{result['seeds']['failed']} failed", flush=True)
        first = last + 1
        if time.monotonic() >= end:
            return 1 if failed else 0


SCENARIO = re.compile(r"^(\w+): (\d+) random runs, (\d+) by priority \(.*\), (\d+) paths", re.M)


def run_scenarios(build):
    counts = collections.Counter()
    passed = failed = 0
    begin = time.monotonic()
    programs = [path for path in sorted((build / "test").glob("test-scenarios-*"))
                + [build / "test" / "test-races"] if path.is_file()]
    if not programs:
        sys.exit(f"trust: no test-scenarios-* below {build}; build first")
    for program in programs:
        done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
        for _, random, priority, paths in SCENARIO.findall(done.stdout + done.stderr):
            counts.update(random=int(random), priority=int(priority), paths=int(paths))
            passed += 1
        failed += done.returncode != 0
    append("scenarios", "all", passed, failed, counts, time.monotonic() - begin)
    print(f"scenarios: {passed} passed, {failed} programs failed")
    return 1 if failed else 0


def run_torture(seconds, build):
    begin = time.monotonic()
    done = subprocess.run([str(build / "test" / "test-torture"), str(seconds)],
                          capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode == 77:
        return 0
    counts = collections.Counter()
    for name, pattern in (("evictions", r"evictions (\d+)"), ("forks", r"forks (\d+)"),
                          ("signals", r"signals (\d+) sent"), ("direct", r"O_DIRECT (\d+) reads")):
        counts[name] = sum(map(int, re.findall(pattern, done.stdout)))
    append("torture", f"{seconds}s", int(done.returncode == 0), int(done.returncode != 0), counts,
           time.monotonic() - begin)
    return 1 if done.returncode else 0


def run_whole(build):
    begin = time.monotonic()
    log = build / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    status = subprocess.run(["meson", "test", "-C", str(build), "--no-rebuild", "--suite", "whole",
                             "--print-errorlogs"], check=False).returncode
    if not log.exists():
        sys.exit(f"trust: meson test --suite whole: exit status {status}, and no log of its tests")
    results = collections.Counter(json.loads(line)["result"] for line in log.read_text().splitlines())
    passed, skipped = results["OK"], results["SKIP"]
    failed = sum(results.values()) - passed - skipped
    append("whole", "sweeps, switches, pressure", passed, failed, {"skipped": skipped},
           time.monotonic() - begin)
    return 1 if failed or status else 0


def read_coverage(build):
    done = subprocess.run([str(ROOT / "tools" / "coverage.py"), str(build)], capture_output=True,
                          text=True, check=False)
    match = re.search(r"^engine +(\d+) of +(\d+) branches", done.stdout, re.M)
    if match is None:
        sys.exit(f"trust: {done.stderr.strip() or 'no coverage'}")
    taken, branches = map(int, match.groups())
    append("coverage", "branches of the engine", taken, branches - taken, {}, 0)
    print(f"coverage: {taken} of {branches} branches")
    return 0


def read_mutants(file):
    rows = [line.split("|") for line in file.read_text().splitlines() if line.startswith("| ")]
    if not rows or rows[0][1].strip() != "bug":
        raise ValueError(f"{file}: there is no table of bugs in it; make it with dev mutants --write")
    rows = [row for row in rows[1:] if "---" not in row[1]]
    alive = sum("**nothing**" in row[-3] for row in rows)
    append("mutants", "planted bugs", len(rows) - alive, alive, {}, 0)
    print(f"mutants: {len(rows) - alive} killed, {alive} alive")
    return 1 if alive else 0


# ---- the page ------------------------------------------------------------------------------------

def thousands(number):
    return f"{number:,}"


def latest(entries, what):
    return next((entry for entry in reversed(entries) if entry.what == what), None)


def seed_lines(entries):
    seeds = [entry for entry in entries if entry.what == "seeds"]
    total = collections.Counter()
    for entry in seeds:
        total.update(counts_of(entry))
    passed, failed = (sum(int(getattr(entry, name)) for entry in seeds)
                      for name in ("passed", "failed"))
    hours = sum(float(entry.seconds) for entry in seeds) / 3600
    lines = ["| what | sum |", "| --- | ---: |",
             f"| seeds run | {thousands(passed + failed)} |", f"| of them failed | {thousands(failed)} |",
             f"| scheduler steps | {thousands(total['steps'])} |",
             f"| operations of simulated programs | {thousands(total['operations'])} |",
             f"| hard faults | {thousands(total['fault_hard'])} |",
             f"| in-page errors that had to be | {thousands(total['fault_in_page_error'])} |",
             f"| invariant checks | {thousands(total['checks'])} |",
             f"| hours | {hours:.1f} |", "", "Errors injected, by class:", "",
             "| class | number |", "| --- | ---: |"]
    lines += [f"| {name.removeprefix('injected_').replace('_', ' ')} | {thousands(value)} |"
              for name, value in total.items() if name.startswith("injected_")]
    newest = [entry for entry in seeds if entry.commit == seeds[-1].commit]
    since = sum(int(entry.passed) for entry in newest)
    if since and all(entry.failed == "0" for entry in newest):
        lines += ["", f"All {thousands(since)} seeds of the newest commit, {newest[-1].commit}, passed. By the rule of three, "
                  f"at 95 % confidence fewer than 3 in {thousands(since)} seeds fail there ({3 / since:.1e} a seed)."]
    lines += ["", "A seed that failed is named in the message of the commit that mended what it found."]
    return lines


def move_lines(entries):
    """How many worlds made each legal move; only the lines that counted them."""
    counted = [entry for entry in entries if entry.what == "seeds" and "move_" in entry.counts]
    if not counted:
        return []
    total = collections.Counter()
    for entry in counted:
        total.update({name.removeprefix("move_").replace("_to_", " to "): value
                      for name, value in counts_of(entry).items() if name.startswith("move_")})
    worlds = sum(int(entry.passed) + int(entry.failed) for entry in counted)
    never = [name for name, value in total.items() if value == 0]
    return ["", "Legal moves of a frame (docs/states.md) and of a PTE (src/engine/pte.h), and how many of "
            f"{thousands(worlds)} worlds made each. "
            + (f"Never made: {', '.join(never)}." if never else "Each was made."),
            "", "| move | worlds |", "| --- | ---: |"] + [
            f"| {name} | {thousands(value)} |" for name, value in total.items()]


def other_lines(entries):
    lines = ["| what | result | commit | date |", "| --- | --- | --- | --- |"]
    scenarios = latest(entries, "scenarios")
    if scenarios:
        counts = counts_of(scenarios)
        lines.append(f"| micro-scenarios | {scenarios.passed} good, {scenarios.failed} failed: "
                     f"{thousands(counts.get('paths', 0))} schedules in order, "
                     f"{thousands(counts.get('priority', 0))} by priority, "
                     f"{thousands(counts.get('random', 0))} at random | {scenarios.commit} | {scenarios.date} |")
    torture = latest(entries, "torture")
    if torture:
        counts = counts_of(torture)
        lines.append(f"| torture of the Linux machine, {torture.detail} | "
                     f"{'good' if torture.failed == '0' else 'FAILED'}: {thousands(counts.get('evictions', 0))} "
                     f"evictions, {thousands(counts.get('forks', 0))} forks, "
                     f"{thousands(counts.get('signals', 0))} signals | {torture.commit} | {torture.date} |")
    whole = latest(entries, "whole")
    if whole:
        lines.append(f"| {whole.detail} as a whole | {whole.passed} passed, {whole.failed} failed, "
                     f"{counts_of(whole)['skipped']} refused by the system | {whole.commit} | {whole.date} |")
    mutants = latest(entries, "mutants")
    if mutants:
        lines.append(f"| planted bugs | {mutants.passed} killed, {mutants.failed} alive | {mutants.commit} | "
                     f"{mutants.date} |")
    coverage = latest(entries, "coverage")
    if coverage:
        taken, missed = int(coverage.passed), int(coverage.failed)
        lines.append(f"| branches of the engine taken | {taken} of {taken + missed}, "
                     f"{100 * taken / (taken + missed):.1f} % | {coverage.commit} | {coverage.date} |")
    return lines


def write_page():
    entries = read_ledger()
    PAGE.write_text("\n".join(
        ["# What was run, and what it bounds", "",
         "Generated by `./dev trust` from [trust/ledger.tsv](trust/ledger.tsv), which has a line for each piece of work.", "",
         "## Simulated worlds", "",
         "`memman sim`: the engine, the soft machine and the stores as they ship, in worlds drawn from seeds. A step is a",
         "place where the world could run somebody else.", ""]
        + seed_lines(entries) + move_lines(entries) + ["", "## Everything else, last time", ""] + other_lines(entries)) + "\n")
    return 0


def main(arguments):
    try:
        match arguments:
            case ["seeds", minutes, build]:
                return run_seeds(float(minutes), pathlib.Path(build))
            case ["scenarios", build]:
                return run_scenarios(pathlib.Path(build))
            case ["torture", seconds, build]:
                return run_torture(int(seconds), pathlib.Path(build))
            case ["whole", build]:
                return run_whole(pathlib.Path(build))
            case ["coverage", build]:
                return read_coverage(pathlib.Path(build))
            case ["mutants", file]:
                return read_mutants(pathlib.Path(file))
            case ["page"]:
                return write_page()
            case ["help" | "--help" | "-h"]:
                print(__doc__)
                return 0
    except (ValueError, OSError) as error:
        print(f"trust: {error}", file=sys.stderr)
        return 2
    print(f"trust: '{' '.join(arguments)}' is no work that is known; trust.py help", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
