#!/bin/sh
# trust_test.sh - what tools/trust.py believes of the simulator, with a stub for it.
#
# Usage: trust_test.sh SOURCE-ROOT. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

source=${1:?usage: trust_test.sh SOURCE-ROOT}
. "$(dirname "$0")/../check.sh"
root=$folder
mkdir -p "$root/tools" "$root/docs/trust" "$root/build/cli"
cp "$source/tools/trust.py" "$root/tools"

# memman sim --seeds A..B --quiet --json FILE
cat >"$root/build/cli/memman" <<'STUB'
#!/bin/sh
cat >"$6" <<JSON
{"seeds": {"passed": $PASSED, "failed": $FAILED}, "steps": 1, "switches": 1, "operations": 1, "checks": 1,
 "faults": {}, "injected": {}, "moves": {}, "seconds": 1}
JSON
[ "$FAILED" = 0 ]
STUB
chmod +x "$root/build/cli/memman"

# seeds WANTED PASSED FAILED: one chunk, the exit status
seeds()
{
    export PASSED="$2" FAILED="$3"
    ends "$1" "$root/tools/trust.py" seeds 0.0001 "$root/build"
}

lines()
{
    wc -l <"$root/docs/trust/ledger.tsv" 2>/dev/null || echo 0
}

seeds 0 2000 0
check 'all seeds of a chunk are a line' [ "$(lines)" -eq 2 ]
seeds 1 1999 1
check 'those that failed count' [ "$(lines)" -eq 3 ]
seeds 1 1999 0
check 'a seed that neither passed nor failed is an error' grep -q '1999 of 2000 seeds' "$err"
check 'and no line' [ "$(lines)" -eq 3 ]

# meson test ... --suite whole, with a log of these results
cat >"$root/meson" <<'STUB'
#!/bin/sh
[ "$RESULTS" ] || exit 1
for result in $RESULTS; do
    echo "{\"name\": \"whole\", \"result\": \"$result\"}"
done >"$3/meson-logs/testlog.json"
case $RESULTS in *FAIL*) exit 1 ;; esac
STUB
chmod +x "$root/meson"
mkdir "$root/build/meson-logs"

# whole WANTED RESULT...
whole()
{
    wanted=$1
    shift
    RESULTS=$* PATH=$root:$PATH ends "$wanted" "$root/tools/trust.py" whole "$root/build"
}

whole 0 OK OK SKIP
check 'the suite whole is a line' grep -q '	whole	.*	2	0	skipped=1	' "$root/docs/trust/ledger.tsv"
whole 1 OK FAIL
check 'a test of it that failed counts' grep -q '	whole	.*	1	1	skipped=0	' "$root/docs/trust/ledger.tsv"
whole 1
check 'and no log is an error' grep -q 'no log of its tests' "$err"
check 'and no line' [ "$(lines)" -eq 5 ]
ends 0 "$root/tools/trust.py" page
check 'the page names it' grep -q 'as a whole | 1 passed, 1 failed' "$root/docs/trust.md"

report
