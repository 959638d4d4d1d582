#!/usr/bin/env bash
# compare.sh BUILD [SECONDS [ROUNDS [CONNECTIONS]]]: the echo servers of a build folder, each in turn in every round, on a core of
# its own beside the client's; for each number of connections the least disturbed round: requests/s, µs of server CPU a request, latency.
# Then, where there is strace, the system calls per message on one connection with two workers.
set -euo pipefail
export LC_ALL=C
build=${1:?the folder with the programs}
seconds=${2:-1}
rounds=${3:-5}
counts=${4:-1 100 1000}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
ulimit -n "$(ulimit -Hn)" || true
pin() { if [ "$(nproc)" -gt 1 ]; then taskset -c "$1" "${@:2}"; else "${@:2}"; fi; }

# start CORES NAME: the server; its port in $port.
start() {
  : >"$work/port"
  case $2 in
    asio2) pin "$1" "$build/echo_asio" 0 2 >"$work/port" & ;;
    *) pin "$1" "$build/echo_$2" 0 >"$work/port" & ;;
  esac
  server=$!
  until [ -s "$work/port" ]; do sleep 0.01; done
  port=$(cat "$work/port")
}
stop() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
}

names=()
for name in weft epoll asio go; do [ ! -x "$build/echo_$name" ] || names+=("$name"); done

for count in $counts; do
  for ((round = 0; round < rounds; ++round)); do
    for name in "${names[@]}"; do
      start 0 "$name"
      pin 1 "$build/echo_client" "$port" "$server" "$count" "$seconds" >>"$work/$name.$count"
      stop
    done
  done
done

printf '%-8s %12s %12s %12s %12s %12s\n' server connections requests/s 'CPU µs' 'p50 µs' 'p99 µs'
for count in $counts; do
  for name in "${names[@]}"; do
    # The round with the least CPU a request.
    printf '%-8s %12s %12s %12s %12s %12s\n' "$name" "$count" $(sort -k2,2n "$work/$name.$count" | head -1)
  done
done

command -v strace >/dev/null || exit 0
cores=0,1
[ "$(nproc)" -gt 1 ] || cores=0
messages=5000
echo
echo "system calls per message, 1 connection, server on cores $cores"
for name in "${names[@]/#asio/asio2}"; do
  start "$cores" "$name"
  sleep 0.1
  strace -c -f -o "$work/calls" -p "$server" 2>/dev/null &
  tracer=$!
  sleep 0.5
  "$build/echo_client" "$port" "$server" 1 60 "$messages" >/dev/null
  kill -INT "$tracer" 2>/dev/null || true
  wait "$tracer" 2>/dev/null || true
  stop
  awk -v name="$name" -v messages="$messages" '
    $NF == "total" { total = $(NF - 1); if (total !~ /^[0-9]+$/) total = $4 }
    $1 ~ /^[0-9.]+$/ && $NF != "total" && $4 / messages > 0.05 { most = most sprintf(" %s %.2f", $NF, $4 / messages) }
    { if ($1 ~ /^[0-9.]+$/ && $NF != "total") sum += $4 }
    END { printf "%-8s %.2f  (%s )\n", name, sum / messages, most }' "$work/calls"
done
