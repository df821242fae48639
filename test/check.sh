# check.sh - counted checks, for tests that are shell scripts and source this first.
#
# There is an empty $folder, which goes with the script. A command that is checked may leave what it
# says in $out and $err; of a check that fails their last lines are shown, $shown of each.
# shellcheck shell=sh

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
out=$folder/out
err=$folder/err
: >"$out"
: >"$err"
shown=10
checks=0
failures=0

# fail WHAT
fail()
{
    failures=$((failures + 1))
    echo "FAILED: $1"
    tail -n "$shown" "$out" | sed 's/^/    stdout: /'
    tail -n "$shown" "$err" | sed 's/^/    stderr: /'
}

# check WHAT COMMAND...: the command succeeds
check()
{
    what=$1
    shift
    checks=$((checks + 1))
    "$@" && return 0
    fail "$what"
    return 1
}

# ends WANTED COMMAND...: it ends with this exit status; leaves $out and $err
ends()
{
    wanted=$1
    shift
    timeout 100 "$@" >"$out" 2>"$err"
    got=$?
    check "$*: exit $got, expected $wanted" [ $got -eq "$wanted" ]
}

# one_line FILE: it has just one; $line is it. Without another process: there are hundreds of these.
one_line()
{
    line='' more=''
    { IFS= read -r line && ! IFS= read -r more; } <"$1" && [ -z "$more" ]
}

# says WORDS: $line has them
says()
{
    case $line in
    *"$1"*) ;;
    *) return 1 ;;
    esac
}

# refuses WANTED WORDS COMMAND...: this exit status, nothing on stdout, one line on stderr with WORDS
refuses()
{
    wanted=$1
    named=$2
    shift 2
    ends "$wanted" "$@" || return
    check "$*: no output beside the refusal" [ ! -s "$out" ]
    check "$*: one line" one_line "$err"
    check "$*: the line says '$named'" says "$named"
}

# The counts; the status of the test.
report()
{
    echo "$checks checks, $failures failed"
    [ $failures -eq 0 ]
}
