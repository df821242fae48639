#!/bin/sh
# kill_test.sh - kill-mutants from outside: refusals, and that a slow machine is no kill.
#
# Usage: kill_test.sh KILL-MUTANTS. A stub stands for the one killer there is; the others are missing and
# left out. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

kill=${1:?usage: kill_test.sh KILL-MUTANTS}
. "$(dirname "$0")/../check.sh"
bug=FILE_READS_SHORT # mutants.def: its killer is `file`

# status WANTED ARGUMENTS...
status()
{
    wanted=$1
    shift
    ends "$wanted" "$kill" "$folder" "$@"
}

# refused WORDS ARGUMENTS...
refused()
{
    named=$1
    shift
    refuses 2 "$named" "$kill" "$folder" "$@"
}

refused '--rotate is given twice' --rotate 100 --rotate 100
refused '--jobs is given twice' --jobs 1 --jobs 1
refused '--write is given twice' --write a --write b
refused "$bug is named twice" $bug $bug
refused '--rotate chooses' --rotate 3 $bug
refused '--rotate 10000: must be' --rotate 10000
refused '--jobs 0: must be' --jobs 0
refused '--jobs -1: must be' --jobs -1
refused '--rotate needs' --rotate
refused '--nonsense: there are' --nonsense
refused "there is no 'NONSENSE'" NONSENSE

# stub: the killer, with this standard input; $bug_alive, and $runs so far, are there
mkdir "$folder/test"
stub()
{
    {
        echo '#!/bin/sh'
        echo "echo >>'$folder/runs-'\${MEMMAN_MUTANT:-none}"
        echo "runs=\$(wc -l <'$folder/runs-'\${MEMMAN_MUTANT:-none})"
        cat
    } >"$folder/test/mutant-file"
    chmod +x "$folder/test/mutant-file"
    rm -f "$folder"/runs-*
}

stub <<'STUB'
[ -z "$MEMMAN_MUTANT" ] || sleep 1000
STUB
status 0 $bug
check 'who hangs while a healthy run is fast is killed' grep -q 'killed by file *hangs' "$out"
check 'and that was looked at' [ "$(wc -l <"$folder/runs-none")" -eq 2 ]
check 'and seen twice' [ "$(wc -l <"$folder/runs-$bug")" -eq 2 ]

# The machine stands still, once, while the bug is alive.
stub <<'STUB'
[ -n "$MEMMAN_MUTANT" ] && [ $runs -eq 1 ] && sleep 1000
exit 0
STUB
status 1 $bug
check 'who hangs only once survives' grep -q 'SURVIVES' "$out"

# The machine becomes slow after the first run.
stub <<'STUB'
[ -n "$MEMMAN_MUTANT" ] && sleep 4
[ -z "$MEMMAN_MUTANT" ] && [ $runs -gt 1 ] && sleep 2
exit 0
STUB
status 1 $bug
check 'who is only slow as all is survives' grep -q 'SURVIVES' "$out"
check 'and had more time' [ "$(wc -l <"$folder/runs-$bug")" -eq 2 ]

# It stands still, then it goes on: what the killer says in the second run counts.
stub <<'STUB'
[ -z "$MEMMAN_MUTANT" ] && exit 0
[ $runs -eq 1 ] && sleep 1000
exit 1
STUB
status 0 $bug
check 'who hangs once and then fails is killed' grep -q 'killed by file *fails' "$out"

report
