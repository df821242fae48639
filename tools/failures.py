#!/usr/bin/env python3
"""failures.py - which tests of meson's last run failed, and the end of what each one said.

Usage: failures.py BUILD LINES
Exit: 0 done, 2 usage or no log.
"""
import json
import pathlib
import sys

BAD = ("FAIL", "TIMEOUT", "ERROR", "INTERRUPT", "UNEXPECTEDPASS")


def end_of(test, lines):
    said = [line for stream in ("stdout", "stderr") for line in (test.get(stream) or "").splitlines()]
    return said[-lines:]


def main(arguments):
    try:
        build, lines = pathlib.Path(arguments[0]), int(arguments[1])
        log = (build / "meson-logs" / "testlog.json").read_text()
    except (IndexError, ValueError):
        print("usage: failures.py BUILD LINES", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"---- {build.name}: meson left no log of its tests: {error.strerror}")
        return 2
    for test in map(json.loads, log.splitlines()):
        if test["result"] in BAD:
            print(f"---- {build.name}: {test['name']}: {test['result']} after {test['duration']:.1f} s")
            print("\n".join(end_of(test, lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
