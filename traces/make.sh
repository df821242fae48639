#!/bin/sh
# make.sh - records the traces of this folder anew.
#
# Usage: make.sh MEMMAN [FOLDER]      into FOLDER, default: the one this script is in
# What is worked on is made here, always the same; the programs are those of the machine, so pages
# may differ from those in the tree with other versions. Exit: 0, or of the first that failed.
set -eu

memman=${1:?usage: make.sh MEMMAN [FOLDER]}
case $memman in */*) memman=$(cd "$(dirname "$memman")" && pwd)/$(basename "$memman") ;; esac
to=$(cd "${2:-$(dirname "$0")}" && pwd)
work=/tmp/memman-traces # always the same name: programs put it into tables
mkdir "$work"
trap 'rm -rf "$work"' EXIT
cd "$work"
export LC_ALL=C HOME="$work" TZ=UTC
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org

# Packed as tightly as zstd can: what memman writes itself is packed for speed. The environment is always
# the same: it lies on the program's stack.
record()
{
    name=$1
    shift
    env -i PATH=/usr/bin:/bin LC_ALL=C TZ=UTC HOME=/nowhere PYTHONHASHSEED=0 PERL_HASH_SEED=0 GIT_CONFIG_NOSYSTEM=1 \
        "$memman" record -o "$name.mmt" -- "$@"
    zstd -q -f -19 "$name.mmt" -o "$to/$name.mmt.zst"
}

# words COUNT: lines of a few words, zipf-like
words()
{
    awk -v count="$1" 'BEGIN { srand(1); for (i = 0; i < count; i++) {
        line = i; for (j = 0; j < 8; j++) line = line " w" int(exp(rand() * 9)); print line } }'
}

# sqlite3: a table, an index, point reads in no order, a scan, a join.
cat >sql <<'SQL'
create table t(a integer primary key, b text, c integer);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 6000)
insert into t select x, hex(x * 7919) || hex(x * 104729), (x * 7919) % 6007 from n;
create index i on t(c);
select count(*) from t where c % 7 = 1;
select sum(length(y.b)) from t x join t y on x.c = y.a;
select count(*) from t where b like '%33%';
SQL
record sqlite3 sqlite3 :memory: <sql >out

# sort: lines by their third word.
words 7000 >text
record sort sort --parallel=1 -k 3,3 text >out

# git: the history of a small repository, with its patches.
git init -q repo
git -C repo config pack.threads 1
for commit in 1 2 3 4 5 6 7 8 9 10 11 12; do
    words 400 | awk -v c=$commit 'NR % 12 == c % 12 { $3 = "change" c } { print }' >repo/one
    words $((200 + 20 * commit)) >repo/two
    git -C repo add . && git -C repo commit -qm "commit $commit"
done
git -C repo gc -q
record git git -C repo --no-pager log -p --stat >out

# cc1: the C compiler proper, -O0.
awk 'BEGIN { srand(2); for (i = 0; i < 2; i++) {
    print "int f" i "(int a, int b, const int *p)\n{\n    int s = " int(rand() * 99) ";"
    for (j = 0; j < 2; j++)
        print "    for (int i = 0; i < a; i++) { s += p[i] * " int(rand() * 99) "; if (s > b) s ^= i << " j "; }"
    print "    return s" (i ? " + f" (i - 1) "(b, a, p)" : "") ";\n}" } }' >program.c
record cc1 "$(gcc -print-prog-name=cc1)" -quiet -O0 program.c -o out

# python3: a dictionary of lists, sorted.
cat >words.py <<'PY'
import sys
found = {}
for number, line in enumerate(open("text")):
    if number < 40:
        for word in line.split()[1:]:
            found.setdefault(word, []).append(number)
for word in sorted(found, key=lambda word: (-len(found[word]), word))[:500]:
    print(word, len(found[word]), sum(found[word]))
PY
record python3 /usr/bin/python3 -S - <words.py >out

# perl and awk: interpreters of text.
record perl perl -e 'while (<>) { last if $. > 300; $n{$_}++ for split }
    print "$_ $n{$_}\n" for sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n' text >out
record awk awk 'NR > 1500 { exit } { for (i = 2; i <= NF; i++) n[$i] += $1; last[$2] = $0 }
    END { for (w in n) s += n[w] * length(last[w]); print s }' text >out
