#!/bin/sh
# unstolen_path.sh ROOT COMPILER...: the path of a fork that nobody steals has no locked instruction, no fence and no allocation, and
# calls both bodies directly. Skipped where the machine is not an x86-64 or there is no objdump.
set -eu
source=$1/tests/meta/unstolen_path.cpp
shift
[ "$(uname -m)" = x86_64 ] && command -v objdump >/dev/null || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# path PLANTED COMPILER...: the instructions of the function, and of the templates that stand for the path where they are not inlined.
path() {
  planted=$1
  shift
  "$@" -O2 -DNDEBUG -DPLANTED="$planted" -c "$source" -o "$folder/object"
  objdump -dr --no-show-raw-insn -C "$folder/object" |
    awk '/^[0-9a-f]+ <.*>:$/ { inside = /<unstolen_fib\(int\)>:$/ || /(fork_join_on|fork_join_two)<[^(]*>\(weft::detail::worker&/ } inside'
}
forbidden='[[:space:]](lock|mfence|lfence|sfence|xchg +[^%]|xchg +%[a-z0-9]+,.*\()|(_Znwm|operator new|malloc)'

path 0 "$@" >"$folder/path"
calls=$(grep -cE 'call .*<?unstolen_fib|R_X86_64_PLT32[[:space:]].*unstolen_fib' "$folder/path" || true)
if [ "$calls" -lt 2 ]; then
  echo "the two bodies are not called directly: $calls calls in"
  cat "$folder/path"
  exit 1
fi
if grep -nE "$forbidden" "$folder/path"; then
  echo "^ in the path of a fork that nobody steals"
  exit 1
fi
for planted in 1 2; do
  path "$planted" "$@" | grep -qE "$forbidden" || { echo "planted fault $planted is not found"; exit 1; }
done
