#!/bin/sh
# bare_test.sh - a memman built without the libraries that it can do without.
#
# Usage: bare_test.sh MEMMAN. What needs one of them is refused with a line that names it; the rest works.
# Exit: 0 all passed, 1 some failed, 2 usage.
set -u

memman=${1:?usage: bare_test.sh MEMMAN}
. "$(dirname "$0")/../check.sh"
run="$memman run --machine soft --memory 2M --frames 512K --threads 2 --accesses 800 --quiet"

# shellcheck disable=SC2086 # $run is words
refused()
{
    named=$1
    shift
    refuses 3 "$named" $run "$@"
    [ ! -e "$folder/pages" ] || fail "$*: a page file is left"
}

# shellcheck disable=SC2086
good()
{
    ends 0 $run "$@"
}

refused 'this build is without liblz4; install liblz4-dev' --store compressed
refused 'this build is without libsodium; install libsodium-dev' --store ram --encrypt on
refused 'this build is without libsodium; install libsodium-dev' --store "file:$folder/pages"
refused 'this build is without libnbd; install libnbd-dev' --store "nbd:unix:$folder/socket"
refused 'this build is without liburing; install liburing-dev' --store "file:$folder/pages,io=uring" --encrypt off
good
good --store "file:$folder/pages" --encrypt off
good --store "file:$folder/pages,io=sync" --encrypt off
printf '1000 R\n' >"$folder/text"
printf '\037\213\010' >"$folder/gzip"
printf '\050\265\057\375' >"$folder/zstd"
ends 0 "$memman" trace convert "$folder/text" -o "$folder/trace"
ends 0 "$memman" trace info "$folder/trace"
refuses 2 'built without zlib; unpack it first' "$memman" trace info "$folder/gzip"
refuses 2 'built without libzstd; unpack it first' "$memman" trace info "$folder/zstd"
refuses 3 'built without zlib; give a name' "$memman" trace convert "$folder/text" -o "$folder/t.gz"
refuses 3 'built without libzstd; give a name' "$memman" trace convert "$folder/text" -o "$folder/t.zst"
good --store "joined:ram+file:$folder/pages" --pagefile 1M..8M --encrypt off
report
