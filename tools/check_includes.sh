#!/bin/sh
# check_includes.sh - refuses an include that points out of its ring.
#
# Usage: check_includes.sh [ROOT]      check the tree, default: the one this script is in
#        check_includes.sh --self-test  check the checker
# Prints each offending line as file:line: what is wrong. Exit: 0 none, 1 some, 2 usage.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2

# The rings, from the inside out: what each may include besides itself. "system" is any header
# outside the tree; a ring without it sees only the standard headers that need no operating system.
# src/memman.c and src/manager*.[ch] may include everything: they put the parts together.
rings='
base:
contract:       base
engine:         contract base
machine:        contract base system
machine/soft:   machine contract base system
machine/linux:  machine contract base system
world:          contract base system
store:          contract base system
policy:         contract base system
observe:        engine contract base public system
trace:          base system
judge:          contract base system
sim:            engine machine/soft store policy world contract base system
public:
cli:            public observe trace judge base system
'

check()
{
    cd "$1" || exit 2
    find include src cli -type f \( -name '*.[ch]' -o -name '*.inc' -o -name '*.def' \) 2>/dev/null |
        LC_ALL=C sort | rings=$rings LC_ALL=C awk '
    BEGIN {
        count = split(ENVIRON["rings"], lines, "\n")
        for (i = 1; i <= count; i++) {
            if (split(lines[i], halves, /: */) == 2) allowed[halves[1]] = halves[2]
        }
    }

    # The ring a file stands in; "" for none.
    function ring_of(path, part, ring) {
        split(path, part, "/")
        if (part[1] == "include") return "public"
        if (part[1] == "cli") return "cli"
        if (path == "src/memman.c" || path ~ /^src\/manager[a-z_]*\.[ch]$/) return "facade"
        if (part[1] != "src" || part[3] == "") return ""
        ring = part[2]
        if (ring == "machine" && part[4] != "") ring = ring "/" part[3]
        return (ring in allowed) ? ring : ""
    }

    function may_include(ring, other) {
        return ring == other || index(" " allowed[ring] " ", " " other " ") > 0
    }

    # Headers of the C standard that need no operating system under them. errno.h is one for its
    # numbers, which are the words of the contracts.
    function freestanding(name) {
        return name ~ /^(errno|stdint|stddef|stdbool|stdatomic|stdalign|stdnoreturn|limits|string)\.h$/
    }

    function directory(path) {
        return match(path, /.*\//) ? substr(path, 1, RLENGTH) : ""
    }

    # The file of the tree that an include names, or "".
    function resolve(name, quoted, from) {
        if (quoted && ((directory(from) name) in known)) return directory(from) name
        if (("src/" name) in known) return "src/" name
        if (("include/" name) in known) return "include/" name
        if (from ~ /^cli\// && (("cli/" name) in known)) return "cli/" name
        return ""
    }

    function offend(text) {
        printf "%s:%d: %s\n", file, number, text
        offences++
    }

    function judge(line, quoted, name, ring, target, target_ring) {
        ring = ring_of(file)
        if (ring == "facade") return
        if (!match(line, /^"[^"]*"/) && !match(line, /^<[^>]*>/)) {
            offend("an include must name its file")
            return
        }
        quoted = substr(line, 1, 1) == "\""
        name = substr(line, 2, RLENGTH - 2)
        if (name ~ /(^|\/)\.\.?\//) {
            offend(name ": no . or .. in an include")
            return
        }
        target = resolve(name, quoted, file)
        if (target != "") {
            target_ring = ring_of(target)
            if (!may_include(ring, target_ring))
                offend(ring " may not include " target_ring ": " name)
        } else if (quoted) {
            # What the build generates is not in the tree; only cli has such files.
            if (ring != "cli") offend(name ": not in the tree")
        } else if (ring == "public") {
            if (name !~ /^std(int|def|bool)\.h$/) offend("memman.h may not include " name)
        } else if (file == "src/base/probe.h" && name == "sys/sdt.h") {
            # Nops and notes; nothing of a system is called. No other file may.
        } else if (name == "sys/sdt.h") {
            offend("only base/probe.h may include " name)
        } else if (!may_include(ring, "system") && !freestanding(name)) {
            offend(ring " may not include the system: " name)
        }
    }

    # The line without comments; in_comment lasts from line to line. Strings that hold comment
    # marks would mislead it, but an include line has none.
    function strip(line, out, at) {
        out = ""
        while (line != "") {
            if (in_comment) {
                at = index(line, "*/")
                if (at == 0) return out
                line = substr(line, at + 2)
                in_comment = 0
            } else if (match(line, /\/[*\/]/)) {
                out = out substr(line, 1, RSTART - 1)
                if (substr(line, RSTART, 2) == "//") return out
                line = substr(line, RSTART + 2)
                in_comment = 1
            } else {
                return out line
            }
        }
        return out
    }

    { files[NR] = $0; known[$0] = 1 }

    END {
        for (i = 1; i <= NR; i++) {
            file = files[i]
            number = 1
            if (ring_of(file) == "") {
                offend("stands in no ring")
                continue
            }
            in_comment = 0
            for (number = 1; (getline line < file) > 0; number++) {
                line = strip(line)
                if (sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)) judge(line)
            }
            close(file)
        }
        if (NR == 0) { print "no C files here"; exit 1 }
        exit offences > 0
    }'
}

# ---- self-test ---------------------------------------------------------------------------------

# put FILE INCLUDE...: a file with these includes
put()
{
    mkdir -p "$tree/$(dirname "$1")"
    path=$tree/$1
    shift
    for name in "$@"; do printf '#include %s\n' "$name"; done >"$path"
}

self_test()
{
    tree=$(mktemp -d) || exit 2
    trap 'rm -rf "$tree"' EXIT

    put include/memman.h '<stdint.h>' '<stddef.h>' '<stdbool.h>'
    put src/base/bits.h '<stdint.h>' '<string.h>'
    put src/base/probe.h '<sys/sdt.h>'
    put src/contract/store.h '"base/bits.h"' '<stdatomic.h>'
    put src/engine/pfn.h '"contract/store.h"' '"base/bits.h"' '<limits.h>'
    put src/engine/pfn.c '"pfn.h"' '"engine/pfn.h"'
    put src/machine/soft/soft.h '"contract/store.h"'
    put src/machine/soft/soft.c '"soft.h"' '"machine/soft/soft.h"' '<stdlib.h>'
    put src/machine/linux/linux.h '"base/bits.h"'
    put src/machine/linux/linux.c '"machine/linux/linux.h"' '<sys/mman.h>'
    put src/world/threads.c '"base/bits.h"' '<pthread.h>'
    put src/store/ram.h '"contract/store.h"'
    put src/store/ram.c '"store/ram.h"' '<stdlib.h>'
    put src/policy/age.c '"contract/store.h"'
    put src/observe/look.h '"engine/pfn.h"' '"memman.h"' '<stdio.h>'
    put src/trace/trace.h '<stdint.h>'
    put src/trace/gzip.c '"trace/trace.h"' '"base/bits.h"' '<zlib.h>'
    put src/judge/lru.c '"contract/store.h"' '"base/bits.h"' '<stdlib.h>'
    put src/sim/parts.c '"engine/pfn.h"' '"machine/soft/soft.h"' '"store/ram.h"' '<stdlib.h>'
    put src/memman.c '"memman.h"' '"engine/pfn.h"' '"store/ram.h"' '"machine/soft/soft.h"'
    put cli/report/text.h '<stdio.h>'
    put cli/main.c '"report/text.h"' '"trace/trace.h"' '<memman.h>' '"observe/look.h"' '<signal.h>' '"page.html.inc"'
    printf '/*\n#include "engine/pfn.h"\n*/\n// #include "engine/pfn.h"\n' >>"$tree/src/base/bits.h"

    if ! check "$tree" >"$tree/report"; then
        echo 'self-test: a good tree was refused:'
        cat "$tree/report"
        exit 1
    fi

    put include/memman.h '<stdint.h>' '<stdio.h>' '"base/bits.h"'
    put src/base/bad.h '"engine/pfn.h"' '<stdlib.h>' '"contract/store.h"'
    put src/contract/bad.h '"engine/pfn.h"' '<pthread.h>' '"memman.h"'
    put src/engine/bad.c '<stdio.h>' '"machine/soft/soft.h"' '"store/ram.h"' '"observe/look.h"' \
        '"../store/ram.h"' '"memman.h"' '"nowhere.h"' 'MACRO' '<store/ram.h>'
    put src/machine/soft/bad.c '"engine/pfn.h"' '"machine/linux/linux.h"' '"store/ram.h"' '<sys/sdt.h>'
    put src/world/bad.c '"engine/pfn.h"' '"store/ram.h"'
    put src/store/bad.c '"engine/pfn.h"' '"machine/soft/soft.h"'
    put src/policy/bad.c '"engine/pfn.h"' '"observe/look.h"'
    put src/observe/bad.c '"store/ram.h"' '"machine/soft/soft.h"'
    put src/sim/bad.c '"observe/look.h"' '"machine/linux/linux.h"'
    put cli/bad.c '"engine/pfn.h"' '"contract/store.h"' '"base/bits.h"' '"store/ram.h"'
    put src/trace/bad.c '"contract/store.h"' '"memman.h"'
    put src/judge/bad.c '"engine/pfn.h"' '"store/ram.h"' '"trace/trace.h"'
    put src/util/misc.c
    put src/stray.c
    printf ' /* odd */ # include /* spaced */ "engine/pfn.h"\n' >"$tree/src/base/odd.h"

    cat >"$tree/expected" <<'LIST'
cli/bad.c:1
cli/bad.c:2
cli/bad.c:4
include/memman.h:2
include/memman.h:3
src/base/bad.h:1
src/base/bad.h:2
src/base/bad.h:3
src/base/odd.h:1
src/contract/bad.h:1
src/contract/bad.h:2
src/contract/bad.h:3
src/engine/bad.c:1
src/engine/bad.c:2
src/engine/bad.c:3
src/engine/bad.c:4
src/engine/bad.c:5
src/engine/bad.c:6
src/engine/bad.c:7
src/engine/bad.c:8
src/engine/bad.c:9
src/judge/bad.c:1
src/judge/bad.c:2
src/judge/bad.c:3
src/machine/soft/bad.c:1
src/machine/soft/bad.c:2
src/machine/soft/bad.c:3
src/machine/soft/bad.c:4
src/observe/bad.c:1
src/observe/bad.c:2
src/policy/bad.c:1
src/policy/bad.c:2
src/sim/bad.c:1
src/sim/bad.c:2
src/store/bad.c:1
src/store/bad.c:2
src/stray.c:1
src/trace/bad.c:1
src/trace/bad.c:2
src/util/misc.c:1
src/world/bad.c:1
src/world/bad.c:2
LIST
    check "$tree" >"$tree/report"
    status=$?
    cut -d: -f1,2 "$tree/report" >"$tree/found"
    if [ $status -ne 1 ] || ! cmp -s "$tree/expected" "$tree/found"; then
        echo "self-test: expected these lines and exit 1, got exit $status and:"
        diff "$tree/expected" "$tree/found"
        exit 1
    fi
    echo "self-test: all $(wc -l <"$tree/expected" | tr -d ' ') violations reported"
}

case ${1-} in
--self-test) (self_test) ;;
-*) echo "usage: check_includes.sh [ROOT | --self-test]" >&2; exit 2 ;;
*) (check "${1:-$here/..}") ;;
esac
