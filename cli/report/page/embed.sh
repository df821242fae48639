#!/bin/sh
# embed.sh - a page and what belongs into it, as one text in C.
#
# Usage: embed.sh NAME PAGE STYLE SCRIPT... >FILE.c. There it is NAME. The line @style@ of the page is
# replaced by the style, @script@ by the scripts, one after the other.
set -eu
name=$1 page=$2 style=$3
shift 3

echo '#include "report/page_template.h"'
echo
echo "const char $name[] = {"
while IFS= read -r line; do
    case $line in
    @style@) cat "$style" ;;
    @script@) cat "$@" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$page" | od -An -v -tu1 | sed 's/\([0-9][0-9]*\)/\1,/g'
echo '0};'
