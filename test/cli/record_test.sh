#!/bin/sh
# record_test.sh - `memman record` from outside.
#
# Usage: record_test.sh MEMMAN TOUCHES. Exit: 0 all passed, 1 some failed, 2 usage, 77 the options
# are good, but nothing can be recorded here.
set -u

memman=${1:?usage: record_test.sh MEMMAN TOUCHES}
touches=${2:?usage: record_test.sh MEMMAN TOUCHES}
. "$(dirname "$0")/../check.sh"
t=$folder/t.mmt

refuses 2 'give -o FILE' "$memman" record -- true
refuses 2 'of what?' "$memman" record -o "$t"
refuses 2 '--filter 3: must be 0, or a power of two' "$memman" record --filter 3 -o "$t" -- true

if ! command -v qemu-x86_64 >"$out" || [ ! -e "$(dirname "$memman")/memman-record.so" ]; then
    echo 'no QEMU here, or no plugin: nothing is recorded'
    report || exit 1
    exit 77
fi
echo text >"$folder/text"
refuses 127 'not found' "$memman" record -o "$t" -- "$folder/nowhere"
refuses 126 'cannot be run' "$memman" record -o "$t" -- "$folder/text"

# recorded EXIT WORDS...: a run is recorded, and described into $out
recorded()
{
    wanted=$1
    shift
    ends "$wanted" "$memman" record -o "$t" "$@" || return
    cp "$err" "$folder/said"
    ends 0 "$memman" trace info "$t"
}

# holds EXPRESSION: true in awk, with r[THREAD] references, w[THREAD] writes of threads, and references,
# accesses, pages and threads of all
holds()
{
    check "$1" awk '{ gsub(",", "") } $1 ~ /^[a-z]+$/ { all[$1] = $2 }
        $1 ~ /^[0-9]+$/ { r[$1] = $2; w[$1] = $4 }
        END { references = all["references"]; accesses = all["accesses"]; pages = all["pages"]
            threads = all["threads"]; page = all["page"]; exit !('"$1"') }' "$out"
}

# Three times 1024 pages; the loader's own come to some hundreds.
recorded 1 -- "$touches" read 1
holds 'r[1] >= 3072 && r[1] < 3200 && w[1] < 100'
recorded 1 -- "$touches" write 1
holds 'w[1] >= 3072 && r[1] < 3200'
recorded 1 -- "$touches" read-write 1
holds 'w[1] >= 3072 && w[1] < 3200 && r[1] >= 6144 && r[1] < 6400'
recorded 1 --filter 0 -- "$touches" write 1
holds 'w[1] >= 3 * 65536 && accesses >= references && references >= 3 * 65536'
recorded 1 --filter 4096 -- "$touches" write 1
holds 'r[1] >= 1024 && r[1] < 1300'
recorded 3 --page 64K -- "$touches" write 3
holds 'page == 65536 && threads == 4 && r[1] >= 192 && r[2] >= 192 && r[3] >= 192 && r[3] < 300'
recorded 1 --references 500 -- "$touches" write 1
holds 'references == 500'
recorded 1 -- "$touches" fork 1
holds 'references < 2000 && threads == 1'
check 'says so' grep -qF 'started others 1 time' "$folder/said"

# A script; a program that becomes another, which is not in the trace; one that cannot.
printf '#!%s write\n' "$touches" >"$folder/script"
chmod +x "$folder/script"
recorded 0 -- "$folder/script"
recorded 1 -- sh -c "exec $touches write 1"
holds 'references < 3000'
check 'says so' grep -qF 'became another' "$folder/said"
recorded 126 -- sh -c "exec $folder/text"
check 'says nothing' [ "$(grep -c 'memman' "$folder/said")" -eq 1 ]

# Killed: the trace is whole up to there.
recorded 137 -- sh -c 'kill -9 $$'
check 'says so' grep -qF 'was killed' "$folder/said"
# Whoever ends the recorder means the program.
# shellcheck disable=SC2016 # for the other shell
recorded 7 -- sh -c 'trap "exit 7" TERM; kill -TERM $PPID; while :; do sleep 0.1; done'
# The files that a program has in place of ours stay as they are.
recorded 1 --filter 0 -- "$touches" files-write 1
check 'nothing else is left' [ "$(ls "$folder" | wc -l)" -eq 6 ]
report
