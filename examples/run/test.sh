#!/bin/sh
# test.sh RUN: every line becomes a job, what jobs write stays whole, the exit status is that of xargs, and nothing is left running
# by a Ctrl-C, a timeout or a job that failed.
set -eu
export LC_ALL=C
run=$(realpath "$1")
work=$(mktemp -d)
[ "${KEEP-}" ] || trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0 checked=0

fail() {
  echo "run: $*"
  failed=1
}

# expect STATUS COMMAND...: its output is in out and err.
expect() {
  wanted=$1 status=0
  shift
  timeout -k 10 60 "$@" >out 2>err || status=$?
  checked=$((checked + 1))
  [ $status = "$wanted" ] || fail "exit status $status, not $wanted: $* ($(head -c 300 err))"
}
# printed WANTED: these lines, in any order.
printed() {
  printf "$1" | sort >wanted
  sort out | cmp -s - wanted || fail "printed otherwise: $(head -c 300 out)"
}
# eventually COMMAND...
eventually() {
  for i in $(seq 1200); do
    if "$@"; then return; fi
    sleep 0.05
  done
  fail "not after a minute: $*"
}

# ── what is run ──

seq 3 >three
expect 0 "$run" echo <three
printed '1\n2\n3\n'
expect 0 "$run" -j 2 -a three echo 'a{}b' -c
printed 'a1b -c\na2b -c\na3b -c\n'
expect 0 "$run" <<'END'
echo one; echo two
printf '%s\n' "a  b"
true
END
printed 'one\ntwo\na  b\n'
printf 'a b\0c\nd\0' >zeros
expect 0 "$run" -0 -j1 printf '<%s>\n' <zeros
printed '<a b>\n<c\nd>\n'
printf 'no end' >no-end
expect 0 "$run" echo <no-end
printed 'no end\n'
expect 0 "$run" echo </dev/null
printed ''
# Two lines at once, since each waits for the other.
mkfifo there back
expect 0 "$run" -j2 <<'END'
echo x >there; read y <back; echo got $y
read x <there; echo y >back; echo got $x
END
printed 'got x\ngot y\n'
# A job has nothing to read: not the lines of the others.
expect 0 "$run" -j1 <<'END'
cat
echo still here
END
printed 'still here\n'
# Compared with xargs.
seq 300 >many
expect 0 "$run" -j 8 sh -c 'echo "$1" $(($1 * $1))' - <many
sort -o out out
xargs -P 8 -I @ sh -c 'echo "$1" $(($1 * $1))' - @ <many | sort | cmp -s - out || fail "other lines than xargs"

# ── what is printed ──

# Whole lines, though they are written piece by piece at the same time; and larger than pipes and buffers are.
expect 0 "$run" -j4 sh -c 'for i in 1 2 3 4 5; do printf "$1"; sleep 0.01; printf "$1"; sleep 0.01; echo "$1"; done' - <three
printed "$(for i in 1 2 3; do for j in 1 2 3 4 5; do printf '%s%s%s\\n' $i $i $i; done; done)"
expect 0 "$run" -j3 sh -c 'yes "$1" | head -c 300000; head -c 200000 /dev/zero | tr "\0" "$1"; echo' - <three
[ "$(wc -c <out)" = 1500003 ] || fail "$(wc -c <out) bytes of 1500003"
tr -s 123 <out | sort | uniq -c | awk '{ print $2 }' | cmp -s - three || fail "lines are mixed"
expect 0 "$run" -j3 -g sh -c 'echo "$1"; sleep 0.02; echo "$1"; sleep 0.02; echo "$1"' - <three
uniq out >groups
[ "$(wc -l <groups)" = 3 ] || fail "groups are mixed"
expect 0 "$run" -t sh -c 'echo "out $1"; printf "err $1" >&2' - <three
printed '1\tout 1\n2\tout 2\n3\tout 3\n'
sort err >out
printed '1\terr 1\n2\terr 2\n3\terr 3\n'
# As it comes: the line is there before the job ends.
mkfifo lines
{ echo 'echo early; read x <there; echo late'; exec sleep 100; } >lines &
feeder=$!
"$run" <lines >live &
pid=$!
eventually grep -q early live
echo x >there
eventually grep -q late live
kill $feeder
wait $pid || fail "exit status $? with an input that ended"

# ── how it ends ──

expect 123 "$run" -j2 sh -c 'exit $(($1 % 2))' - <three
[ "$(wc -l <err)" = 2 ] && grep -q 'exit code 1: 3' err || fail "other complaints: $(cat err)"
expect 123 "$run" <<'END'
kill -9 $$
END
grep -q 'signal 9 (Killed)' err || fail "no word of the signal: $(cat err)"
expect 127 "$run" no-such-program <three
grep -q 'no-such-program: No such file' err || fail "no word of the program: $(cat err)"
expect 126 "$run" ./three <three
expect 2 "$run" -a no-such-file echo
for misuse in '-j 0' '-j x' '-j' '--unknown' '-T 0' '-T -1'; do
  # shellcheck disable=SC2086
  expect 2 "$run" $misuse </dev/null
  [ -s err ] || fail "no word about what is wrong: $misuse"
done
expect 0 "$run" --help
# Without an input, or without an output, there is something to complain of and nothing to wait for.
expect 2 sh -c '"$0" echo <&-' "$run"
grep -q 'Bad file descriptor' err || fail "no word of the missing input: $(cat err)"
expect 2 sh -c 'seq 3 | "$0" echo >&-' "$run"
expect 123 sh -c 'seq 3 | "$0" -j1 false 2>&-' "$run"
# A line that is too long for the system is named by its beginning.
head -c 300000 /dev/zero | tr '\0' x >long-line
expect 126 "$run" echo <long-line
[ "$(wc -c <err)" -lt 400 ] && grep -q 'Argument list too long: xxxx' err || fail "another complaint of a long line: $(head -c 300 err)"
# A program that cannot be written to ends, and what it runs.
expect 2 sh -c 'seq 3 | "$0" yes >/dev/full' "$run"
expect 0 sh -c 'seq 3 | { "$0" yes; echo $? >code; } 2>err.2 | head -1' "$run"
[ "$(cat code)" = 2 ] || fail "exit status $(cat code) without a reader"

# ── nothing goes on: children write to a pipe as long as they live ──

mkfifo alive
# ends STATUS SIGNAL SCRIPT OPTION...: with three jobs that say that they are there, it ends so when it gets the signal, or where there is
# none when there is a file `go`. Scripts say it by a word of theirs, when they are ready for what comes.
ends() {
  wanted=$1 signal=$2 script=$3 status=0
  shift 3
  rm -f go
  cat alive >said &
  reader=$!
  "$run" -j3 "$@" sh -c "exec 3>alive; there() { echo there >&3; }; $script" - <three >out 2>err &
  pid=$!
  eventually sh -c '[ "$(grep -c there said)" = 3 ]'
  if [ "$signal" ]; then kill -s "$signal" $pid; else : >go; fi
  wait $pid || status=$?
  checked=$((checked + 1))
  [ $status = "$wanted" ] || fail "exit status $status, not $wanted: $signal $script ($(head -c 300 err))"
  wait $reader  # for the end of the last one that has the pipe open
}
# In the background of a shell without job control SIGINT is ignored: it is waited for all the same.
ends 130 INT 'there; exec sleep 100'
ends 143 TERM 'sleep 100 & sleep 100 & there; wait'
ends 129 HUP 'there; sleep 100; exit 3'
# The time of grace is two seconds, in which a machine with much else to do may not come to it: there is another try.
for try in 1 2 3 4 5; do
  ends 130 INT 'trap "echo cleaned >&3; exit" TERM; there; while :; do sleep 0.01; done'
  [ "$(grep -c cleaned said)" != 3 ] || break
done
[ "$(grep -c cleaned said)" = 3 ] || fail "no time to clean up"
ends 143 TERM 'trap "" TERM; there; while :; do sleep 0.01; done'
ends 123 '' 'there; [ $1 = 2 ] && { until [ -e go ]; do sleep 0.01; done; exit 1; }; exec sleep 100' -x
[ "$(wc -l <err)" = 1 ] || fail "more than one failure: $(cat err)"

# A timeout ends the jobs; a longer one where this machine is too slow for them to begin in time.
for patience in 0.3 3 30; do
  cat alive >said &
  reader=$!
  expect 123 "$run" -j3 -T $patience sh -c 'exec 3>alive; echo there >&3; exec sleep 100' - <three
  grep -q 'timed out: 2' err || fail "no word about the timeout: $(cat err)"
  { : >&4; } 4<>alive  # for a reader to whom nobody came
  wait $reader
  [ "$(grep -c there said)" != 3 ] || break
done
[ "$(grep -c there said)" = 3 ] || fail "not all jobs have begun in $patience s"

# The second signal ends the time of grace.
"$run" -j1 sh -c 'trap "" TERM; echo there; while :; do sleep 0.01; done' - <no-end >live 2>/dev/null &
pid=$!
eventually grep -q there live
kill -s INT $pid
sleep 0.1
kill -s INT $pid 2>/dev/null || true  # the time of grace may be over
status=0
wait $pid || status=$?
[ $status = 130 ] || fail "exit status $status, not 130, after two signals"

echo "$checked runs checked"
[ $failed = 0 ] && [ $checked -gt 30 ]
