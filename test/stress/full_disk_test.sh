#!/bin/sh
# full_disk_test.sh - a page file grows until its disk is full.
#
# full_disk_test.sh MEMMAN TEST-PAGEFILE: makes a small file system in a file, mounted by root (else
# the test is skipped, with a word about it). The extension is refused, the commit with it, for the
# reason that the system gave, and nothing that was there before is lost. Exit 0, 1 or 77.
memman=$1
program=$2
folder=$(mktemp -d "${TMPDIR:-.}/full-disk.XXXXXX") || exit 1
mounted=
trap 'leave; rm -rf "$folder"' EXIT

# The kernel may hold the page file of a process that has ended for a moment.
leave()
{
    for i in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "$mounted" ] || ! umount "$folder/disk" 2>/dev/null || mounted=
        [ -z "$mounted" ] || sleep 0.5
    done
    [ -z "$mounted" ] || umount -l "$folder/disk"
}

if [ "$(id -u)" != 0 ] || ! command -v mkfs.ext4 >/dev/null; then
    echo 'full disk: skipped: it needs root and mkfs.ext4'
    exit 77
fi
mkdir "$folder/disk"
truncate -s 24M "$folder/image"
mkfs.ext4 -q -F -m 0 "$folder/image" || exit 1
if ! mount -o loop "$folder/image" "$folder/disk"; then
    echo 'full disk: skipped: no loop device can be mounted here'
    exit 77
fi
mounted=yes
failed=0

fail()
{
    echo "FAILED: $*"
    failed=1
}

small="run --machine soft --memory 64M --frames 8M --threads 2 --accesses 20000 --quiet"

# The whole memory does not fit: one line with the reason, nothing left behind.
if "$memman" $small --pagefile 1M..128M --store "file:$folder/disk/page" >"$folder/out" 2>&1; then
    fail 'a page file of 56M fits on a disk of 24M'
elif [ $? != 3 ] || [ "$(wc -l <"$folder/out")" != 1 ] ||
    ! grep -q 'cannot grow.*No space left on device' "$folder/out"; then
    fail "not the reason: $(cat "$folder/out")"
fi
[ ! -e "$folder/disk/page" ] || fail 'the page file is still there'

# It fits, but a step more does not: the worker is refused, the run is good.
"$memman" $small --memory 24M --pagefile 1M..128M --store "file:$folder/disk/page" \
    --json "$folder/json" >"$folder/out" 2>&1 || fail "a refused step: $(cat "$folder/out")"
grep -q '"extensions": [1-9]' "$folder/json" || fail 'the page file did not grow'
grep -q '"refused": [1-9]' "$folder/json" || fail 'no step was refused'

# Where one of two disks is full the other one grows.
"$memman" $small --pagefile 1M..128M --store "joined:file:$folder/disk/page+file:$folder/other" \
    >"$folder/out" 2>&1 || fail "a second page file: $(cat "$folder/out")"

# Page by page, through the library: all that fits is used and verified.
"$program" "$folder/disk" >"$folder/out" 2>&1 || fail "$(cat "$folder/out")"
cat "$folder/out"
exit $failed
