#!/bin/sh
# judge_test.sh - `memman compare TRACE...` from outside.
#
# Usage: judge_test.sh MEMMAN TRACES. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

memman=${1:?usage: judge_test.sh MEMMAN TRACES}
traces=${2:?usage: judge_test.sh MEMMAN TRACES}
. "$(dirname "$0")/../check.sh"

python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) # not a wrapper of it

# shows TEXT: what was printed has it
shows()
{
    check "no '$1'" grep -qF -e "$1" "$out"
}

# Belady's example, in which first in, first out with more frames has more faults. The second
# reference to page 2 is a write.
t=$folder/belady
for page in 1 2 3 4 1 W2 5 1 2 3 4 5; do
    case $page in W*) echo "${page#W}000 W" ;; *) echo "${page}000 R" ;; esac
done >"$t"

# ---- three reports -------------------------------------------------------------------------------

ends 0 "$memman" compare "$t" --policy fifo,lru --frames 12K,16K,60% --costs 100,1,10
shows "$t: 12 references, 5 pages (20K)"
shows 'cost: hard fault 100 us, soft fault 1 us, page written 10 us'
shows 'frames 16K: 4 (16K)'
shows '  fifo                4   2.000          9   1.286          0          1        0.4   1.952'
check 'opt is there unasked' [ "$(grep -c '^  opt' "$out")" -eq 3 ]
check 'one trace has no means' [ "$(grep -c 'geometric' "$out")" -eq 0 ]
ends 0 "$memman" compare "$t" --policy fifo,lru --frames 12K,16K --costs 100,1,10 --csv -
check 'csv' cmp -s "$out" - <<TEXT
trace,references,pages,size,frames,policy,first,hard,soft,written,looks,cost_us,hard_of_opt,misses_of_opt,cost_of_opt
$t,12,5,12K,3,fifo,5,4,0,1,0,410,2,1.28571,1.95238
$t,12,5,12K,3,lru,5,5,0,1,0,510,2.5,1.42857,2.42857
$t,12,5,12K,3,opt,5,2,0,1,0,210,1,1,1
$t,12,5,16K,4,fifo,5,5,0,1,0,510,5,1.66667,5.1
$t,12,5,16K,4,lru,5,3,0,0,0,300,3,1.33333,3
$t,12,5,16K,4,opt,5,1,0,0,0,100,1,1,1
TEXT
ends 0 "$memman" compare - --policy=fifo,lru --frames=12K,16K --costs 100,1,10 --csv "$folder/a,\"b" \
    --json "$folder/j" <"$t"
shows '-: 12 references'
check 'text and csv in one' [ "$(wc -l <"$folder/a,\"b")" -eq 7 ]
cp "$t" "$folder/a,\"b"
ends 0 "$memman" compare "$folder/a,\"b" --csv - --policy opt --frames 50%
shows "\"$folder/a,\"\"b\",12,5,50%,2,opt,5,4,"
[ "$python" ] && check 'json' "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert r["costs_us"] == {"hard": 100, "soft": 1, "written": 10, "access": 0.001}, r
t, = r["traces"]
assert (t["references"], t["pages"], t["first"], t["page_bytes"]) == (12, 5, 5, 4096), t
assert [s["frames"] for s in t["sizes"]] == [3, 4], t
f = t["sizes"][1]["policies"][0]
assert (f["policy"], f["hard"], f["written"], f["hard_of_opt"]) == ("fifo", 5, 1, 5), f
assert r["means"][0]["hard_of_opt"] == {"mean": 2, "worst": 2}, r["means"]' "$folder/j"

# ---- curves --------------------------------------------------------------------------------------

ends 0 "$memman" compare "$t" --curve --policy fifo --frames 12K,60% --costs 100,1,10
shows '      12K           3      75   83.33   58.33'
check 'lru and opt are there unasked' grep -qE '^ +frames +fifo +lru +opt$' "$out"
check 'the picture' grep -qE '^      41.7 \|  +#+$' "$out"
ends 0 "$memman" compare "$t" --curve --policy fifo --frames 12K --costs 100,1,10 --csv - \
    --json "$folder/j"
check 'a row for each size of lru and opt' cmp -s "$out" - <<TEXT
trace,references,pages,policy,judged_pages,frames,first,hard,soft,written,cost_us,miss_ratio
$t,12,5,fifo,5,3,5,4,0,1,410,0.75
$t,12,5,lru,5,1,5,7,0,1,710,1
$t,12,5,lru,5,3,5,5,0,1,510,0.833333333
$t,12,5,lru,5,4,5,3,0,0,300,0.666666667
$t,12,5,lru,5,5,5,0,0,0,0,0.416666667
$t,12,5,opt,5,1,5,7,0,1,710,1
$t,12,5,opt,5,2,5,4,0,1,410,0.75
$t,12,5,opt,5,3,5,2,0,1,210,0.583333333
$t,12,5,opt,5,4,5,1,0,0,100,0.5
$t,12,5,opt,5,5,5,0,0,0,0,0.416666667
TEXT
[ "$python" ] && check 'json' "$python" -c 'import json, sys
t, = json.load(open(sys.argv[1]))["traces"]
assert t["sizes"][0]["policies"][0]["hard"] == 4, t
f, l, o = t["miss_ratio_curves"]
assert (f["name"], f["frames"], f["hard"], f["miss_ratio"]) == ("fifo", [3], [4], [0.75]), f
assert (l["name"], l["frames"], l["hard"]) == ("lru", [1, 3, 4, 5], [7, 5, 3, 0]), l
assert (o["name"], o["judged_pages"], o["written"]) == ("opt", 5, [1, 1, 1, 0, 0]), o' "$folder/j"
ends 0 "$memman" compare "$t" --curve --policy fifo --frames 100% --sample 4 --csv -
check 'a sample says so' grep -q ',fifo,4,5,5,0,' "$out"
check 'opt needs none' grep -q ',opt,5,5,5,0,' "$out"
ends 0 "$memman" compare "$t" --curve --policy fifo --frames 100% --sample 4
shows 'all but lru and opt: by a sample of 4 pages'
ends 0 "$memman" compare "$t" "$t" --curve
check 'twenty sizes of two traces' [ "$(grep -c '^ *[0-9]*%' "$out")" -eq 40 ]

# Of 2,050 pages opt has a point for every other size. A 64th of them is all that lru needs for a loop.
awk 'BEGIN { for (i = 0; i < 660; i++) printf "%x000 R\n", i % 33
    for (i = 33; i < 2050; i++) printf "%x000 R\n", i }' >"$folder/loop"
ends 0 "$memman" compare "$folder/loop" --curve --policy lru --frames 132K
check 'the picture has room for both' grep -qE '^      77.3 \|o *$' "$out"
check 'opt beside its points' grep -q '^ *132K *33 *76.58 *76.58$' "$out"

# ---- the page ------------------------------------------------------------------------------------

# Whatever is in a name; of more points than there is room for a third, and what changed between two
# is not lost: 2500 pages twice, then others. It has its name when it is whole, or not at all.
awk 'BEGIN { for (i = 0; i < 6596; i++) printf "%x000 R\n", i < 5000 ? i % 2500 : i - 2500 }' >"$folder/'<!--"
mkdir "$folder/pages"
ends 0 "$memman" compare "$folder/'<!--" "$t" --policy fifo --frames 75%,2% --report "$folder/pages/of"
shows '     75%       3,072 '
[ "$python" ] && check 'a page' "$python" "$(dirname "$0")/report_parts.py" "$folder/pages/of"
refuses 2 'auto finds one size; --report is of many' "$memman" compare "$t" --frames auto --report "$folder/x"
refuses 3 "$folder/none/x: cannot be written" "$memman" compare "$t" --report "$folder/none/x"
ends 3 "$memman" compare "$t" --report /dev/full
check 'the page did not arrive' grep -q 'could not be written' "$err"
ends 2 "$memman" compare "$folder/nowhere" --report "$folder/pages/x"
check 'no page without traces' [ "$(ls "$folder/pages")" = of ]

# ---- enough frames -------------------------------------------------------------------------------

# 12 accesses and 5 first touches are 17 us; lru with 4 frames has three hard faults, 317 us.
ends 0 "$memman" compare "$t" --policy fifo,lru,run:segfifo --frames auto:1 --costs 100,1,10,1
shows 'frames for at most 1 times the time with unlimited memory'
shows '  lru                   5      20K  100.0 %          0          0          0        0.0   1.0000   18.6471'
ends 0 "$memman" compare "$t" --policy fifo,lru,run:segfifo --frames auto:1 --costs 100,1,10,1 --csv -
check 'the footprint, or the half of twice of it on standby' cmp -s "$out" - <<TEXT
trace,references,accesses,pages,policy,frames,bytes,first,hard,soft,written,time_us,slowdown,slowdown_one_less
$t,12,12,5,fifo,5,20480,5,0,0,0,17,1,31
$t,12,12,5,lru,5,20480,5,0,0,0,17,1,18.6471
$t,12,12,5,run:segfifo,9,36864,5,0,0,0,17,1,1.23529
$t,12,12,5,opt,5,20480,5,0,0,0,17,1,6.88235
TEXT
# Every policy at both edges, by its own table: enough, and with one frame less not.
ends 0 "$memman" compare "$t" --policy fifo,segfifo,aging,arc,run:2q --frames auto:7 --costs 100,1,10,1 --csv "$folder/a"
while IFS=, read -r _ _ _ _ policy frames _ _ hard _; do
    [ "$policy" = policy ] && continue
    ends 0 "$memman" compare "$t" --policy "$policy" --frames "$((frames * 4))K" --csv -
    check "$policy: the same count" grep -q "K,$frames,$policy,5,$hard," "$out"
done <"$folder/a"
ends 0 "$memman" compare "$t" --policy lru --frames auto:18.64 --costs 100,1,10,1 --csv -
check 'a little too slow' grep -q ',lru,5,' "$out"
ends 0 "$memman" compare "$t" --policy lru --frames auto:18.65 --costs 100,1,10,1 --csv -
check 'and not' grep -q ',lru,4,' "$out"
ends 0 "$memman" compare "$t" --policy lru --frames auto:1000 --csv -
check 'one frame is enough, and nothing is less' grep -qE ',lru,1,.*,$' "$out"
ends 0 "$memman" compare "$t" --policy lru --frames auto --json "$folder/j"
[ "$python" ] && check 'json' "$python" -c 'import json, sys
e = json.load(open(sys.argv[1]))["traces"][0]["enough"]
assert [(p["policy"], p["frames"], p["slowdown"]) for p in e] == [("lru", 5, 1), ("opt", 5, 1)], e' \
    "$folder/j"

# ---- the engine's policies -----------------------------------------------------------------------

# Without accessed bits a page that is always in use goes with the others, and comes back.
i=0
while [ $i -lt 200 ]; do
    i=$((i + 1))
    printf '0 R\n%x000 R\n' $i
done >"$folder/used"
ends 0 "$memman" compare "$folder/used" --policy aging --frames 80K --csv -
check 'it stays' grep -q ',aging,201,0,[0-2],' "$out"
ends 0 "$memman" compare "$folder/used" --policy aging --frames 80K --csv - --machine linux
check 'it comes back' grep -qE ',aging,201,0,[1-9][0-9]*,' "$out"
ends 0 "$memman" compare "$folder/used" --policy run:clock,run:2q --frames 80K --csv -
check 'both' [ "$(grep -c ',run:' "$out")" -eq 2 ]

# ---- the frames of a run -------------------------------------------------------------------------

# One thread plays the trace once: what it needs is what the trace needs, and it gets that.
for policy in aging clock; do
    [ $policy = aging ] && judged=aging || judged=run:clock
    ends 0 "$memman" compare "$folder/used" --policy $judged --frames auto:1.5 --csv "$folder/a"
    frames=$(grep ",$judged," "$folder/a" | cut -d , -f 6)
    times=$(grep ",$judged," "$folder/a" | cut -d , -f 13)
    ends 0 "$memman" run --machine soft --policy $policy --workload "trace:$folder/used" --threads 1 \
        --accesses 400 --frames auto:1.5
    shows "frames $((frames * 4))K,"
    shows "Frames found: $frames, with which it takes at most 1.5 times as long as with any number"
    shows "by $policy judged on 400 accesses to 201 pages: $(printf %.4f "$times") times, "
done
# With nine tenths kept available more than twice the pages; a run's own share is what is judged.
ends 0 "$memman" compare "$folder/used" --policy aging --standby 90 --frames auto:1 --csv -
check 'six times the pages' grep -q ',aging,1232,5046272,201,0,0,0,60.7,1,1.00494$' "$out"
ends 0 "$memman" run --machine soft --workload "trace:$folder/used" --threads 1 --accesses 400 \
    --frames auto:1 --standby 90
shows 'Frames found: 1,232, '
# Two threads from two places in it: 100 accesses more than the trace has.
ends 0 "$memman" run --machine soft --workload "trace:$folder/used" --threads 2 --accesses 250 \
    --frames auto --seed 3 --json "$folder/j"
[ "$python" ] && check 'json' "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
f, c = r["frames_auto"], r["config"]
assert f["policy"] == "aging" and f["accesses"] == 500 and f["pages"] == 201, f
assert f["slowdown"] <= f["slowdown_asked"] == 1.1 < f["slowdown_one_less"], f
assert c["frames"] % 4096 == 0 and c["frames"] > 0 and r["verify"]["errors"] == 0, c' "$folder/j"
refuses 2 'cannot go with --seconds' "$memman" run --frames auto --seconds 1
refuses 2 'cannot go with --store compressed' "$memman" run --frames auto --store compressed
refuses 2 'auto:0.9: must be' "$memman" run --frames auto:0.9
refuses 2 'autox: must be' "$memman" run --frames autox
refuses 2 'pages: is chosen by the frames' "$memman" run --frames auto --workload loop
refuses 2 'pages: is chosen by the frames' "$memman" run --frames auto --threads 2 \
    --workload 'mix:1*zipf+1*phases:apart=on'
refuses 2 "policy 'x' is unknown" "$memman" run --frames auto --policy x
refuses 2 '--frames auto: would find others' "$memman" compare --ablate --frames auto
refuses 2 '--vary frames=auto: would find' "$memman" compare --vary frames=auto,64M

# ---- recorded programs ---------------------------------------------------------------------------

if "$memman" trace head -n 1 "$traces/awk.mmt.zst" >"$out" 2>"$err"; then
    ends 0 "$memman" compare "$traces/awk.mmt.zst" "$traces/git.mmt.zst" --policy lru,opt
    shows '2 traces: geometric means'
    shows "few beside the filter's window"
    # The mean of two ratios, by hand.
    ends 0 "$memman" compare "$traces/awk.mmt.zst" "$traces/git.mmt.zst" --policy lru --json -
    [ "$python" ] && check 'means' "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert r["traces"][0]["filter_window"] == 64
own = [t["sizes"][1]["policies"][0]["cost_of_opt"] for t in r["traces"]]
mean = r["means"][2]["cost_of_opt"]
assert abs(mean["mean"] - (own[0] * own[1]) ** 0.5) < 1e-6 and mean["worst"] == max(own), r' "$out"
    # The default policy is as good as LRU, but for 3 % in the mean and 15 % on any (decision 0029).
    ends 0 "$memman" compare "$traces/cc1.mmt.zst" "$traces/git.mmt.zst" "$traces/sort.mmt.zst" \
        "$traces/sqlite3.mmt.zst" --policy lru,aging --json -
    [ "$python" ] && check 'as good as lru' "$python" -c 'import json, sys
for size in range(3):
    ratios = []
    for trace in json.load(open(sys.argv[1]))["traces"]:
        hard = {p["policy"]: p["hard"] for p in trace["sizes"][size]["policies"]}
        ratios.append(hard["aging"] / hard["lru"])
        assert ratios[-1] <= 1.15, trace
    product = 1
    for ratio in ratios:
        product *= ratio
    assert product ** (1 / len(ratios)) <= 1.03, ratios' "$out"
    # The engine does what its model says. Pages that were never written come back as new ones.
    ends 0 "$memman" run --machine soft --workload "trace:$traces/sqlite3.mmt.zst" --accesses 769457 \
        --memory 1724K --frames 172K --threads 1 --prefetch off --read-cluster 1 --balance faults \
        --list-colours 1 --verify off --latency off --json "$folder/run"
    ends 0 "$memman" compare "$traces/sqlite3.mmt.zst" --policy aging --frames 172K --json -
    [ "$python" ] && check 'model and engine agree' "$python" -c 'import json, sys
run, trace = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))["traces"][0]
assert (run["accesses"], run["config"]["memory"]) == (trace["references"], trace["pages"] * 4096)
model = trace["sizes"][0]["policies"][0]["hard"]
engine = run["faults"]["hard"] + run["faults"]["demand_zero"] - trace["first"]
assert abs(engine / model - 1) < 0.05, (engine, model)' "$folder/run" "$out"
fi

# ---- what is refused -----------------------------------------------------------------------------

refuses 2 'No such file' "$memman" compare "$folder/nowhere"
: >"$folder/empty"
refuses 2 "$folder/empty" "$memman" compare "$folder/empty"
printf '1000 R\nrubbish\n' >"$folder/bad"
refuses 2 "$folder/bad:2: rubbish" "$memman" compare "$folder/bad"
refuses 2 '--policy lur: no such policy; did you mean lru?' "$memman" compare "$t" --policy fifo,lur
refuses 2 'no such policy; there are fifo, clock,' "$memman" compare "$t" --policy psychic
refuses 2 '--policy : no such policy' "$memman" compare "$t" --policy fifo,
refuses 2 '--frames 0%: must be' "$memman" compare "$t" --frames 0%
refuses 2 '--frames 101%: must be' "$memman" compare "$t" --frames 101%
refuses 2 '--frames 10%,: must be' "$memman" compare "$t" --frames 10%,
refuses 2 '--costs 1,2: must be' "$memman" compare "$t" --costs 1,2
refuses 2 '--frames auto:0.9: must be' "$memman" compare "$t" --frames auto:0.9
refuses 2 '--frames auto,10%: must be' "$memman" compare "$t" --frames auto,10%
refuses 2 'finds one size' "$memman" compare "$t" --frames auto --curve
refuses 2 '--costs 1,2,3,4,5: must be' "$memman" compare "$t" --costs 1,2,3,4,5
refuses 2 '--sample 0: must be' "$memman" compare "$t" --curve --sample 0
refuses 2 '--sample is for --curve' "$memman" compare "$t" --sample 4
refuses 2 '--standby 91: must be' "$memman" compare "$t" --standby 91
refuses 2 '--machine both: must be soft or linux' "$memman" compare "$t" --machine both
refuses 2 '--ablate: compare TRACE has no such option' "$memman" compare "$t" --ablate
refuses 2 'cannot both be standard output' "$memman" compare "$t" --csv - --json -
refuses 3 '--csv /nowhere/x: cannot be written' "$memman" compare "$t" --csv /nowhere/x
refuses 3 '--json /nowhere/x: cannot be written' "$memman" compare "$t" --json /nowhere/x
refuses 2 'or a trace as the first word' "$memman" compare
if [ -w /dev/full ]; then
    for option in '' '--csv -' '--json -' '--curve'; do
        # shellcheck disable=SC2016,SC2086
        refuses 3 'could not be written' sh -c '"$@" >/dev/full' sh "$memman" compare "$t" $option
    done
    refuses 3 '/dev/full: the report could not be written' sh -c '"$@" >/dev/null' sh "$memman" \
        compare "$t" --csv /dev/full
fi

report
