#!/bin/sh
# budget.sh ROOT COMPILER...: what a user's source grows to by including a header, held to tests/meta/budget.txt.
set -eu
budget=$1/tests/meta/budget.txt
shift
failed=0 seen=0

while read -r most header; do
  case $most in '' | '#'*) continue ;; esac
  seen=$((seen + 1))
  lines=$(printf '#include <%s>\n' "$header" | "$@" -E -P -x c++ - | wc -l)
  echo "$header: $lines lines, at most $most"
  [ "$lines" -le "$most" ] && [ "$lines" -gt 0 ] || failed=1
done <"$budget"
[ $failed = 0 ] && [ $seen -gt 0 ]
