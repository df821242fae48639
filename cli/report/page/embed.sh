#!/bin/sh
# embed.sh - a page and what belongs into it, as one text in C.
#
# Usage: embed.sh PAGE STYLE SCRIPT... >FILE.c. The line @style@ of the page is replaced by the
# style, @script@ by the scripts, one after the other.
set -eu
page=$1 style=$2
shift 2

echo '#include "report/page_template.h"'
echo
echo 'const char page_template[] = {'
while IFS= read -r line; do
    case $line in
    @style@) cat "$style" ;;
    @script@) cat "$@" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$page" | od -An -v -tu1 | sed 's/\([0-9][0-9]*\)/\1,/g'
echo '0};'
