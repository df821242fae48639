#!/bin/sh
# seeds_test.sh - the worlds of many seeds pass, and together they make every legal move.
#
# Usage: seeds_test.sh MEMMAN FIRST..LAST. A move of a frame or a PTE that is on the list of legal ones
# (src/engine/states.h, src/engine/pte.h) and that no world made is a failure: nothing looks at it.
# Exit: 0 good, 1 a world failed or a move was not made, 2 usage.
set -u

memman=${1:?usage: seeds_test.sh MEMMAN FIRST..LAST}
seeds=${2:?usage: seeds_test.sh MEMMAN FIRST..LAST}
report=$(mktemp) || exit 1
trap 'rm -f "$report"' EXIT

"$memman" sim --seeds "$seeds" --json "$report" || exit 1
python3 - "$report" <<'PYTHON'
import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)
never = report["moves_never_made"]
if len(report["moves"]) < 40:
    sys.exit(f"only {len(report['moves'])} moves are counted; there were 40 when this was written")
if never:
    sys.exit(f"no world made these legal moves: {', '.join(never)}; let the simulator make them "
             "(src/sim/users.c, src/sim/draw.c), or take them off the list")
PYTHON
