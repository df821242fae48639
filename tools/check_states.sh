#!/bin/sh
# check_states.sh - docs/states.md must be what the program prints: the table is the only source.
#
# check_states.sh MEMMAN FILE: exit 1 and the difference if they are not the same.
"$1" states --format markdown | diff -u "$2" - && exit 0
echo "check_states: $2 is not what the table says; run: $1 states --format markdown > $2"
exit 1
