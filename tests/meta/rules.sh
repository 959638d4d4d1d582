#!/bin/sh
# rules.sh ROOT: what a header of weft may not contain.
set -eu
cd "$1/include/weft"

[ -n "$(find . -name '*.hpp')" ] || { echo "no headers in $PWD"; exit 1; }
failed=0

# forbid WHY PATTERN [WHERE IT IS ALLOWED]: both extended regular expressions, comments left aside.
forbid() {
  if grep -rn --include='*.hpp' '' . | sed 's|//.*||' | grep -E "^[^:]*:[0-9]*:.*($2)" | grep -vE "^\./(${3:-nowhere})"; then
    echo "^ $1"
    failed=1
  fi
}

forbid "too heavy for everybody's compile" '#[[:space:]]*include <(iostream|regex|format|filesystem)>'
# The futex is below the atomics and takes the word it waits on as it is, and so does a world that answers in its place.
forbid "atomics come from concurrent/atomic.hpp" 'std::atomic' 'concurrent/atomic\.hpp|os/(futex|fork|simulation)\.hpp'
forbid "an order belongs to an operation: neither ThreadSanitizer nor the model checker follows a fence" 'atomic_(thread|signal)_fence'
forbid "thread_local belongs to sched/" '\<thread_local\>' 'sched/|concurrent/atomic\.hpp|os/simulation\.hpp'
forbid "compilers and systems are told apart in base/config.hpp, os/ and io/backend/" \
  '#[[:space:]]*(if|ifdef|ifndef|elif).*\<(_WIN|_MSC|__(GNU|GLIBC|clang|has_feature|has_builtin|SANITIZE|linux|APPLE|FreeBSD|x86|i386|aarch64|arm))' \
  'base/config\.hpp|os/|io/backend/'

for header in $(find . -name '*.hpp'); do
  lines=$(wc -l <"$header")
  [ "$lines" -le 600 ] || { echo "$header has $lines lines: at most 600, split it by idea"; failed=1; }
done
exit $failed
