#!/bin/sh
# scaling_test.sh - the scaling benchmark and the author's configuration: every row, and the same in JSON.
#
# Usage: scaling_test.sh MEMMAN-BENCH. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

bench=${1:?usage: scaling_test.sh MEMMAN-BENCH}
. "$(dirname "$0")/../test/check.sh"
little='--threads 1,3 --repeats 2 --accesses 600 --frames 64'

# shellcheck disable=SC2086 # $little is words
ends 0 "$bench" scaling --machine soft $little --json "$folder/lines" --commit 0123abc
check 'scaling: both kinds' [ "$(grep -cE '^soft machine, (strong|weak): 256 KiB of frames' "$out")" -eq 2 ]
check 'scaling: a row for each number of threads' [ "$(grep -cE '^ +[13]  ' "$out")" -eq 4 ]
# shellcheck disable=SC2086
ends 0 "$bench" author $little --json "$folder/lines"
check 'author: is held to the claim' grep -qE '^ +1  .*  must 1.03 holds$' "$out"
check 'author: as much memory as frames and slots hold' grep -q "author's: 256 KiB of frames, 600" "$out"
# shellcheck disable=SC2086
ends 0 "$bench" author --cold $little
check 'author: says when it starts cold' grep -q ', cold, 2 rounds' "$out"

if python=$(command -v python3); then
    check 'JSON says what the table says' "$python" -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert [r["threads"] for r in rows] == [1, 3] * 3, rows
assert [r["row"].split(": ")[0] for r in rows] == ["scaling"] * 4 + ["author"] * 2, rows
assert rows[0]["commit"] == "0123abc" and rows[4]["commit"] == "unknown"
for r in rows:
    assert r["cpus"] > 0 and r["kernel"] and r["machine"] and r["repeats"] == 2
    for key in ("seconds", "accesses_per_second", "cpu_ns", "seconds_ratio", "rate_ratio", "cpu_ratio"):
        assert 0 < r[key + "_min"] <= r[key] <= r[key + "_max"], (key, r)
    if r["threads"] == 1: # it is compared with itself
        assert r["seconds_ratio"] == r["rate_ratio"] == r["cpu_ratio"] == 1, r
    # Of strong scaling all threads together make so many accesses, else each of them.
    done = 600 * (1 if "strong" in r["row"] else r["threads"])
    assert abs(r["accesses_per_second_max"] * r["seconds_min"] / done - 1) < 0.01, r
' "$folder/lines" 2>"$err"
fi

for words in 'scaling --threads 0' 'scaling --threads 1,,2' 'scaling --threads 1,2,' 'scaling --threads 65' \
    'scaling --threads 1,1,1,1,1,1,1,1,1' 'scaling --machine hard' 'scaling --repeats 32' \
    'scaling --cold' 'scaling --accesses' 'author --frames 63' 'author --frames 1x' 'author more'; do
    # shellcheck disable=SC2086 # a list of words
    refuses 2 "${words%% *} '${words#* }" "$bench" $words
done
report
