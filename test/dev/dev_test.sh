#!/bin/sh
# dev_test.sh - what `dev test` says at its end, with stubs for all that builds and tests.
#
# Usage: dev_test.sh SOURCE-ROOT. Exit: 0 all passed, 1 some failed, 2 usage.
set -u

source=${1:?usage: dev_test.sh SOURCE-ROOT}
. "$(dirname "$0")/../check.sh"
root=$folder
shown=70
mkdir "$root/bin" "$root/tools"
cp "$source/dev" "$root"
cp "$source/tools/failures.py" "$root/tools"

# stub NAME: a program of this name, with this standard input
stub()
{
    { echo '#!/bin/sh'; cat; } >"$root/bin/$1"
    chmod +x "$root/bin/$1"
}

for name in chromedriver clang nbdkit; do
    stub $name <<'STUB'
exit 0
STUB
done
stub setarch <<'STUB'
shift 2
exec "$@"
STUB
# One build breaks, with more to say than is shown.
stub ninja <<'STUB'
[ "${2##*/}" = "${BROKEN_BUILD-}" ] || exit 0
seq -f 'compiling %g' 40
echo 'wrong.c:1: error: this is wrong'
exit 1
STUB
# In the build that is to fail one test of two does, with more to say than is shown.
stub meson <<'STUB'
case $1 in
setup) mkdir -p "$(eval "echo \${$(($# - 1))}")/meson-logs" ;;
test)
    log=$3/meson-logs/testlog.json
    echo '{"name": "unit / fine", "result": "OK", "duration": 1.0, "stdout": "fine says"}' >"$log"
    [ "${3##*/}" = "${BROKEN_TESTS-}" ] || exit 0
    [ -z "${NO_LOG-}" ] || { rm "$log"; exit 2; }
    said=$(seq -f 'line %g\n' 30 | tr -d '\n')
    printf '{"name": "unit / bad", "result": "FAIL", "duration": 2.5, "stdout": "%s", "stderr": "why it failed"}\n' \
        "$said" >>"$log"
    exit 1 ;;
esac
STUB
for name in build build-bare build-tsan build-asan; do
    mkdir -p "$root/$name/meson-logs"
    touch "$root/$name/build.ninja"
done

# run WANTED: dev test, its exit status
run()
{
    PATH=$root/bin:$PATH "$root/dev" test >"$out" 2>&1
    got=$?
    check "exit $got, expected $1" [ $got -eq "$1" ]
    sed '1,/^==== what failed, /d' "$out" >"$root/end"
    sed '1,/^==== what failed$/d' "$out" >"$root/names"
}

last()
{
    [ "$(tail -n 1 "$out")" = "$1" ]
}

run 0
check 'nothing failed, nothing is named' sh -c "! grep -q 'what failed' '$out'"
check 'the last line counts' last '4 passed, 0 failed, 0 skipped'

export BROKEN_TESTS=build BROKEN_BUILD=build-asan
run 1
check 'the last line counts what failed' last '3 passed, 2 failed, 0 skipped'
check 'the failed test is named, with its build' grep -qF -e '---- build: unit / bad: FAIL after 2.5 s' "$root/end"
check 'its last lines are shown' grep -qxF 'line 30' "$root/end"
check 'so is what it said of errors' grep -qxF 'why it failed' "$root/end"
check 'and no more than twenty of them' sh -c "! grep -qxF 'line 11' '$root/end'"
check 'a test that passed is not' sh -c "! grep -qF 'fine says' '$root/end'"
check 'the failed build is named' grep -qxF -e '---- the address build' "$root/end"
check 'both once more without their lines, at the very end' [ "$(grep -c '^----' "$root/names")" -eq 2 ]
check 'with its error' grep -qF 'error: this is wrong' "$root/end"
check 'and no more than twenty of its lines' [ "$(grep -c '^compiling' "$root/end")" -eq 19 ]

unset BROKEN_BUILD
export BROKEN_TESTS=build-tsan NO_LOG=yes
run 1
check 'a run without a log counts as a failure' last '3 passed, 1 failed, 0 skipped'
check 'and says so' grep -q -e '---- build-tsan: meson left no log' "$root/end"

report
