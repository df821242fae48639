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

report
