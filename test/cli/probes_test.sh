#!/bin/sh
# probes_test.sh - docs/probes.md lists the probes that are in what is built, with their arguments.
#
# Usage: probes_test.sh DOCUMENT BINARY...   with none in the document's place: no binary has any.
# Exit: 0 all passed, 1 some failed, 2 usage.
set -u

document=${1:?usage: probes_test.sh DOCUMENT BINARY...}
shift
. "$(dirname "$0")/../check.sh"

# probes_in BINARY: each probe's name and how many arguments it has, once
probes_in()
{
    LC_ALL=C readelf -n "$1" 2>/dev/null | awk '
        $1 == "Provider:" { ours = $2 == "memman" }
        $1 == "Name:" { name = $2 }
        $1 == "Arguments:" && ours { print name, NF - 1 }' | LC_ALL=C sort -u
}

if [ "$document" = none ]; then
    : >"$folder/wanted"
else
    # | `name` | argument, argument | ...
    awk -F '|' '$2 ~ /^ `[a-z_]+` $/ { gsub(/[ `]/, "", $2); print $2, split($3, arguments, ",") }' \
        "$document" | LC_ALL=C sort -u >"$folder/wanted"
    check "$document lists probes" [ -s "$folder/wanted" ]
fi
for binary in "$@"; do
    probes_in "$binary" >"$out"
    diff "$folder/wanted" "$out" >"$err"
    check "$binary: its probes and those of the document" [ $? -eq 0 ]
done
report
