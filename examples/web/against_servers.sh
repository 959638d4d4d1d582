# What the tests of web clients begin with: . against_servers.sh, with the program in $1. Gives $program, $serve, which is built beside it, a folder
# $work, the list $servers of what is killed at the end, and what counts and reports.
export LC_ALL=C
program=$(realpath "$1")
serve=$(dirname "$program")/serve
work=$(mktemp -d)
servers=
trap 'for s in $servers; do kill "$s" 2>/dev/null || true; done; rm -rf "$work"' EXIT
failed=0 checked=0

# check WHAT COMMAND...
check() {
  what=$1
  shift
  checked=$((checked + 1))
  "$@" || {
    echo "$(basename "$program"): $what"
    failed=1
  }
}

# wait_for_word FILE: its first line, when it is there.
wait_for_word() {
  for _ in $(seq 1 3000); do
    [ -s "$1" ] && break
    sleep 0.02
  done
  head -n 1 "$1"
}

# ends WANTED-STATUS SECONDS ARGUMENT...: the program, whose output is in $work/out and $work/err.
ends() {
  wanted=$1 seconds=$2 status=0
  shift 2
  timeout "$seconds" "$program" "$@" >"$work/out" 2>"$work/err" || status=$?
  check "exit status $status, not $wanted: $* $(cat "$work/err")" [ $status = "$wanted" ]
}
says() { check "no '$1' in: $(cat "$work/err")" grep -q "$1" "$work/err"; }
