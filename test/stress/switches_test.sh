#!/bin/sh
# switches_test.sh - every switch at both ends, on every machine, under memory pressure.
#
# switches_test.sh MEMMAN [SECONDS]: each run verifies all bytes and audits everything; SECONDS
# (default 0.4) is the length of one run. Prints what failed; exit 1.
memman=$1
seconds=${2:-0.4}
failed=0
runs=0

# run OPTIONS...: one short run must be good
run()
{
    runs=$((runs + 1))
    output=$("$memman" run --quiet --memory 4M --frames 256K --threads 8 --seconds "$seconds" "$@" 2>&1)
    status=$?
    if [ $status -ne 0 ]; then
        failed=$((failed + 1))
        printf 'FAILED (%d): memman run %s\n%s\n' "$status" "$*" "$output"
    fi
}

both_ends()
{
    while read -r switch low high; do
        for value in $low $high; do
            run "$@" "$switch" "$value"
        done
    done <<'LIST'
--trim-batch 1 512
--write-batch 1 512
--region-ptes 1 512
--frame-cache 0 63
--fault-around 1 64
--read-cluster 1 256
--prefetch off on
--prefetch 1 64
--prefetch-by streams auto
--prefetch-by stride majority
--transfer-batch 1 512
--slot-reservation 1 64
--list-lock shared exclusive
--list-colours 1 16
--balance workers faults
--backoff on off
--dirty-bit on off
--slot-search next-fit first-fit
--policy aging fifo
--latency on off
--trimmers 1 4
--writers 1 4
--zeroers 0 4
--defragmenters 0 2
--write-ratio 0 1
--frames 4K 8K
--frames 16K 8M
--threads 1 64
--store ram ram:latency=100000
--verify full off
LIST
    for workload in uniform sequential zipf loop stride; do
        run "$@" --workload "$workload"
    done
    run "$@" --trimmers 4 --writers 4 --trim-batch 1 --write-batch 1 --region-ptes 1 --frame-cache 63
    run "$@" --trimmers 4 --writers 4 --fault-around 16 --store ram:latency=50000
    run "$@" --pagefile 3900K --write-ratio 1 --writers 4
    run "$@" --pagefile 0..3900K --store joined:ram+ram:latency=20000 --write-ratio 1 --writers 4
    run "$@" --pagefile 3900K --slot-reservation 2 --defragmenters 3
    run "$@" --memory 64K --frames 64K --pagefile 0 --threads 16 --write-ratio 1
}

both_ends --machine soft
run --machine soft --tlb 0
run --machine soft --tlb 1
run --machine soft --tlb 65536
if "$memman" run --quiet --machine linux --memory 1M --accesses 10 --threads 1 >/dev/null 2>&1; then
    both_ends --machine linux
else
    echo "skipped: the Linux machine, because userfaultfd is refused here"
fi
if "$memman" run --quiet --machine linux --faults thread --memory 1M --accesses 10 --threads 1 \
    >/dev/null 2>&1; then
    both_ends --machine linux --faults thread --fault-handlers 1
    run --machine linux --faults thread --fault-handlers 16
else
    echo "skipped: faults by thread, because userfaultfd for system calls is refused here"
fi
echo "$((runs - failed)) runs good, $failed failed"
[ $failed -eq 0 ]
