#!/bin/sh
# slots_test.sh - the slots benchmark gives the same figures again, and on every store.
#
# Usage: slots_test.sh MEMMAN-BENCH. Exit: 0 passed, 1 failed.
set -u

bench=${1:?usage: slots_test.sh MEMMAN-BENCH}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

fail()
{
    echo "FAILED: $1"
    exit 1
}

for store in ram ram file; do
    "$bench" slots --slots 1024 --store $store >"$folder/out" 2>"$folder/err" ||
        fail "slots on $store: $(head -n 1 "$folder/err")"
    sed 1d "$folder/out" >"$folder/table"
    [ -f "$folder/first" ] || cp "$folder/table" "$folder/first"
    cmp -s "$folder/first" "$folder/table" || {
        diff "$folder/first" "$folder/table"
        fail "other figures on $store"
    }
done
[ "$(grep -c '%.*%.*%' "$folder/first")" -ge 24 ] || fail 'not a row for each case'
grep -q '^one by one *[0-9.]* %  reserved .* 100.0 % ' "$folder/first" || fail 'reserved slots are not in order'
"$bench" slots --slots 1024 --seed 2 | sed 1d >"$folder/other"
! cmp -s "$folder/first" "$folder/other" || fail 'the seed does not matter'
for words in '--slots 1' '--slots x' '--seed' '--store' 'x 1'; do
    # shellcheck disable=SC2086 # a list of words
    "$bench" slots $words >"$folder/out" 2>"$folder/err"
    [ $? -eq 2 ] && [ ! -s "$folder/out" ] && [ "$(wc -l <"$folder/err")" -eq 1 ] ||
        fail "slots $words: not one line of refusal and exit 2"
done
