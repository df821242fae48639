#!/bin/sh
# worlds_test.sh - small worlds in which a bug was found, over the seeds that showed it.
#
# Usage: worlds_test.sh MEMMAN. Each world failed in some of its seeds before the bug was mended, and
# must fail in none. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

memman=${1:?usage: worlds_test.sh MEMMAN}
failures=0

# What all have in common: the simplest mechanisms, no faults, no net behind a lost wake-up.
simple='--pagefile 16K --regions 1 --pauses 1 --steps 4000 --workload uniform --policy fifo
    --zeroers 0 --balancers 0 --trim-batch 1 --write-batch 1 --region-ptes 1 --frame-cache 0
    --fault-around 1 --read-cluster 1 --tlb 0 --faults none --strategy random --late-stores off --relaxed-points off
    --early-chance 0 --safety-net off --look-every 256 --store-latency 0 --op-across 0 --op-fill 0
    --op-scan 0 --op-pin 0 --op-commit 0 --op-protect 0 --op-reserve 0 --op-retire 0 --op-detach 0'

# world WHAT SEEDS OPTION...: later options win
world()
{
    what=$1 seeds=$2
    shift 2
    # shellcheck disable=SC2086 # words of a command
    if ! "$memman" sim --seeds "$seeds" --quiet $simple "$@"; then
        failures=$((failures + 1))
        echo "FAILED: $what"
    fi
}

world 'a region reserved anew without access is not mapped by a fault that began before' 1..150 \
    --frames 4K --memory 4K --threads 2 --operations 40 --op-read 20 --op-write 0 --op-reserve 10
world 'a page that somebody waits for is rescued: the trimmer learns of it' 1..150 \
    --frames 4K --memory 8K --threads 2 --trimmers 1 --writers 1 --operations 30 --op-read 20 \
    --op-write 0
world 'a page rescued in flight is no supply: the trimmer learns of it' 1..170 \
    --frames 8K --memory 16K --pagefile 64K --threads 3 --trimmers 1 --writers 1 --operations 60 \
    --op-read 10 --op-write 20 --store-latency 5000
world 'trimmers do not keep a pin waiting' 1..80 \
    --frames 4K --memory 4K --pagefile 4K --threads 8 --trimmers 4 --backoff off --operations 1 \
    --steps 625 --op-read 10 --op-write 60 --op-pin 30 --op-commit 20 --switch-chance 288
world 'who waits for a page that is decommitted meanwhile waits no more' 1..600 \
    --frames 16K --memory 44K --pagefile 0 --regions 6 --threads 6 --operations 78 --steps 10000 \
    --pauses 3 --zeroers 1 --region-ptes 2 --tlb 4 --list-lock exclusive --backoff off --op-read 3 \
    --op-write 12 --op-across 6 --op-scan 9 --op-pin 2 --op-commit 7 --op-reserve 3 --op-retire 1 \
    --look-every 1

[ $failures -eq 0 ]
