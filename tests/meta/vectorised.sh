#!/bin/sh
# vectorised.sh ROOT COMPILER...: the chunks of a parallel_for over floats are compiled to packed multiplications, as the plain loop is.
# Skipped where the machine is not an x86-64 or there is no objdump.
set -eu
source=$1/tests/meta/vectorised.cpp
shift
[ "$(uname -m)" = x86_64 ] && command -v objdump >/dev/null || exit 77
object=$(mktemp)
trap 'rm -f "$object"' EXIT
"$@" -O3 -DNDEBUG -c "$source" -o "$object"

failed=0
for function in saxpy_int saxpy_size scale_range; do
  packed=$(objdump -d --no-show-raw-insn "$object" |
    awk -v f="$function" '/^[0-9a-f]+ <.*>:$/ { inside = index($0, f) } inside' | grep -cE '\<v?mulps\>|\<vfmadd[0-9]*ps\>' || true)
  echo "$function: $packed packed multiplications"
  [ "$packed" -gt 0 ] || failed=1
done
exit $failed
