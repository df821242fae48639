#!/bin/sh
# check_symbols.sh - refuses an engine that calls what its ring does not have.
#
# Usage: check_symbols.sh ENGINE.a [INNER.a ...]   INNER.a: archives the engine may call (base)
#        check_symbols.sh --self-test              check the checker; needs a C compiler (CC)
# Prints each symbol that the engine needs and may not have, with the object that needs it.
# Exit: 0 none, 1 some, 2 usage or no nm.
#
# May be called: itself, the inner archives, world_*, the memory and string functions below. No
# clock, thread, file, malloc or print is among them, and so cannot creep in.
set -u

check()
{
    for archive in "$@"; do
        [ -r "$archive" ] || { echo "check_symbols.sh: cannot read $archive" >&2; return 2; }
    done
    command -v nm >/dev/null || { echo 'check_symbols.sh: nm is missing' >&2; return 2; }

    engine=$1
    {
        # D name: defined somewhere the engine may call. U name object: the engine needs it.
        for archive in "$@"; do
            nm -P -g --defined-only "$archive" | awk 'NF >= 3 { print "D", $1 }'
        done
        nm -P -A -g -u "$engine" | awk '{ sub(/:$/, "", $1); print "U", $2, $1 }'
    } | awk '
    $1 == "D" { defined[$2] = 1; next }
    { needed++ }
    $2 in defined { next }
    $2 ~ /^world_/ { next }
    # libc, also as its checking twins
    $2 ~ /^(memcpy|memset|memmove|memcmp|strlen|strcmp)$/ { next }
    $2 ~ /^__(memcpy|memset|memmove)_chk$/ { next }
    # what the compiler adds: stack protector, position-independent code, arithmetic of libgcc
    $2 ~ /^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__u?(div|mod)ti3|__popcountdi2)$/ { next }
    # instruments
    $2 ~ /^__(asan|tsan|ubsan|msan|sanitizer|gcov|llvm)_/ { next }
    { printf "%s: the engine may not call %s\n", $3, $2; offences++ }
    END {
        # The engine cannot live without a world: an empty list means that nm read nothing.
        if (needed == 0) { print "no undefined symbols found: is this the engine?"; exit 1 }
        exit offences > 0
    }'
}

# ---- self-test ---------------------------------------------------------------------------------

# archive NAME SOURCE: compile a C text into NAME.a
archive()
{
    printf '%s\n' "$2" >"$scratch/$1.c"
    # shellcheck disable=SC2086 # CC may hold arguments
    ${CC:-cc} -O1 -fno-builtin -c -o "$scratch/$1.o" "$scratch/$1.c" &&
        ar rcs "$scratch/$1.a" "$scratch/$1.o" || exit 2
}

self_test()
{
    scratch=$(mktemp -d) || exit 2
    trap 'rm -rf "$scratch"' EXIT

    archive base 'void histogram_add(void) {}'
    archive good '
        void world_now(void); void histogram_add(void); void *memset(void *, int, unsigned long);
        void inside(void *p) { world_now(); histogram_add(); memset(p, 0, 8); }
        void outside(void *p) { inside(p); }'
    archive bad '
        void world_now(void); void *malloc(unsigned long); int printf(const char *, ...);
        void histogram_add(void); int usleep(unsigned);
        void f(void) { world_now(); malloc(1); printf("x"); histogram_add(); usleep(1); }'
    archive empty 'int nothing;'

    if ! check "$scratch/good.a" "$scratch/base.a" >"$scratch/report"; then
        echo 'self-test: a good engine was refused:'
        cat "$scratch/report"
        exit 1
    fi

    check "$scratch/bad.a" >"$scratch/report"
    status=$?
    sed 's/.* //' "$scratch/report" | LC_ALL=C sort | tr '\n' ' ' >"$scratch/found"
    if [ $status -ne 1 ] || [ "$(cat "$scratch/found")" != 'histogram_add malloc printf usleep ' ]; then
        echo "self-test: expected exit 1 and four symbols, got exit $status and:"
        cat "$scratch/report"
        exit 1
    fi

    if check "$scratch/empty.a" >/dev/null; then
        echo 'self-test: an empty engine was accepted'
        exit 1
    fi
    echo 'self-test: all 4 violations reported'
}

case ${1-} in
--self-test) (self_test) ;;
'' | -*) echo "usage: check_symbols.sh ENGINE.a [INNER.a ...] | --self-test" >&2; exit 2 ;;
*) (check "$@") ;;
esac
