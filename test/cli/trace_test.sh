#!/bin/sh
# trace_test.sh - `memman trace` from outside.
#
# Usage: trace_test.sh MEMMAN. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

memman=${1:?usage: trace_test.sh MEMMAN}
. "$(dirname "$0")/../check.sh"

python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) # not a wrapper of it
t=$folder/t.mmt

# shows TEXT: what was printed has it
shows()
{
    check "no '$1'" grep -qF -e "$1" "$out"
}

printf '1000 R\n2000 W 3\n1000 W\n' >"$folder/text"
ends 0 "$memman" trace info "$folder/text"
shows 'format         address'
shows 'references     3'
shows 'pages          2 (8K)'
shows 'threads        2'
ends 0 "$memman" trace convert "$folder/text" -o "$t"
ends 0 "$memman" trace head "$t"
check 'the same references' cmp -s "$out" - <<'TEXT'
1000 R 0
2000 W 3
1000 W 0
TEXT
ends 0 "$memman" trace head -n 1 "$t"
check 'one reference' [ "$(wc -l <"$out")" -eq 1 ]
ends 0 sh -c '"$1" trace convert - --to din -o - <"$2"' sh "$memman" "$t"
check 'din' cmp -s "$out" - <<'TEXT'
0 1000
1 2000
1 1000
TEXT
ends 0 "$memman" trace info --json - "$t"
[ "$python" ] && check 'json' "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert (r["references"], r["writes"], r["pages"], r["page_bytes"]) == (3, 2, 2, 4096), r
assert [x["thread"] for x in r["threads"]] == [0, 3], r' "$out"

printf '1000 R\nrubbish\n' >"$folder/bad"
refuses 2 "$folder/bad:2: rubbish: a line of address is" "$memman" trace info "$folder/bad"
refuses 2 "$folder/bad:2: rubbish" "$memman" trace convert "$folder/bad" -o "$folder/none"
check 'nothing is left of it' [ ! -e "$folder/none" ]
refuses 2 'No such file' "$memman" trace info "$folder/nowhere"
refuses 2 'did you mean --format' "$memman" trace info --formt din "$t"
refuses 2 '--format pdf: must be memman, lackey' "$memman" trace info --format pdf "$t"
refuses 2 'give -o FILE' "$memman" trace convert "$t"
refuses 2 'one trace at a time' "$memman" trace head "$t" "$t"
refuses 2 'there are info, convert and head' "$memman" trace show "$t"
refuses 3 'cannot be written' "$memman" trace convert "$t" -o "$folder/no/where"
refuses 2 '--count 0: must be a whole number from 1' "$memman" trace head -n 0 "$t"
printf '18446744073709551615\n' >"$folder/ids"
refuses 3 'too large to be addresses' "$memman" trace convert "$folder/ids" --to din -o "$folder/none"
ends 0 "$memman" trace head "$folder/ids"
check 'more than 64 bits' grep -qx 'ffffffffffffffff000 R 0' "$out"

# Into the file it comes from; a file that is there stays when there is nothing to put into it.
ends 0 "$memman" trace convert "$folder/text" --to din -o "$folder/text"
check 'itself' grep -qx '1 2000' "$folder/text"
refuses 2 'rubbish' "$memman" trace convert "$folder/bad" -o "$folder/text"
check 'still there' grep -qx '1 2000' "$folder/text"
check 'nothing else is left' [ "$(ls "$folder" | wc -l)" -eq 6 ]
report
