#!/bin/sh
# The checks themselves: each rejects a small tree with one thing wrong, and takes the same tree without it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# tree FILE LINE: a tree of two headers, and LINE at the end of FILE.
plant() {
  rm -rf "$tree"/*
  mkdir -p "$tree/cmake" "$tree/include/weft/base" "$tree/include/weft/sched" "$tree/include/weft/strange"
  printf '0 base\n4 sched\n5 coro\n' >"$tree/cmake/layers.txt"
  printf '#include <weft/base/config.hpp>\n' >"$tree/include/weft/sched/pool.hpp"
  printf '#include <vector>\n' >"$tree/include/weft/base/config.hpp"
  [ $# = 0 ] || printf '%s\n' "$2" >>"$tree/include/weft/$1"
}

takes() {
  plant
  sh "$here/$1.sh" "$tree" >/dev/null || { echo "$1 rejects a tree with nothing wrong"; exit 1; }
}
rejects() {
  plant "$2" "$3"
  ! sh "$here/$1.sh" "$tree" >/dev/null 2>&1 || { echo "$1 takes: $3"; exit 1; }
}

takes layers
rejects layers base/config.hpp '#include <weft/sched/pool.hpp>'
rejects layers sched/pool.hpp '#include <weft/coro/task.hpp>'
rejects layers sched/pool.hpp '#include <weft/unknown/x.hpp>'
rejects layers sched/pool.hpp '#include "../base/config.hpp"'
rejects layers strange/x.hpp '#include <weft/base/config.hpp>'

takes rules
rejects rules base/config.hpp '#include <iostream>'
rejects rules sched/pool.hpp 'std::atomic<int> x;'
rejects rules base/config.hpp 'std::atomic_thread_fence(std::memory_order_seq_cst);'
rejects rules base/config.hpp 'thread_local int x;'
rejects rules sched/pool.hpp '#if defined(__GNUC__)'
rejects rules sched/pool.hpp "$(yes 'int x;' | head -n 601)"

# Two of one title in two files of a program, and no test at all.
titles() {
  plant
  mkdir -p "$tree/tests/unit/a" "$tree/tests/unit/b"
  printf 'TEST_CASE("one is one") {\n}\n' >"$tree/tests/unit/a/a_test.cpp"
  printf 'TEST_CASE("one is one") {\n}\n' >"$tree/tests/unit/b/b_test.cpp"
  printf '%s\n' "$1" >"$tree/tests/unit/a/c_test.cpp"
  sh "$here/titles.sh" "$tree" >/dev/null 2>&1
}
titles 'TEST_CASE("two is two") {' || { echo "titles rejects what is different"; exit 1; }
! titles 'TEST_CASE("one is one") {}' || { echo "titles takes one twice"; exit 1; }
! titles 'TEST_CASE(
    "one "
    "is one") {' || { echo "titles takes a broken one twice"; exit 1; }
plant
mkdir -p "$tree/tests"
! sh "$here/titles.sh" "$tree" >/dev/null 2>&1 || { echo "titles takes a tree without tests"; exit 1; }

# A test that is named and not there, or in another file, and a list of nothing.
ported() {
  plant
  mkdir -p "$tree/tests"
  printf 'TEST_CASE("one is one") {\nTEST_CASE(\n    "two " "is two") {\n' >"$tree/tests/a.cpp"
  printf '| case | our test | file |\n|---|---|---|\n%s' "$1" >"$tree/tests/PORTED.md"
  printf '## Promises\n| promise | test | file |\n|---|---|---|\n| y | %s | a.cpp |\n## More\n| a | b | c |\n' "${2-one is one}" >"$tree/README.md"
  sh "$here/ported.sh" "$tree" >/dev/null 2>&1
}
ported '| x | one is one | a.cpp |' || { echo "ported rejects what is there"; exit 1; }
! ported '| x | three is three | a.cpp |' || { echo "ported takes a test that is not there"; exit 1; }
! ported '| x | one is one | b.cpp |' || { echo "ported takes a file that is not there"; exit 1; }
! ported '| x | one is one | a.cpp |' 'three is three' || { echo "ported takes a promise without a test"; exit 1; }
! ported '' || { echo "ported takes an empty list"; exit 1; }
