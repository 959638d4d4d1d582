#!/bin/sh
# readme.sh ROOT: the README shows the code of examples/rule.cpp between its marks, word for word.
set -eu
cd "$1"
shown=$(awk '/^<!-- examples\/rule.cpp -->/ {in_block = 1; next} in_block && /^```cpp/ {copy = 1; next} /^```/ {if (copy) exit} copy' README.md |
  grep -v '^$')
compiled=$(awk '/\/\/ \[rule\]/ {inside = !inside; next} inside' examples/rule.cpp | grep -v -e '^$' -e '^}  // namespace$')
[ -n "$shown" ] || { echo "README.md shows no code of examples/rule.cpp"; exit 1; }
# The last line shown closes main, which goes on in the example.
if [ "$shown" != "$compiled
}" ]; then
  echo "README.md differs from examples/rule.cpp:"
  printf '%s\n' "$shown" > "${TMPDIR:-/tmp}/weft_shown.$$"
  printf '%s\n}\n' "$compiled" | diff - "${TMPDIR:-/tmp}/weft_shown.$$" || true
  rm -f "${TMPDIR:-/tmp}/weft_shown.$$"
  exit 1
fi
