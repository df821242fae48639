#!/bin/sh
# cli_test.sh - the memman command from outside: refusals, runs, reports, signals, exit codes.
#
# Usage: cli_test.sh MEMMAN. Prints each check that failed, and what it saw. Exit: 0 all passed,
# 1 some failed, 2 usage.
set -u

memman=${1:?usage: cli_test.sh MEMMAN}
. "$(dirname "$0")/../check.sh"

# Small enough for every machine, larger than its frames.
small='--memory 2M --frames 512K --threads 2 --accesses 5000'
light='--memory 2M --frames 512K --threads 2 --accesses 800'

# status WANTED ARGUMENTS...
status()
{
    wanted=$1
    shift
    ends "$wanted" "$memman" "$@"
}

# expect TEXT FILE WHAT: the file has the text.
expect()
{
    check "$3: no '$1'" grep -qF -e "$1" "$2"
}

# refused STATUS WORD ARGUMENTS...
refused()
{
    wanted=$1
    named=$2
    shift 2
    refuses "$wanted" "$named" "$memman" "$@"
}

# json FILE EXPRESSION: true in Python, with the report as r.
json()
{
    [ "$python" ] || return
    check "json: $2" "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$1" "$2" 2>"$err"
}

# ---- refusals ----------------------------------------------------------------------------------

test_usage()
{
    refused 2 'no command'
    refused 2 'did you mean run' rum
    refused 2 nonsense nonsense
    refused 2 'did you mean --threads' run --thread 4
    refused 2 --nonsense run --nonsense
    refused 2 --nonsense=1 run --nonsense=1
    refused 2 word run word
    refused 2 "'memman help'" run --
    refused 2 --threads run --threads
    refused 2 --quiet=1 run --quiet=1
    refused 2 --accesses run --accesses 5 --seconds 1
    refused 2 "store 'disk:/x'" run --store disk:/x
    refused 2 nonsense run --machine nonsense
    refused 2 nonsense run --faults nonsense
    refused 2 nonsense run --policy nonsense
    refused 2 nonsense run --list-lock nonsense
    refused 2 nonsense run --backoff=nonsense
    refused 2 nonsense run --dirty-bit nonsense
    refused 2 nonsense run --slot-search nonsense
    refused 2 nonsense run --latency nonsense
    refused 2 nonsense run --verify nonsense
    for value in 0 65537 -1 1x '' ' 1' 1.5 0x10 99999999999999999999; do
        refused 2 "--threads $value" run --threads "$value"
    done
    for value in 0 1 4095 -4096 1T 1KB K '' 1.5G 99999999999999999999 17179869184G; do
        refused 2 "--memory $value" run --memory "$value"
        refused 2 "--frames=$value" run "--frames=$value"
    done
    for value in -1 x 17179869184G .. 1M.. ..1M 2M..1M 1M..x 1M...2M 1M..2M..3M 1M..17179869184G; do
        refused 2 "--pagefile $value" run --pagefile "$value"
    done
    for value in 0 -1 x 18446744073709551615; do
        refused 2 "--accesses $value" run --accesses "$value"
    done
    for value in 0 -1 x nan inf 1e9 99999999999; do
        refused 2 "--seconds $value" run --seconds "$value"
    done
    for value in -0.1 1.1 x nan 0.5x; do
        refused 2 "--write-ratio $value" run --write-ratio "$value"
    done
    for value in -1 x 18446744073709551616; do
        refused 2 "--seed $value" run --seed "$value"
    done
    refused 2 --region-ptes run --region-ptes 3
    refused 2 --tlb run --tlb 3
    for name in trimmers writers standby trim-batch write-batch fault-around; do
        refused 2 "--$name 0" run "--$name" 0
    done
}

test_workload_usage()
{
    refused 2 nonsense run --workload nonsense
    refused 2 'uniform, sequential, zipf, loop, stride' run --workload nonsense
    refused 2 'theta and scatter' run --workload zipf:alpha=1
    refused 2 'theta=0' run --workload zipf:theta=0
    refused 2 'scatter=1' run --workload zipf:scatter=1
    refused 2 'pages=x' run --workload loop:pages=x
    refused 2 'step=0' run --workload stride:step=0
    refused 2 'no such key' run --workload uniform:
    refused 2 'trace:FILE' run --workload trace
    refused 2 'No such file' run $small --machine soft --workload "trace:$folder/nowhere"
    refused 2 'cannot go with' run --workload trace:x --write-ratio 1
    refused 2 'pages=513' run $small --machine soft --workload loop:pages=513
    refused 2 'pages=513' run $small --machine soft --workload 'mix:1*zipf+1*loop:pages=513'
    refused 2 'mix:WEIGHT*WORKLOAD' run --workload mix:zipf
    refused 2 'cannot go with' run --workload 'mix:1*stack+1*heap' --write-ratio 1
}

test_system_refusals()
{
    refused 3 "$folder/none/x" run $small --machine soft --json "$folder/none/x"
    if [ -c /dev/full ]; then
        status 3 run $small --machine soft --quiet --json /dev/full
        expect 'could not be written' "$err" 'full device'
    fi
}

# Which files may be page files, from outside; the details are in unit/file_test.c.
test_page_file()
{
    run="run $light --machine soft --quiet"
    status 0 $run --store "file:$folder/new"
    [ ! -e "$folder/new" ] || fail 'a page file that was made is still there'
    for words in ,io=sync ,cache=on ,io=sync,cache=on; do
        status 0 $run --store "file:$folder/new$words"
        status 0 $run --store "file$words"
    done
    status 0 $run --store "file:$folder/new" --encrypt off
    status 0 $run --store ram --encrypt on
    status 0 $run --store compressed
    status 0 $run --store compressed:budget=64K,over=ram:latency=1000
    status 0 $run --store "compressed:over=file:$folder/new,io=sync" --encrypt on
    for words in budget= budget=0 budget=x budget=1M, budget=1M,under=ram budget=1Mover=ram over \
        budget=99999999999999999999 budget=99999999999999G; do
        refused 2 "store 'compressed:$words' is unknown" $run --store "compressed:$words"
    done
    for words in x unix: unix tcp:x nbd:x; do
        refused 2 "store 'nbd:$words' names no server" $run --store "nbd:$words"
    done
    refused 2 'names no server' $run --store nbd
    refused 3 'start it, or correct the name' $run --store "nbd:unix:$folder/none"
    refused 3 'start it, or correct the name' $run --store nbd://127.0.0.1:1/pages
    # libnbd is loaded for them: not there, and there without its functions.
    mkdir "$folder/libraries"
    for library in /dev/null "$(ldd "$memman" | sed -n 's/.*libc\.so\.6 => \([^ ]*\).*/\1/p')"; do
        ln -sf "$library" "$folder/libraries/libnbd.so.0"
        refuses 3 'install libnbd0' env "LD_LIBRARY_PATH=$folder/libraries" "$memman" $run --store nbd://127.0.0.1:1/pages
    done
    if command -v nbdkit >/dev/null; then
        for words in "nbd:unix:$folder/socket" "nbd:nbd+unix:///pages?socket=$folder/socket"; do
            nbdkit -U "$folder/socket" memory 2M --run "'$memman' $run --store '$words'" ||
                fail "memman $run --store $words"
            rm -f "$folder/socket"
        done
    fi
    # It grows, and may be several.
    for words in "file:$folder/new" "joined:file:$folder/new+file:$folder/a+b,io=sync" \
        compressed:over=joined:ram+ram; do
        status 0 $run --store "$words" --pagefile 0..8M
    done
    status 0 $run --store joined:ram+file
    status 0 run $small --machine soft --quiet --pagefile 1M..8M --json "$folder/grown"
    json "$folder/grown" '(r["config"]["pagefile"] == 1 << 20 and
        r["config"]["pagefile_max"] == 8 << 20 and r["pagefile"]["extensions"] > 0 and
        r["pagefile"]["refused"] == 0 and r["commit"]["slots_max"] == 2048 and
        r["commit"]["slots"] > 256)'
    status 0 run $small --machine soft --pagefile 1M..8M
    check 'how large it is now' grep -q 'page file 1M..8M, now [0-9]*[KM] (ram)' "$out"
    refused 2 'names no stores' $run --store joined
    refused 2 'names no stores' $run --store joined:
    refused 2 'more than 4 stores' $run --store joined:ram+ram+ram+ram+ram
    refused 2 'cannot be joined' $run --store joined:ram+compressed
    refused 2 'cannot be joined' $run --store joined:joined:ram
    refused 2 "store 'tape' is unknown" $run --store joined:tape+ram
    refused 2 'does not grow' $run --store "nbd:unix:$folder/none" --pagefile 1M..2M
    refused 3 'its folder must exist' $run --store "joined:file:$folder/new+file:$folder/none/x"
    [ ! -e "$folder/new" ] || fail 'the first of two page files is still there'
    refused 2 'one compressed store is enough' $run --store compressed:over=compressed
    refused 2 "store 'disk' is unknown" $run --store compressed:over=disk
    refused 2 'use more --frames' $run --store compressed:budget=4G
    refused 2 'use more --frames' $run --store compressed --frames 4K
    refused 2 'io=nonsense' $run --store "file:$folder/new,io=nonsense"
    refused 2 'encrypt nonsense' $run --encrypt nonsense
    echo precious >"$folder/old"
    mkdir "$folder/directory"
    ln -s old "$folder/link"
    refused 3 '--overwrite' $run --store "file:$folder/old"
    refused 3 'is a directory' $run --store "file:$folder/directory"
    refused 3 'is a symbolic link' $run --store "file:$folder/link" --overwrite
    refused 3 'is a device' $run --store file:/dev/null --overwrite
    refused 3 'its folder must exist' $run --store "file:$folder/none/x"
    refused 3 'or --pagefile' $run --store "file:$folder/new" --pagefile 4096G
    [ ! -e "$folder/new" ] || fail 'a page file that was refused is still there'
    check 'a file that was refused has not changed' grep -q precious "$folder/old"
    status 0 $run --store "file:$folder/old" --overwrite
    [ ! -s "$folder/old" ] || fail 'a page file that was overwritten is not empty'
    # Two processes, one path.
    "$memman" run --memory 2M --frames 512K --threads 1 --machine soft --quiet --seconds 60 \
        --store "file:$folder/both" >/dev/null 2>&1 &
    other=$!
    for i in 1 2 3 4 5 6 7 8 9 10; do [ -s "$folder/both" ] || sleep 0.1; done
    refused 3 'in use by another process' $run --store "file:$folder/both" --overwrite
    kill -INT $other
    wait $other || fail 'the process that had the page file first was disturbed'
}

# The smallest page file that the line offers must do, and one page less must not.
test_commit()
{
    refused 2 '--pagefile 0' run $small --machine soft --pagefile 0
    refused 2 '512 pages' run $small --machine soft --pagefile 64K
    checks=$((checks + 1))
    enough=$(sed -n 's/.*--pagefile \([0-9]*\)K would do.*/\1/p' "$err")
    if [ -z "$enough" ]; then
        enough=$(sed -n 's/.*--pagefile \([0-9]*\)M would do.*/\1/p' "$err")
        enough=${enough:+$((enough * 1024))}
    fi
    if [ -z "$enough" ]; then
        fail 'page file too small: no size is offered'
        return
    fi
    status 0 run $small --machine soft --quiet --pagefile "${enough}K"
    refused 2 "--pagefile $((enough - 4))K" run $small --machine soft --pagefile "$((enough - 4))K"
    # The same for the size that it may grow to.
    status 0 run $small --machine soft --quiet --pagefile "0..${enough}K"
    refused 2 "0..${enough}K would do" run $small --machine soft --pagefile "0..$((enough - 4))K"
}

# ---- help and tables ---------------------------------------------------------------------------

test_help()
{
    for words in help --help 'run --help' 'states --help'; do
        status 0 $words
        for name in machine faults memory frames pagefile store threads accesses seconds workload \
            write-ratio seed policy trimmers writers zeroers defragmenters fault-handlers standby trim-batch \
            write-batch region-ptes frame-cache fault-around read-cluster prefetch prefetch-by tlb list-colours balance list-lock backoff \
            dirty-bit transfer-batch slot-search slot-reservation latency verify json slot-map trace report quiet; do
            grep -q -e "^  --$name " "$out" || fail "memman $words: no --$name"
        done
    done
    status 0 --version
    expect 'memman ' "$out" version
}

test_states()
{
    for name in text dot markdown; do
        status 0 states --format $name
        for state in zeroed free standby modified active transition bad; do
            grep -qi "$state" "$out" || fail "memman states --format $name: no $state"
        done
    done
    status 0 states --format=markdown
    expect 'stateDiagram-v2' "$out" markdown
    expect '| --- |' "$out" markdown
    if command -v dot >/dev/null; then
        status 0 states --format dot
        dot -Tsvg "$out" >/dev/null 2>"$err" || fail 'dot does not take the graph'
    fi
    status 0 states
    expect 'Moves' "$out" text
    refused 2 nonsense states --format nonsense
    refused 2 --format states --format
    refused 2 word states word
}

# ---- runs --------------------------------------------------------------------------------------

# verified MACHINE ARGUMENTS...: a run that is right; its line is in $out.
verified()
{
    machine=$1
    shift
    status 0 run --machine "$machine" --quiet "$@" || return
    [ "$(wc -l <"$out")" -eq 1 ] && grep -q '^verified: .* 0 errors; .* 0 violations' "$out" ||
        fail "memman run --machine $machine $*: not one line that it is verified"
}

# crowded MACHINE ARGUMENTS...: the same, but the watch may find the trimmer behind: with hundreds of
# threads to a processor it waits its turn to run, now and then for seconds.
crowded()
{
    verified "$@" || return
    ! grep -v 'no frame could be given out' "$err" | grep -q . ||
        fail "memman run --machine $*: more than the watch's word"
}

# good MACHINE ARGUMENTS...: a quiet, verified run; its line is in $out.
good()
{
    verified "$@" || return
    [ ! -s "$err" ] || fail "memman run --machine $*: not quiet"
}

test_runs()
{
    good "$1" $light
    good "$1" --memory 64K --frames 4K --pagefile 1M --threads 1 --accesses 1000
    good "$1" --memory 64K --frames 8K --pagefile 1M --threads 2 --accesses 1000
    good "$1" --memory 4K --frames 4K --threads 2 --accesses 2000
    good "$1" --memory 5000 --frames 4097 --pagefile 100K --threads 1 --accesses 100
    good "$1" --memory 1M --frames 1200K --pagefile 0 --threads 2 --accesses 5000
    good "$1" --memory 1M --frames 16M --threads 2 --accesses 5000
    good "$1" --memory 4m --frames 1024k --threads 64 --accesses 200
    crowded "$1" --memory 16M --threads 1000 --accesses 20
    good "$1" $light --write-ratio 0
    good "$1" $light --write-ratio 1
    good "$1" --memory 2M --frames 512K --threads 2 --seconds 0.2
    # Every switch at both ends: stress/switches_test.sh.
    for load in zipf:theta=1 zipf:theta=1.3,scatter=off loop:pages=200 stride:step=8 \
        mix:0.7*zipf+0.3*loop:pages=200; do
        good "$1" $light --workload $load
    done
    status 0 run --machine "$1" $light --verify off --quiet
    expect 'not verified: 1600 accesses' "$out" 'verify off'
}

test_text()
{
    status 0 run --machine soft $small
    for text in Zeroed Free Standby Modified Active Transition Bad 'Page Faults/sec' \
        'Demand Zero Faults/sec' 'Transition Faults/sec' 'Page Reads/sec' 'Pages Input/sec' \
        'Page Writes/sec' 'Pages Output/sec' 'Transition Pages RePurposed/sec' \
        'Committed Bytes' 'Commit Limit' 'Verification: good  10,000 accesses and 512 pages' \
        'Audit: good' 'Page File' '% Slots In Use' 'Pages per Write' 'Pages per Read' \
        'Writes per Batch, 99 %' 'Write Amplification' '% Neighbours In Order' \
        '% Pages In Reserved Place' '% Free Slots Useless to a Batch' 'Longest Free Run' \
        'Free Runs of' 'Read Ahead' '% Accuracy: Used of Them' '% Pollution: Hard Faults Made' '    modified ' '  unmap  ' 'Trims ahead of Need'; do
        expect "$text" "$out" 'text report'
    done
    ! grep -q ' $' "$out" || fail 'text report: blanks at the end of a line'
    status 0 run --machine soft --memory 1M --frames 2M --pagefile 0 --accesses 1000
    ! grep -qF 'Pages per Write' "$out" || fail 'text report: the order of a page file that is not there'
}

test_json()
{
    status 0 run --machine soft $small --json - || return
    [ ! -s "$err" ] || fail 'json on stdout: something on stderr'
    cp "$out" "$folder/json"
    json "$folder/json" 'sum(r["pages"].values()) * 4096 == r["config"]["frames"] == 512 * 1024'
    json "$folder/json" 'r["accesses"] == 10000 == r["verify"]["accesses"]'
    json "$folder/json" 'r["verify"]["pages"] == 512 == sum(r["verify"]["forms"].values())'
    json "$folder/json" 'r["verify"]["errors"] == 0 and r["audit"]["violations"] == 0'
    json "$folder/json" 'r["audit"]["checks"] > 0 and r["seconds"] > 0'
    json "$folder/json" 'r["interrupted"] is False and r["exit_code"] == 0'
    json "$folder/json" 'r["latency_ns"]["access"]["count"] == 10000'
    json "$folder/json" 'r["commit"]["limit"] >= r["commit"]["charge"] == 512'
    for keys in 'config machine faults memory frames pagefile store threads accesses seconds
        workload write_ratio seed policy trimmers writers zeroers defragmenters fault_handlers standby trim_batch
        write_batch region_ptes frame_cache fault_around read_cluster prefetch prefetch_by tlb list_colours balance list_lock backoff dirty_bit
        slot_search slot_reservation latency verify' 'host cpus kernel machine faults' 'cpu_seconds users workers' \
        'faults demand_zero transition hard collided write_protect in_page_error' \
        'rescues standby modified writing' \
        'pages zeroed free standby modified active transition bad' \
        'moves trimmed_clean trimmed_dirty written repurposed zeroed prefetched prefetch_used
        prefetch_wasted prefetch_late prefetch_polluted defragmented' 'io reads pages_read writes pages_written errors' \
        'latency_ns access demand_zero transition hard frame_wait' 'verify accesses pages errors' \
        'defrag reads pages_read writes pages_written aborted emptied' 'audit checks violations'; do
        json "$folder/json" "set('''$keys'''.split()[1:]) <= set(r['${keys%% *}'])"
    done
    json "$folder/json" 'all(set(l) == {"count", "mean", "p50", "p90", "p99", "p999", "max"}
        for l in r["latency_ns"].values())'
    # One fault in 16 of each thread is timed by phase; where there was none there is no mean.
    json "$folder/json" 'all(list(p) == ["count", "engine", "frame", "frame_wait", "fill", "read",
        "read_wait", "map"] and (p["engine"] is None) == (p["count"] == 0)
        for p in r["phases_ns"].values())'
    json "$folder/json" '[p for p in [r["phases_ns"]] if p["hard"]["count"] > 0
        and abs(sum(p[k]["count"] - r["latency_ns"][k]["count"] / 16 for k in p))
            <= 2 + r["faults"]["spurious"] and p["hard"]["read"] > 0 and p["hard"]["read_wait"] == 0
        and p["demand_zero"]["frame"] > 0 and p["demand_zero"]["read"] == 0]'
    json "$folder/json" 'len(r["locks"]) > 0 and all(
        set(l) == {"name", "acquired", "contended", "wait_ns", "hold_ns"} for l in r["locks"])'
    # The lists' locks one by one, and what they make together.
    json "$folder/json" 'all(sum(l[k] for l in r["list_locks"]) == r["locks"][3][k]
        for k in ("acquired", "contended", "wait_ns", "hold_ns")) and r["locks"][3]["name"] == "list"'
    json "$folder/json" '{"modified", "standby 5"} <= {
        l["name"] for l in r["list_locks"] if l["acquired"] > 0}'
    json "$folder/json" '[t for t in [r["trims"]] if t["ahead"] + t["waited_for"] > 0
        and set(t) == {"ahead", "waited_for", "by_waiter", "pages_ahead", "pages_waited_for",
            "pages_by_waiter"}
        and all(t[k] <= t["pages_" + k] and (t[k] > 0) == (t["pages_" + k] > 0)
            for k in ("ahead", "waited_for", "by_waiter"))]'
    # All that was trimmed, but for what was rescued before it came to a list, and who is at it yet.
    json "$folder/json" 'abs(sum(v for k, v in r["trims"].items() if k.startswith("pages"))
        - r["moves"]["trimmed_clean"] - r["moves"]["trimmed_dirty"]) <= (r["faults"]["transition"]
        + r["config"]["trim_batch"] * (r["config"]["trimmers"] + r["config"]["threads"]))'
    json "$folder/json" '[(w, l) for w, l in [(r["waits"], r["latency_ns"]["frame_wait"])]
        if w["frame"] == l["count"] and abs(w["frame_ns"] - l["count"] * l["mean"]) <= l["count"]]'
    json "$folder/json" '[a for a in [r["read_ahead"]] for m in [r["moves"]] for h in [r["faults"]["hard"]]
        if a["pages"] == m["prefetched"] > 0 and abs(a["accuracy"] * a["pages"] - m["prefetch_used"]) < 0.01
        and abs(a["coverage"] * (m["prefetch_used"] + h) - m["prefetch_used"]) < 0.01
        and abs(a["pollution"] * h - m["prefetch_polluted"]) < 0.01
        and abs(a["pages_per_read"] * r["io"]["reads"] - r["io"]["pages_read"]) < 0.01]'
    json "$folder/json" '[l for l in [r["latency_ns"]] if
        0 <= r["io"]["reads"] - l["read"]["count"] <= r["moves"]["prefetched"]
        and l["unmap"]["count"] == r["machine"]["flushes"]]'
    # Nothing moves any more: slots, free runs and pages add up. All of it lies in order.
    json "$folder/json" '[f for f in [r["fragmentation"]] if f["slots"] == 512 == f["slots_used"]
        + sum(x["slots"] for x in f["free_runs"]) and f["slots_used"] == f["pages"]
        == r["commit"]["slots"] * f["occupancy"]
        and all(x["slots_min"] * x["runs"] <= x["slots"] <= x["slots_max"] * x["runs"]
            for x in f["free_runs"])]'
    json "$folder/json" '[f for f in [r["fragmentation"]] if f["contiguity"] == 1 and
        f["pairs"] == f["pairs_in_order"] > 0 and f["pages"] == f["pages_reserved"]
        and 0 <= f["unusable"] <= 1 and f["pages_moved"] == 0 and f["write_amplification"] == 1]'
    json "$folder/json" '[f for f in [r["fragmentation"]] if
        abs(f["pages_per_write"] * r["io"]["writes"] - r["io"]["pages_written"]) < 0.01 and
        abs(f["pages_per_read"] * r["io"]["reads"] - r["io"]["pages_read"]) < 0.01]'
    json "$folder/json" '[b for b in [r["fragmentation"]["writes_per_batch"]] if
        1 <= b["p50"] <= b["p99"] <= b["max"] <= 512 and b["batches"] <= r["io"]["writes"]]'
    # Slots as they come are in no order.
    status 0 run --machine soft $small --slot-reservation 1 --json - && mv "$out" "$folder/unreserved"
    json "$folder/unreserved" '[f for f in [r["fragmentation"]] if
        f["contiguity"] < 0.5 and f["pages_reserved"] == 0]'
    status 0 run --machine soft --memory 1M --frames 2M --pagefile 0 --accesses 1000 --json - &&
        mv "$out" "$folder/none.json"
    json "$folder/none.json" 'r["fragmentation"] is None'
    json "$folder/none.json" 'r["read_ahead"]["pages"] == 0 and r["read_ahead"]["accuracy"] is None'
    : >"$out"

    status 0 run --machine soft $small --json "$folder/report" && expect Verification "$out" both
    json "$folder/report" 'r["accesses"] == 10000'
}

# A dot a slot: black are as many as are free, and what is reserved is in order like the colours.
test_slot_map()
{
    refused 2 --slot-map run --slot-map
    refused 2 '--pagefile' run --machine soft --memory 1M --frames 2M --pagefile 0 \
        --slot-map "$folder/map"
    refused 3 "$folder/none/x" run $small --machine soft --quiet --slot-map "$folder/none/x"
    status 0 run --machine soft $small --pagefile 3M --slot-map "$folder/map" --json - || return
    mv "$out" "$folder/mapped"
    : >"$out"
    [ "$python" ] || return
    check 'slot map: what the report says' "$python" -c 'import json, sys
head, dots = open(sys.argv[1], "rb").read().split(b"\n255\n", 1)
dots = [dots[i:i + 3] for i in range(0, len(dots), 3)]
f = json.load(open(sys.argv[2]))["fragmentation"]
used = [d for d in dots if d != b"\0\0\0" and d != b"\x80\x80\x80"]
sys.exit(0 if head == b"P6\n512 2" and len(dots) == 1024 and dots.count(b"\x80\x80\x80") == 256
    and len(used) == f["slots_used"] and len(set(used)) > 300 and used[0][0] == 255
    and used[-1][2] == 255 else "dots: %d %d %d" % (len(dots), len(used), len(set(used))))
' "$folder/map" "$folder/mapped" 2>"$err"
}

# A timeline that a program reads: all spans of few accesses, what is inside another within it, and
# at the end the frames add up.
test_trace()
{
    refused 2 --trace run --trace
    refused 3 "$folder/none/x" run $small --machine soft --quiet --trace "$folder/none/x"
    status 0 run --machine "$1" $small --trace "$folder/trace" --json "$folder/traced" --quiet || return
    [ "$python" ] || return
    check "trace on $1: what the report says" "$python" -c 'import collections, json, sys
r, t = json.load(open(sys.argv[2])), json.load(open(sys.argv[1]))["traceEvents"]
spans = [e for e in t if e["ph"] == "X"]
count = collections.Counter(e["name"] for e in spans)
names = {e["tid"]: e["args"]["name"].split()[0] for e in t if e["name"] == "thread_name"}
assert count["demand_zero"] == r["faults"]["demand_zero"] > 0, count
assert count["hard"] == r["faults"]["hard"] > 0, count
assert count["transition"] == r["faults"]["transition"], count
assert 0 <= r["io"]["reads"] - count["read"] <= r["moves"]["prefetched"], count
assert count["unmap"] == r["machine"]["flushes"], count
assert list(names.values()).count("user") >= 2 and "mm-trim" in names.values(), names
assert count["take_frame"] > 0 and count["map"] > 0, count
by = {"phase": "user", "fault": "user", "wait": "user", "round": "mm-", "io": ("user", "mm-prefetch")}
for e in spans:
    assert e["ts"] >= 0 and e["dur"] >= 0 and e["ts"] + e["dur"] <= r["seconds"] * 1e6 + 1e6, e
    assert names[e["tid"]].startswith(by.get(e["cat"], "")), e
pages = sum(e["args"]["pages"] for e in spans if e["name"] == "unmap")
assert pages == r["machine"]["flushed_pages"], pages
lone = 0 # phases of a fault that turned out to be none, and has no span
for tid in names: # a stack: what begins in a span ends in it
    open_spans = []
    for e in sorted((e for e in spans if e["tid"] == tid), key=lambda e: (e["ts"], -e["dur"])):
        while open_spans and open_spans[-1][0] <= e["ts"] + 1e-9:
            open_spans.pop()
        assert not open_spans or e["ts"] + e["dur"] <= open_spans[-1][0] + 1e-3, e
        if e["cat"] == "phase" and open_spans:
            assert open_spans[0][1]["args"] == e["args"], e # its fault, its page
        lone += e["cat"] == "phase" and not open_spans
        open_spans.append((e["ts"] + e["dur"], e))
assert lone <= 4 * r["faults"]["spurious"], lone
frames = [e for e in t if e["ph"] == "C"]
assert frames and all(sum(e["args"].values()) == 128 for e in frames), frames[:1]
' "$folder/trace" "$folder/traced" 2>"$err"
}

test_long_trace()
{
    status 0 run --machine soft --memory 2M --frames 512K --threads 1 --accesses 200000 \
        --trace "$folder/trace" --quiet
    check 'trace: what is lost is said' grep -q 'user 1: the last 65536 spans of' "$folder/trace"
}

# A page whose parts can be read, whatever the command has in it, and whose samples add up to the totals;
# it has its name when it is whole, or not at all.
test_report()
{
    pages=$folder/pages
    mkdir "$pages" "$pages/<"
    refused 2 --report run --report
    refused 3 "$folder/none/x" run $small --machine soft --quiet --report "$folder/none/x"
    refused 3 "$pages: cannot be written" run $small --machine soft --quiet --report "$pages"
    status 0 run --machine soft $small --quiet --report "$pages/</script><!--'&.html" || return
    check 'report: nothing beside it' [ "$(find "$pages" -type f | wc -l)" -eq 1 ]
    [ "$python" ] && check 'report: what it says' "$python" "$(dirname "$0")/report_parts.py" \
        "$pages/</script><!--'&.html" 2>"$err"
    check 'report: curves of all accesses' grep -qF '"miss_ratio_accesses": 10000,' "$pages/</script><!--'&.html"
    for page in 1 2 3 4 1 2 5 1 2 3 4 5; do echo "${page}000 R"; done >"$folder/belady"
    status 0 run --machine soft --workload "trace:$folder/belady" --memory 1M --frames 256K --threads 1 \
        --accesses 12 --quiet --report "$pages/<"/of
    check 'report: curves' grep -qF '"miss_ratio": [1,1,0.833333,0.666667,0.416667]' "$pages/<"/of
    rm "$pages/<"/of
    status 3 run --machine soft $small --quiet --report /dev/full
    expect '--report: the report could not be written (' "$err" 'a full device'
    echo before >"$pages/kept"
    failed=$failures
    (
        trap '' XFSZ
        ulimit -f 16
        status 3 run --machine soft $small --quiet --report "$pages/kept"
        [ $failures -eq $failed ]
    ) || fail 'report: too large a file is refused'
    check 'report: what was there stays' [ "$(cat "$pages/kept")" = before ]
    check 'report: nothing is left of it' [ "$(find "$pages" -type f | wc -l)" -eq 2 ]
}

# One thread that only writes touches exactly the pages of its stream: one demand-zero fault each.
test_seed()
{
    for seed in 1 1 2; do
        status 0 run --machine soft --memory 64M --threads 1 --accesses 10000 --write-ratio 1 \
            --seed $seed --json - || return
        mv "$out" "$folder/seed$seed.${before:-0}"
        before=$seed
    done
    : >"$out"
    [ "$python" ] || return
    check 'same seed, same stream' "$python" -c 'import json, sys
a, b, c = (json.load(open(f))["faults"]["demand_zero"] for f in sys.argv[1:])
sys.exit(0 if a == b and a != c and 7000 < a < 8000 else "demand zero faults: %d %d %d" % (a, b, c))
' "$folder/seed1.0" "$folder/seed1.1" "$folder/seed2.1" 2>"$err"
}

# Signals: the first stops the run, which still checks and reports.
test_signal()
{
    checks=$((checks + 1))
    "$memman" run --machine "$1" --memory 4M --threads 2 --seconds 60 --json "$folder/stopped" \
        >"$out" 2>"$err" &
    process=$!
    sleep 0.5
    kill -"$2" $process
    wait $process
    got=$?
    [ $got -eq 0 ] || fail "SIG$2 on $1: exit $got"
    expect '(interrupted)' "$out" "SIG$2 on $1"
    expect 'Verification: good' "$out" "SIG$2 on $1"
    json "$folder/stopped" 'r["interrupted"] is True and 0 < r["seconds"] < 30'
}

# Its own path: what is found first may be a slow script in front of it.
python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || {
    python=
    echo 'note: no python3, so the JSON reports are not read'
}
test_usage
test_workload_usage
test_system_refusals
test_page_file
test_commit
test_help
test_states
test_text
test_json
test_slot_map
test_trace soft
test_long_trace
test_report
test_seed
test_runs soft
test_signal soft INT
test_signal soft TERM
"$memman" run --machine linux $small --quiet >"$out" 2>"$err"
if [ $? -eq 3 ]; then
    echo "note: no Linux machine here: $(head -n 1 "$err")"
else
    test_trace linux
    test_runs linux
    test_signal linux INT
fi
report
