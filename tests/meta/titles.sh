#!/bin/sh
# titles.sh ROOT: no test program has two test cases of the same title, at which Catch ends it before the first.
set -eu
cd "$1/tests"

all=0
failed=0
for program in unit/* stress zoo; do
  [ -d "$program" ] || continue
  # A title is all that stands between quotes from TEST_CASE to the brace: long ones are broken.
  titles=$(awk '
    FNR == 1 { title = ""; inside = 0 }
    /^[A-Z_]*TEST_CASE(_METHOD)?\(/ { title = ""; inside = 1 }
    inside {
      n = split($0, parts, "\"")
      for (i = 2; i <= n; i += 2) title = title parts[i]
      if ($0 ~ /\{$|\}$/) { print title; inside = 0 }
    }' "$program"/*.cpp)
  [ -n "$titles" ] || continue
  all=$((all + $(printf '%s\n' "$titles" | wc -l)))
  twice=$(printf '%s\n' "$titles" | sort | uniq -d)
  [ -z "$twice" ] || { printf '%s has two test cases of the title\n%s\n' "$program" "$twice"; failed=1; }
done
[ "$all" != 0 ] || { echo "no test case in $PWD"; exit 1; }
echo "$all titles"
exit $failed
