#!/bin/sh
# emitted.sh ROOT COMPILER...: a file that only includes the library is compiled to next to nothing. GCC without optimisation keeps what it makes
# of every coroutine that is no template (base/config.hpp), so one such in a header costs every file of every program.
# Skipped for compilers that keep none.
set -eu
shift
"$@" -dM -E -x c++ /dev/null | grep -q __clang__ && exit 77
command -v nm >/dev/null || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
most=20

# functions LINE COMPILER...: what is emitted for the library and LINE.
functions() {
  printf '#include <weft/weft.hpp>\n%s\n' "$1" >"$folder/includes.cpp"
  shift
  "$@" -O0 -c "$folder/includes.cpp" -o "$folder/object"
  nm -C "$folder/object" | grep -E ' [BDTtVWu] ' >"$folder/names" || true
  wc -l <"$folder/names"
}

seen=$(functions '' "$@")
echo "weft.hpp alone: $seen, at most $most"
if [ "$seen" -gt $most ]; then
  grep -E 'clone .actor' "$folder/names" || cat "$folder/names"
  exit 1
fi
planted=$(functions 'inline weft::task<> planted() { co_await weft::this_task::yield(); }' "$@")
[ "$planted" -gt $most ] || { echo "one coroutine that is no template is not found: $planted"; exit 1; }
