#!/usr/bin/env bash
# compare.sh SEEK [PATTERN [TREE [ROUNDS]]]: wall time of seek, grep and ripgrep on the same search, warm, one after the other
# in every round, each writing to a regular file; medians, and their ratios to grep's and ripgrep's. The answers are compared,
# too. More seeks, to be compared with each other: RIVALS="other/seek another/seek". On a machine with other work, as root,
# `chrt -f 1 compare.sh ...` lets the searches go first.
set -euo pipefail
export LC_ALL=C
seek=${1:?the seek program}
pattern=${2:-mutex_lock}
tree=${3:-/usr/include}
rounds=${4:-21}
threads=${WEFT_THREADS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

names=() commands=()
rival() {
  names+=("$1")
  commands+=("$2")
}
rival seek "$seek"
for other in ${RIVALS-}; do rival "$other" "$other"; done
rival "seek, 1 thread" "$seek --threads 1"
command -v grep >/dev/null && rival grep "grep -rnFI"
command -v rg >/dev/null && rival ripgrep "rg --no-config -uuu -nF --no-heading --color=never -j $threads"
command -v rg >/dev/null && rival "ripgrep, 1 thread" "rg --no-config -uuu -nF --no-heading --color=never -j 1"

# run INDEX: one search; its wall time in microseconds goes to the list of that index.
run() {
  local begun=${EPOCHREALTIME/./}
  # shellcheck disable=SC2086
  ${commands[$1]} -- "$pattern" "$tree" >"$work/out.$1" || [ $? = 1 ]
  echo $((${EPOCHREALTIME/./} - begun)) >>"$work/times.$1"
}

for i in "${!names[@]}"; do run "$i"; rm "$work/times.$i"; done
for ((round = 0; round < rounds; ++round)); do
  for i in "${!names[@]}"; do run "$i"; done
done

for i in "${!names[@]}"; do
  # One file alone is printed without its name, in order.
  if [ -d "$tree" ]; then sort -s -t: -k1,1 -k2,2n "$work/out.$i"; else cat "$work/out.$i"; fi >"$work/sorted"
  cmp -s "$work/out.0" "$work/sorted" || echo "${names[$i]}: another answer"
done

median() { sort -n "$work/times.$1" | sed -n "$(((rounds + 1) / 2))p"; }
base_of() { # the median of a rival by name
  for i in "${!names[@]}"; do [ "${names[$i]}" != "$1" ] || median "$i"; done
}
grep=$(base_of grep) ripgrep=$(base_of ripgrep)

echo "'$pattern' in $tree: $(wc -l <"$work/out.0") lines; $rounds rounds, $(nproc) cores"
printf '%-20s %12s %12s %8s %8s\n' '' 'median ms' 'least ms' '/ grep' '/ rg'
for i in "${!names[@]}"; do
  sort -n "$work/times.$i" | awk -v name="${names[$i]}" -v grep="${grep:-0}" -v ripgrep="${ripgrep:-0}" '
    { time[NR] = $1 }
    END {
      median = time[int((NR + 1) / 2)]
      printf "%-20s %12.1f %12.1f %8s %8s\n", name, median / 1000, time[1] / 1000,
        grep ? sprintf("%.2f", median / grep) : "-", ripgrep ? sprintf("%.2f", median / ripgrep) : "-"
    }'
done
