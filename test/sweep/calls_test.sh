#!/bin/sh
# calls_test.sh - refuses a library that calls what no sweep knows.
#
# Usage: calls_test.sh LIBRARY.a CALLS.txt    each symbol that the library needs and does not
#                                             define must be in the list
#        calls_test.sh --self-test            check the checker; needs a C compiler (CC)
# A line of the list that the library does not need is refused too, unless it is one of those that
# compilers put in and leave out. Exit: 0 good, 1 not, 2 usage.
set -u

check()
{
    [ -r "$1" ] && [ -r "$2" ] || { echo "calls_test.sh: cannot read $1 or $2" >&2; return 2; }
    {
        sed -n 's/^\([a-zA-Z0-9_]*\): ..*/K \1/p' "$2"
        nm -P -g --defined-only "$1" | awk 'NF >= 3 { print "D", $1 }'
        nm -P -A -g -u "$1" | awk '{ sub(/:$/, "", $1); print "U", $2, $1 }'
    } | awk '
    $1 == "K" { known[$2] = 1; next }
    $1 == "D" { defined[$2] = 1; next }
    $2 in defined { next }
    # what the compiler adds
    $2 ~ /^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__u?(div|mod)ti3|__popcountdi2)$/ { next }
    $2 ~ /^__(gcov|llvm)_/ { next }
    { needed[$2] = 1; count++ }
    !($2 in known) {
        printf "%s: calls %s: sweep its failures, or say in calls.txt why it has none\n", $3, $2
        offences++
    }
    END {
        if (count == 0) { print "no undefined symbols found: is this the library?"; exit 1 }
        for (name in known) {
            if (name in needed) continue
            # clang and gcc differ in what they make of small copies and of thread-local storage
            if (name ~ /^(mem(cmp|cpy|move|set)|str(cmp|len|ncmp|nlen)|__tls_get_addr)$/) continue
            printf "calls.txt: %s is not called any more\n", name
            offences++
        }
        exit offences > 0
    }'
}

self_test()
{
    scratch=$(mktemp -d) || exit 2
    trap 'rm -rf "$scratch"' EXIT
    cat >"$scratch/one.c" <<'TEXT'
int usleep(unsigned); void *malloc(unsigned long); void *f(void); void g(void);
void *f(void) { usleep(1); return malloc(1); }
void g(void) { f(); }
TEXT
    # shellcheck disable=SC2086 # CC may hold arguments
    ${CC:-cc} -O1 -fno-builtin -c -o "$scratch/one.o" "$scratch/one.c" &&
        ar rcs "$scratch/one.a" "$scratch/one.o" || exit 2
    printf '# text\nmalloc: swept\nusleep: it sleeps\n' >"$scratch/good"
    printf 'malloc: swept\nusleep:\n' >"$scratch/silent"
    printf 'malloc: swept\nusleep: it sleeps\nfork: swept\n' >"$scratch/stale"
    check "$scratch/one.a" "$scratch/good" || { echo 'self-test: a good list was refused'; exit 1; }
    for list in silent stale; do
        check "$scratch/one.a" "$scratch/$list" >"$scratch/report" &&
            { echo "self-test: the $list list was accepted"; exit 1; }
        [ "$(wc -l <"$scratch/report")" -eq 1 ] || { cat "$scratch/report"; exit 1; }
    done
    echo 'self-test: both faults reported'
}

case ${1-} in
--self-test) (self_test) ;;
'' | -*) echo 'usage: calls_test.sh LIBRARY.a CALLS.txt | --self-test' >&2; exit 2 ;;
*) check "$@" ;;
esac
