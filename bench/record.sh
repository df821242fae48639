#!/bin/sh
# record.sh - what recording costs: a program alone, and under memman record, five times each in turn.
#
# Usage: record.sh MEMMAN [NAME...]     of sort, sqlite3 and cc1; default: all. Prints the median seconds of both and their ratio for each program.
set -eu

memman=${1:?usage: record.sh MEMMAN [NAME...]}
shift
names=${*:-sort sqlite3 cc1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

awk 'BEGIN { srand(1); for (i = 0; i < 400000; i++) print int(rand() * 1e9) }' >"$work/numbers"
cat >"$work/sql" <<'SQL'
create table t(a integer primary key, b text, c integer);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 100000)
insert into t select x, hex(x * 7919) || hex(x * 104729), (x * 7919) % 100003 from n;
create index i on t(c);
select sum(length(y.b)) from t x join t y on x.c = y.a;
SQL
awk 'BEGIN { for (i = 0; i < 60; i++) print "int f" i "(int a, const int *p)\n{\n    int s = 0;\n" \
    "    for (int i = 0; i < a; i++) { s += p[i] * " i "; if (s > a) s ^= i; }\n    return s;\n}" }' \
    >"$work/program.c"

# seconds COMMAND...: how long it takes
seconds()
{
    from=$(date +%s.%N)
    "$@" <"$input" >"$work/out"
    to=$(date +%s.%N)
    awk -v from="$from" -v to="$to" 'BEGIN { printf "%.3f\n", to - from }'
}

# compared NAME INPUT COMMAND...
compared()
{
    name=$1 input=$2
    shift 2
    case " $names " in *" $name "*) ;; *) return 0 ;; esac
    : >"$work/alone"
    : >"$work/recorded"
    for round in 1 2 3 4 5; do
        seconds "$@" >>"$work/alone"
        seconds "$memman" record -q -o "$work/t.mmt.zst" -- "$@" >>"$work/recorded"
    done
    alone=$(sort -n "$work/alone" | sed -n 3p) recorded=$(sort -n "$work/recorded" | sed -n 3p)
    "$memman" trace info "$work/t.mmt.zst" >"$work/info"
    awk -v name="$name" -v alone="$alone" -v recorded="$recorded" 'BEGIN {
        printf "%-10s alone %7.3f s   recorded %7.3f s   %5.1f times   ", name, alone, recorded, recorded / alone }'
    awk '/^accesses/ { sub(/,$/, "", $2); printf "%s accesses, ", $2 } /^references/ { print $2 " references" }' "$work/info"
}

compared sort "$work/numbers" sort -n --parallel=1
compared sqlite3 "$work/sql" sqlite3 :memory:
compared cc1 /dev/null "$(gcc -print-prog-name=cc1)" -quiet -O2 "$work/program.c" -o "$work/out.s"
