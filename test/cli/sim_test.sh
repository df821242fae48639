#!/bin/sh
# sim_test.sh - memman sim from outside: refusals, exit codes, repetition, traces, JSON, shrinking.
#
# Usage: sim_test.sh MEMMAN [MUTANTS]: MUTANTS is a memman-sim with planted bugs, one of which must be
# found and made small. Prints each check that failed. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

memman=${1:?usage: sim_test.sh MEMMAN [MUTANTS]}
mutant=${2-}
. "$(dirname "$0")/../check.sh"

# refused WORDS ARGUMENTS...
refused()
{
    named=$1
    shift
    refuses 2 "$named" "$memman" sim "$@"
}

# ---- refusals ----

refused --nonsense --nonsense 1
refused word word
refused --frames --frames
refused '--frames 0' --frames 0
refused --tlb=3 --tlb=3
refused 'one of random|pct' --strategy best
refused 5..1 --seeds 5..1
refused 1..x --seeds 1..x
refused '--seed -1: must be' --seed -1
refused '--seeds 3..2: must be' --seeds 3..2
refused '--seed: the seeds are given already' --seed 1 --seed 2
refused '--seeds: the seeds are given already' --seed 1 --seeds 1..2
refused '--seed: the seeds are given already' --seeds 1..2 --seed 1
refused '--seeds: the seeds are given already' --seeds 1..2 --seeds 3..4
refused '--trace: one page or frame' --trace page:1 --trace page:1
refused '--trace page:x: must be' --trace page:x
refused '--json=: must be' --json=
refused '--seed: needs a value' --seed
refused 'no such option' "--a
b"
refused disk:1 --trace disk:1
refused --trace --seeds 1..2 --trace page:1
refused --shrink --seeds 1..2 --shrink
refused 'numbered from 0' --memory 8K --trace page:2
refused --cpus --cpus 2 --shrink
refused 0,1 --cpus 0,1
refused '--cpus 1,: must be' --cpus 1,
refused 'up to 16 numbers' --cpus 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
refused '--cpus: is given twice' --cpus 1 --cpus 2
refused '--threads: is not for --cpus' --cpus 1 --threads 2
refused '--fault-lost: is not for --cpus' --cpus 1 --fault-lost 1
refused '--faults: is not for --cpus' --faults none --cpus 1
refused '--pagefile: too small' --cpus 1,2 --pagefile 4K
refused some --faults some
refused --quiet=1 --quiet=1

# ---- it is found beside memman, or missed with a word ----

cp "$memman" "$folder/memman"
ends 3 "$folder/memman" sim --seed 1
check 'a missing memman-sim is named' grep -qF 'memman-sim cannot be run' "$err"
ends 0 "$memman" sim --help
check 'the help lists what is drawn' grep -qF -e '--switch-chance' "$out"
cp "$out" "$folder/first"
ends 0 "$memman" sim --seeds 1..2 -h
check '-h is --help' cmp -s "$out" "$folder/first"
check 'memman help names sim' sh -c "'$memman' help | grep -q 'memman sim'"

# ---- one world ----

ends 0 "$memman" sim --seed 7
cp "$out" "$folder/first"
ends 0 "$memman" sim --seed 7
check 'the same seed is the same run' cmp -s "$out" "$folder/first"
ends 0 "$memman" sim --seed 8
check 'another seed is another run' sh -c "! cmp -s '$out' '$folder/first'"
ends 0 "$memman" sim --seed 7 --threads 3 --frames 32K --trimmers 2 --policy fifo
check 'what is given is not drawn' grep -qF 'frames 32K' "$out"
ends 0 "$memman" sim --seed 7 --faults none --quiet
check 'quiet is one line' [ "$(wc -l <"$out")" -eq 1 ]
check 'no faults, none injected' grep -qF ' 0 injected faults' "$out"
ends 0 "$memman" sim --seed 3 --quiet --threads 4 --frames 64K --memory 512K --pagefile 1M --pagefile-start 1M \
    --op-write 50 --operations 300 --fault-lost 200000 --fault-write-error 200000
check 'faults that are asked for are injected' sh -c "! grep -qF ' 0 injected faults' '$out'"
for order in '--faults none --fault-slow 200000' '--fault-slow 200000 --faults none'; do
    # shellcheck disable=SC2086 # words of a command
    ends 0 "$memman" sim --seed 3 --quiet --threads 4 --frames 64K --memory 512K --pagefile 1M --pagefile-start 1M \
        --op-write 50 --operations 300 $order
    check "$order: of the classes that are given only" grep -qE ' [0-9]+ injected faults \([0-9]+ slow\)' "$out"
done
ends 0 "$memman" sim --seed 7 --shrink --quiet
check 'a good seed is not made small, with a word' grep -qF 'seed 7 passes' "$err"

# ---- many ----

ends 0 "$memman" sim --seeds 100..140 --json -
check 'JSON is JSON, and all passed' python3 -c "
import json, sys
r = json.load(open(sys.argv[1]))
assert r['seeds'] == {'first': 100, 'last': 140, 'passed': 41, 'failed': 0}, r['seeds']
assert r['steps'] > 41 * 500 and r['faults']['hard'] > 0 and r['failures'] == []
" "$out"
ends 3 "$memman" sim --seeds 1..1000000000 --quiet --json "$folder/none/none"
check 'a file that cannot be written is named before the work' grep -qF "$folder/none/none: cannot be opened" "$err"

# ---- legal moves that were made, and those that were not ----

ends 0 "$memman" sim --seeds 1..20 --op-retire 0 --json "$folder/moves"
check 'a move that no world made is named' grep -q '; never: .*RETIRE, RETIRE_ZEROED' "$out"
check 'moves are counted, by worlds' python3 -c "
import json, sys
r = json.load(open(sys.argv[1]))
moves, never = r['moves'], r['moves_never_made']
assert never == [name for name in moves if moves[name] == 0], never
assert 10 < moves['TRIM'] <= 20 and 10 < moves['VALID to TRANSITION'] <= 20, moves
assert 'RETIRE' in never and 'TRIM' not in never, never
" "$folder/moves"
ends 1 "$(dirname "$0")/../sim/seeds_test.sh" "$memman" 1..2
check 'and fail the test of all seeds' grep -q 'no world made these legal moves: ' "$err"

# ---- the life of a page, and of a frame ----

ends 0 "$memman" sim --seed 7 --frames 16K --memory 64K --pagefile 128K --pagefile-start 128K --threads 4 \
    --op-write 50 --op-commit 0 --op-reserve 0 --op-protect 0 --operations 200 --faults none \
    --trace page:0 --workload uniform
check 'a page becomes active' grep -q 'PTE of page 0: .* -> valid, frame ' "$out"
check 'a page is trimmed, with the reason' grep -q 'ACTIVE -> TRANSITION  TRIM (' "$out"
"$memman" sim --seed 3 --trace page:0 2>"$err" | head -n 1 >/dev/null
check 'who stops reading a trace hears of no crash' [ ! -s "$err" ]
check 'a page gets a slot' grep -q 'PTE of page 0: .*page file, slot ' "$out"
ends 0 "$memman" sim --seed 7 --frames 16K --memory 64K --pagefile 128K --pagefile-start 128K --threads 4 \
    --op-write 50 --operations 200 --faults none --trace frame:1 --workload uniform
check 'a frame moves' grep -q 'frame 1: .* -> ACTIVE' "$out"
check 'of one frame only' sh -c "! grep -q 'frame 2: ' '$out'"

# ---- predictions ----

ends 0 "$memman" sim --cpus 1,2 --operations 200
check 'a row for each number' [ "$(grep -c '^ *[12] ' "$out")" -eq 2 ]
check 'the first is what others are compared with' grep -q ' 1\.000$' "$out"
check 'the costliest line is named' grep -qE '^ *2 .*   [a-zA-Z].*: [0-9.]+ %$' "$out"
ends 0 "$memman" sim --cpus 2 --operations 100 --quiet --json "$folder/cpus"
check 'quiet is one row' [ "$(wc -l <"$out")" -eq 1 ]
check 'and in JSON' python3 -c "
import json, sys
one, two = json.load(open(sys.argv[1]))['cpus']
assert one['costliest_line'] == '' and one['costliest_line_ns'] == 0, one
assert two['costliest_line'] != '' and 0 < two['costliest_line_ns'] < two['cpu_ns_per_access'] * two['accesses'], two
" "$folder/cpus"

# ---- a planted bug is found, named, repeated and made small ----

if [ -n "$mutant" ]; then
    export MEMMAN_MUTANT=TRIM_DROPS_MODIFIED
    ends 1 "$mutant" --seeds 1..60 --quiet
    check 'the command begins as this program was called' grep -qF "repeat with: $mutant --seed " "$err"
    command=$(sed -n 's/.*repeat with: [^ ]* //p' "$err" | head -n 1)
    mkdir "$folder/built"
    cp "$memman" "$folder/built/memman"
    cp "$mutant" "$folder/built/memman-sim"
    ends 1 "$folder/built/memman" sim --seeds 1..60 --quiet
    check 'also when it is memman' grep -qF "repeat with: $folder/built/memman sim --seed " "$err"
    check 'the failure comes with a command' [ -n "$command" ]
    # shellcheck disable=SC2086 # words of a command
    ends 1 "$mutant" $command --quiet
    cp "$err" "$folder/first"
    # shellcheck disable=SC2086
    ends 1 "$mutant" $command --quiet
    check 'it is the same failure' cmp -s "$err" "$folder/first"
    # shellcheck disable=SC2086
    ends 1 "$mutant" $command --shrink
    small=$(sed -n 's/.*repeat with: [^ ]* //p' "$err" | head -n 1)
    check 'the small world has few users' grep -qE 'threads [1-4]$' "$out"
    # shellcheck disable=SC2086
    ends 1 "$mutant" $small --quiet
    check 'the small command repeats it' sh -c "sed 's/; repeat.*//' '$err' | grep -q 'memman: seed'"
fi

report
