#!/bin/sh
# format.sh ROOT: every source looks as .clang-format says. Other versions of clang-format decide otherwise.
set -eu
cd "$1"
command -v clang-format-19 >/dev/null || { echo "skipped: there is no clang-format-19"; exit 77; }

files=$(find include tests examples benchmarks -name '*.[ch]pp')
[ -n "$files" ] || { echo "nothing to check in $PWD"; exit 1; }
report=$(printf '%s\n' "$files" | xargs clang-format-19 --dry-run 2>&1) || { echo "$report"; exit 1; }
others=$(printf '%s\n' "$report" | sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: .*/\1/p' | uniq)
[ -z "$others" ] || { printf 'run clang-format-19 -i on:\n%s\n' "$others"; exit 1; }
