#!/bin/sh
# swap.sh - libmemman beside the kernel's own swap: same program, same disk, same memory limit.
#
# Usage: swap.sh TOUCH [--memory SIZE] [--limit SIZE] [--seconds N] [--rounds N] [--folder PATH]
#                [--store NAME] [--swap file|zram] [--workload NAME[,NAME...]] [--json FILE]
# --workload runs only those of uniform, zipf, sequential and scattered (sequential, written first in
# random order). --json adds a line for each row to the file.
# TOUCH is memman-bench-touch; beside it lies memman-bench-floor, whose rate under the uniform load on
# a file is shown too: no pager of our kind can have more than that. Makes a swap file in the folder (or a zram device) and a memory cgroup
# with the limit, runs both sides alternately in it, prints medians with their range, and takes
# everything away again. Our frames are what the limit leaves after the program's own 16 MiB. What
# zram keeps in memory is not counted against the limit; so beside zram our page file may lie in
# memory too (--store ram), and the limit is raised by its size for our side.
# Exit: 0 good; 1 wrong data; 2 usage; 3 not root, or the system has no swap or memory cgroup.
set -u

touch=${1:-} memory=1G limit=256M seconds=6 rounds=3 folder=/var/tmp store=file swap=file json=
workloads=uniform,zipf,sequential,scattered
[ -n "$touch" ] && shift
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || { echo "swap.sh: $1 needs a value" >&2; exit 2; }
    case $1 in
    --memory) memory=$2 ;;
    --limit) limit=$2 ;;
    --seconds) seconds=$2 ;;
    --rounds) rounds=$2 ;;
    --folder) folder=$2 ;;
    --store) store=$2 ;;
    --swap) swap=$2 ;;
    --workload) workloads=$2 ;;
    --json) json=$2 ;;
    *) echo "swap.sh: no option '$1'; the head of the file lists them" >&2; exit 2 ;;
    esac
    shift 2
done
[ -x "$touch" ] || { echo "swap.sh: '$touch' is not memman-bench-touch" >&2; exit 2; }

for workload in $(echo "$workloads" | tr , ' '); do
    case $workload in
    uniform | zipf | sequential | scattered) ;;
    *)
        echo "swap.sh: --workload '$workload' is none of uniform, zipf, sequential, scattered" >&2
        exit 2
        ;;
    esac
done

case $store in
ram* | *over=ram*) in_memory=yes ;;
*) in_memory= ;;
esac
if [ "$in_memory" ] && [ "$swap" != zram ]; then
    echo "swap.sh: --store $store lies in the memory that is limited; use file or nbd:URI, or --swap zram" >&2
    exit 2
fi

refuse()
{
    echo "swap.sh: not run: $1" >&2
    exit 3
}

[ "$(id -u)" = 0 ] || refuse "swap and a memory cgroup need root"
command -v mkswap >/dev/null || refuse "mkswap is missing (package util-linux)"

bytes()
{
    case $1 in
    *K) echo $((${1%K} << 10)) ;;
    *M) echo $((${1%M} << 20)) ;;
    *G) echo $((${1%G} << 30)) ;;
    *) echo "$1" ;;
    esac
}

limit_bytes=$(bytes "$limit")
frames_bytes=$((limit_bytes - (16 << 20)))

# ---- the surroundings --------------------------------------------------------------------------

cgroup='' limit_file='' swap_at='' results=$(mktemp -d)

clean()
{
    [ -z "$swap_at" ] || swapoff "$swap_at" 2>/dev/null
    case $swap_at in
    /dev/zram*) echo 1 >"/sys/block/${swap_at#/dev/}/reset" ;;
    ?*) rm -f "$swap_at" ;;
    esac
    [ -z "$cgroup" ] || rmdir "$cgroup" 2>/dev/null
    rm -rf "$results"
}
trap clean EXIT
trap 'exit 1' INT TERM

make_cgroup()
{
    if [ -d /sys/fs/cgroup/memory ] && [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
        cgroup=/sys/fs/cgroup/memory/memman-bench-$$
        limit_file=$cgroup/memory.limit_in_bytes
    elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
        cgroup=/sys/fs/cgroup/memman-bench-$$
        limit_file=$cgroup/memory.max
    else
        return 1
    fi
    mkdir "$cgroup" && echo "$limit_bytes" >"$limit_file"
}

# Before any other swap there is.
make_swap()
{
    if [ "$swap" = zram ]; then
        modprobe zram 2>/dev/null
        swap_at=/dev/zram0
        [ -b "$swap_at" ] && [ "$(cat /sys/block/zram0/disksize)" = 0 ] || { swap_at=; return 1; }
        echo "$(bytes "$memory")" >/sys/block/zram0/disksize || return 1
    else
        swap_at=$folder/memman-bench-swap.$$
        (umask 077 && fallocate -l "$(($(bytes "$memory") + (64 << 20)))" "$swap_at") || return 1
    fi
    mkswap "$swap_at" >/dev/null && swapon -p 32767 "$swap_at"
}

make_cgroup || refuse "no memory cgroup can be made"
make_swap || refuse "no swap on $swap can be made in $folder"

# ---- runs --------------------------------------------------------------------------------------

wrong=0
# The least that there is to do is on a disk, and the program for it needs some room.
least=
[ "$swap" = file ] && [ $frames_bytes -ge $((8 << 20)) ] && least=yes

# One program, its line in the file `line`.
run_in_cgroup()
{
    TMPDIR=$folder sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroup" "$@" \
        --memory "$memory" --seconds "$seconds" >"$results/line"
    status=$?
    [ $status -eq 0 ] || { wrong=$status; echo "swap.sh: exit $status of: $*" >&2; }
}

# side NAME ARGUMENTS...: one run in the cgroup, its line appended to the results of NAME
side()
{
    name=$1
    shift
    run_in_cgroup "$touch" "$@"
    cat "$results/line" >>"$results/$name"
}

# The least that there is to do, of the same length.
floor()
{
    run_in_cgroup "$(dirname "$touch")/memman-bench-floor" --frames "$frames_bytes"
    cat "$results/line" >>"$results/$1"
}

# row NAME ARGUMENTS...: both sides alternately, if it was asked for
row()
{
    row=$1
    shift
    case ,$workloads, in
    *,"$row",*) ;;
    *) return ;;
    esac
    rounds_left=$rounds
    while [ "$rounds_left" -gt 0 ] && [ $wrong -eq 0 ]; do
        echo "$limit_bytes" >"$limit_file"
        side "$row.swap" --on plain "$@"
        [ -z "$in_memory" ] || echo $((limit_bytes + $(bytes "$memory"))) >"$limit_file"
        side "$row.memman" --on memman --frames "$frames_bytes" --store "$store" "$@"
        [ "$row" != uniform ] || [ -z "$least" ] || floor "$row.floor"
        rounds_left=$((rounds_left - 1))
    done
}

row uniform --pattern uniform --threads 2
row zipf --pattern zipf --threads 2
row sequential --pattern sequential --threads 1
row scattered --pattern sequential --threads 1 --written random

commit=$(git -C "$(dirname "$0")" describe --always --dirty 2>/dev/null || echo unknown)
origin=$(printf '"commit":"%s","kernel":"%s","machine":"%s","cpus":%s' "$commit" "$(uname -r)" \
    "$(uname -m)" "$(nproc)")
awk -v rounds="$rounds" -v memory="$memory" -v limit="$limit" -v store="$store" -v swap="$swap" \
    -v json="$json" -v origin="$origin" '
function number(line, key) {
    return match(line, "\"" key "\":[0-9.]+") ? \
        substr(line, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0
}
function sorted(list, count, i, j, t) {
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
}
FNR == 1 { split(FILENAME, part, "/"); file = part[length(part)]; at = 0 }
{
    at++
    rate[file, at] = number($0, "accesses") / number($0, "seconds")
    cpu[file, at] = 1e6 * number($0, "cpu_seconds") / number($0, "accesses")
    reads[file, at] = number($0, "reads") ? number($0, "pages_read") / number($0, "reads") : 0
    writes[file, at] = number($0, "writes") ? number($0, "pages_written") / number($0, "writes") : 0
    out[file, at] = number($0, "pages_written") ? \
        1e6 * number($0, "out_cpu_seconds") / number($0, "pages_written") : 0
    ahead[file, at] = number($0, "pages_read") ? \
        1e6 * number($0, "ahead_cpu_seconds") / number($0, "pages_read") : 0
}
function median(of, file, i, list) {
    for (i = 1; i <= rounds; i++) list[i] = of[file, i]
    sorted(list, rounds)
    low = list[1]; high = list[rounds]
    return rounds % 2 ? list[(rounds + 1) / 2] : (list[rounds / 2] + list[rounds / 2 + 1]) / 2
}
function show(row, name, i, ours, theirs, ratio, r_low, r_high) {
    if (!((row ".swap", 1) in rate)) return
    theirs = median(rate, row ".swap"); t_low = low; t_high = high
    ours = median(rate, row ".memman"); o_low = low; o_high = high
    for (i = 1; i <= rounds; i++) ratios[row, i] = rate[row ".memman", i] / rate[row ".swap", i]
    ratio = median(ratios, row); r_low = low; r_high = high
    printf "%-34s %9.0f/s [%.0f to %.0f]  %9.0f/s [%.0f to %.0f]  %5.2f x [%.2f to %.2f]\n", \
        name, ours, o_low, o_high, theirs, t_low, t_high, ratio, r_low, r_high
    printf "%-34s CPU %.1f and %.1f us an access; %.1f pages a read, %.1f a write; workers %.1f us a page out, reading ahead %.1f a page read\n", \
        "", median(cpu, row ".memman"), median(cpu, row ".swap"), median(reads, row ".memman"), \
        median(writes, row ".memman"), median(out, row ".memman"), median(ahead, row ".memman")
    if (json != "")
        printf "{%s,\"store\":\"%s\",\"swap\":\"%s\",\"memory\":\"%s\",\"limit\":\"%s\",\"row\":\"%s\"," \
            "\"ours\":%.1f,\"ours_min\":%.1f,\"ours_max\":%.1f,\"theirs\":%.1f,\"theirs_min\":%.1f," \
            "\"theirs_max\":%.1f,\"ratio\":%.4f,\"ratio_min\":%.4f,\"ratio_max\":%.4f,\"repeats\":%d}\n", \
            origin, store, swap, memory, limit, name, ours, o_low, o_high, theirs, t_low, t_high, \
            ratio, r_low, r_high, rounds >>json
}
END {
    printf "%s of memory in %s, store %s beside swap on %s; medians of %d, ratios paired\n", \
        memory, limit, store, swap, rounds
    printf "%-34s %s  %s  %s\n", "", "libmemman", "kernel swap", "faster by"
    show("uniform", "uniform, 2 threads")
    if (("uniform.floor", 1) in rate) {
        for (i = 1; i <= rounds; i++) ratios["floor", i] = rate["uniform.floor", i] / rate["uniform.swap", i]
        bound = median(rate, "uniform.floor"); f_low = low; f_high = high
        ratio = median(ratios, "floor")
        printf "%-34s %9.0f/s [%.0f to %.0f] of a pager that does the least, %.2f x [%.2f to %.2f]\n", \
            "", bound, f_low, f_high, ratio, low, high
    }
    show("zipf", "zipf 0.99, 2 threads")
    show("sequential", "sequential, 1 thread")
    show("scattered", "sequential, written in random order")
}' "$results"/*.swap "$results"/*.memman $(ls "$results"/*.floor 2>/dev/null)
[ $wrong -eq 0 ] || exit 1
