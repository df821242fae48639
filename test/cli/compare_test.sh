#!/bin/sh
# compare_test.sh - `memman compare` from outside: refusals, tables, what is known to differ, signals.
#
# Usage: compare_test.sh MEMMAN [MEMMAN-MUTANTS]. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

memman=${1:?usage: compare_test.sh MEMMAN [MEMMAN-MUTANTS]}
mutants=${2-}
. "$(dirname "$0")/../check.sh"

small='--machine soft --memory 1M --frames 256K --threads 2 --accesses 500 --rounds 6'

# refused STATUS WORD ARGUMENTS...
refused()
{
    wanted=$1
    named=$2
    shift 2
    refuses "$wanted" "$named" "$memman" compare "$@"
}

# compared ARGUMENTS...
compared()
{
    ends 0 "$memman" compare "$@"
}

# shows TEXT WHAT: what was printed has it
shows()
{
    check "$2: no '$1'" grep -qF -e "$1" "$out"
}

# json EXPRESSION: true in Python, with the last report as r and its configurations by name as c
json()
{
    [ "$python" ] || return
    check "json: $1" "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
c = {x["name"]: x for x in r["configurations"]}
sys.exit(0 if eval(sys.argv[2]) else 1)' "$folder/json" "$1" 2>"$err"
}

test_refusals()
{
    refused 2 'give --ablate, or --vary'
    refused 2 'cannot go together' --ablate --vary policy=fifo,aging
    refused 2 'did you mean trim-batch' --ablate=trimbatch
    refused 2 'there are trim-batch, write-batch' --ablate=nonsense
    refused 2 --ablate= --ablate=
    refused 2 word --ablate word
    refused 2 'needs a value' --vary
    refused 2 'needs values' --vary policy
    refused 2 'no such option' --vary polic=fifo,aging
    refused 2 'no such option; did you mean --rounds' --round 9
    refused 2 'cannot be varied' --vary seed=1,2
    refused 2 'cannot be varied' --vary json=a,b
    refused 2 'varied already' --vary policy=fifo --vary policy=aging
    refused 2 '--vary trim-batch=x' --vary trim-batch=1,x
    refused 2 "--vary trim-batch=" --vary trim-batch=1,
    refused 2 '1 configurations' --vary policy=fifo
    refused 2 '66 configurations' --vary threads=1,2,3 --vary trim-batch=1,2,3,4,5,6,7,8,9,10,11 \
        --vary writers=1,2
    refused 2 --policy --vary policy=fifo,aging --policy fifo
    refused 2 "policy 'age9'" $small --vary policy=fifo,age9
    refused 2 'no such key' $small --vary workload=uniform,zipf:x=1
    refused 2 'give --machine soft' --ablate=tlb --machine linux --memory 1M --accesses 1
    refused 2 'give --machine linux' --ablate=transfer-batch --machine soft --memory 1M --accesses 1
    refused 2 --slot-map --ablate --slot-map "$folder/map"
    refused 2 '--seconds: cannot go with --accesses' --ablate --seconds 1 --accesses 1
    for rounds in 0 5 1001 x ''; do
        refused 2 "--rounds $rounds" --ablate --rounds "$rounds"
    done
    refused 3 "$folder/none/x" $small --ablate --json "$folder/none/x"
}

# Every mechanism that is an option has its row, and every row is whole.
test_ablation()
{
    compared $small --ablate || return
    cp "$out" "$folder/table"
    for row in 'as given' 'the same again' '--trim-batch 1' '--write-batch 1' '--region-ptes 1' \
        '--tlb 0' '--fault-around 8' '--list-colours 4' '--balance faults' '--list-lock exclusive' '--backoff off' '--dirty-bit off' \
        '--map-writable on' '--slot-search first-fit' '--slot-reservation 1' '--policy fifo' \
        '--zeroers 0' '--defragmenters 1'; do
        check "row $row" grep -qE -e "^$row +[0-9]+\.[0-9]+ " "$folder/table"
    done
    check 'no line of the table is longer than 99' sh -c "! grep -E '^.{100}' '$folder/table'"
    check 'no blanks at the end of a line' sh -c "! grep -q ' \$' '$folder/table'"
    for text in 'seeds 1 to 6' '500 accesses a thread' '6 rounds' '96.9 % confidence' 'I/Os'; do
        shows "$text" ablation
    done
    # All caches together are an eighth of the frames, of 64 not one for each.
    shows 'Left out, the same as given here: --frame-cache 32' ablation
}

# Sixteen pages a read, or one, where a read takes 100 us.
test_known_difference()
{
    compared --machine soft --memory 8M --frames 4M --threads 1 --accesses 6000 --rounds 6 \
        --workload sequential --write-ratio 1 --store ram:latency=100000 --verify off \
        --vary read-cluster=16,1 --json - || return
    mv "$out" "$folder/json"
    : >"$out"
    json 'r["rounds"] == 6 and 0.96 < r["confidence"] < 0.97 and len(c) == 2'
    json '[m for m in [c["--read-cluster 1"]["measures"]["wall_ns"]["ratio"]] if
        m["differs"] and m["low"] > 1.5 and m["low"] <= m["median"] <= m["high"]]'
    json 'c["--read-cluster 1"]["measures"]["ios"]["ratio"]["low"] > 4'
    json 'c["--read-cluster 16"]["measures"]["wall_ns"]["ratio"]["differs"] is False'
    json 'all([x["seed"] for x in v["runs"]] == [1, 2, 3, 4, 5, 6] for v in c.values())'
    json 'all(sorted(v["runs"][i]["place"] for v in c.values()) == [1, 2] for i in range(6))'
    json 'len({v["runs"][i]["place"] for i in range(6) for v in c.values()}) == 2'
    json '[f for f in [c["--read-cluster 1"]["config"]] if f["read_cluster"] == 1
        and f["accesses"] == 6000 and f["seed"] == 1]'
}

# The same seed is the same work: how often one thread touches a page first is in the seed alone.
test_same_work()
{
    compared --machine soft --memory 64M --threads 1 --accesses 3000 --write-ratio 1 --rounds 6 \
        --seed 5 --vary policy=aging,fifo --json "$folder/json" || return
    json '[r for a in [c["--policy aging"]["runs"]] for b in [c["--policy fifo"]["runs"]] if
        [x["demand_zero"] for x in a] == [x["demand_zero"] for x in b]
        and len({x["demand_zero"] for x in a}) > 1 and a[0]["seed"] == 5]'
    # A value with a comma, and what each row changes.
    compared --machine soft --memory 1M --accesses 500 --rounds 6 --vary "store=ram,file:$folder/pages,,io=sync" --vary threads=1,2 \
        --json "$folder/json" || return
    json 'list(c)[3].endswith("/pages,io=sync --threads 2") and len(c) == 4'
    json 'list(c.values())[3]["config"]["threads"] == 2'
    check 'a long name has a line of its own' grep -qE '^--store file:.*,io=sync --threads 2$' "$out"
    compared --machine soft --memory 1M --rounds 6 --vary accesses=300,400
    shows '6 rounds of 300 accesses a thread' 'what is varied'
    compared $small --quiet --vary policy=fifo,aging
    check 'quiet: a row each and two of heading' [ "$(wc -l <"$out")" -eq 4 ]
    # Left to itself the frame cache is smaller with many threads: it is said.
    compared --machine soft --memory 4M --frames 2M --accesses 100 --rounds 6 --vary threads=1,50
    shows '--threads 50 has other defaults too: --frame-cache' 'other defaults'
}

# What goes wrong in a run is its exit code, its line, and which configuration it was.
test_wrong()
{
    if [ -z "$mutants" ]; then
        echo 'note: no build with planted bugs, so no run goes wrong'
        return
    fi
    MEMMAN_MUTANT=TRIM_DROPS_MODIFIED ends 1 "$mutants" compare $small --write-ratio 1 \
        --vary policy=fifo,aging
    check 'wrong: nothing is compared' [ ! -s "$out" ]
    check 'wrong: the run that repeats it' grep -q 'repeat with: memman run .*--seed 1' "$err"
    check 'wrong: which one' grep -q 'compare: --policy .*: round 1 of 6 failed' "$err"
}

# The run that is under way; between two there is none.
child_of()
{
    for i in 1 2 3 4 5 6 7 8 9 10; do
        read -r first 2>/dev/null <"/proc/$1/task/$1/children" && break
        sleep 0.05
    done
    echo "${first-}"
}

# stopped SIGNAL SECONDS-OF-A-RUN: leaves $got, $out and $err
stopped()
{
    "$memman" compare --machine soft --memory 4M --rounds 6 --seconds "$2" --vary policy=fifo,aging \
        >"$out" 2>"$err" &
    process=$!
    sleep 2
    child=$(child_of $process)
    "${3:-interrupt}" "$1"
    wait $process 2>/dev/null
    got=$?
    checks=$((checks + 1))
}

interrupt()
{
    kill -"$1" $process
}

kill_child()
{
    kill -"$1" $child
}

# However early: from before the first run can listen to in the middle of the first round.
test_early_signals()
{
    for delay in 0.02 0.04 0.06 0.08 0.1 0.13 0.16 0.2 0.25 0.3; do
        "$memman" compare $small --ablate >"$out" 2>"$err" &
        process=$!
        sleep $delay
        interrupt TERM
        wait $process 2>/dev/null
        got=$?
        # Before it listens itself it dies of it, which is 143 here.
        check "SIGTERM after $delay s: exit $got" [ $got -eq 0 -o $got -eq 143 ]
        [ $got -eq 143 ] || check "SIGTERM after $delay s: one line" [ "$(wc -l <"$err")" -eq 1 ]
    done
}

test_signals()
{
    stopped INT 60
    [ $got -eq 0 ] || fail "SIGINT: exit $got"
    check 'stopped in the first round' grep -q 'before one round was whole' "$err"
    [ -z "$child" ] || check 'its run is gone' [ ! -d "/proc/${child%% *}" ]
    stopped TERM 0.4
    [ $got -eq 0 ] || fail "SIGTERM: exit $got"
    shows '(interrupted)' 'stopped after a round'
    shows '[?] fewer than 6 rounds have no 95 % interval' 'stopped after a round'
    if [ "$child" ]; then
        stopped KILL 60 kill_child
        [ $got -eq 1 ] || fail "a run was killed: exit $got"
        check 'a run was killed: it is said' grep -q 'ended by signal 9' "$err"
        stopped KILL 60
        for i in 1 2 3 4 5 6 7 8 9 10; do [ -d "/proc/${child%% *}" ] && sleep 0.3; done
        check 'a run does not outlive the comparison' [ ! -d "/proc/${child%% *}" ]
    else
        echo 'note: no list of children in /proc, so no run is killed'
    fi
}

test_linux()
{
    "$memman" run --machine linux --memory 1M --accesses 1 --quiet >"$out" 2>"$err"
    if [ $? -eq 3 ]; then
        echo "note: no Linux machine here: $(head -n 1 "$err")"
        return
    fi
    compared --machine linux --memory 4M --frames 1M --threads 2 --accesses 500 --rounds 6 \
        --ablate=region-ptes,fault-around,map-writable,policy
    check 'a row each, the first, and that again' [ "$(grep -c '\[.*\..*,' "$out")" -eq 5 ]
    check 'off is the other end of what is on' grep -q -e '^--fault-around 1 ' "$out"
    shows '--map-writable off' 'ablation on linux'
    shows '--policy aging' 'ablation on linux'
    shows '--region-ptes 1 has other defaults too: --fault-around 1' 'ablation on linux'
}

python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || {
    python=
    echo 'note: no python3, so the JSON reports are not read'
}
test_refusals
test_ablation
test_known_difference
test_same_work
test_wrong
test_early_signals
test_signals
test_linux
report
