#!/bin/sh
# strace.sh PROGRAM: the system itself says no, to the calls that the C library makes for weft, too. PROGRAM, the tests beside this file, runs
# one of their operations until it succeeds, under strace, which makes a call of each thread fail. Each line below: the operation, the
# call, the error, which of a thread's calls, and whether the operation goes on as if nothing had been or may throw the error. A row
# whose call is not made in any of five runs fails.
set -u
program=$1

command -v strace >/dev/null || { echo "skipped: there is no strace"; exit 77; }
log=$(mktemp) output=$(mktemp)
trap 'rm -f "$log" "$output"' EXIT
strace -f -qq -o "$log" -e trace=none -e inject=getpid:error=ENOSYS true 2>"$output" ||
  { echo "skipped: strace may not trace here: $(head -n 1 "$output")"; exit 77; }

rows=0 failed=0
while read -r operation call error which outcome certainty; do
  case $operation in '#'* | '') continue ;; esac
  rows=$((rows + 1))
  case $call in io_uring*) io=io_uring ;; *) io=epoll ;; esac
  for _ in 1 2 3 4 5; do
    WEFT_FAULT=$operation WEFT_IO=$io WEFT_ERROR=$error WEFT_OUTCOME=$outcome timeout 60 strace -f -qq --seccomp-bpf -o "$log" \
      -e "trace=$call" -e "inject=$call:error=$error:when=$which" "$program" '[.strace]' >"$output" 2>&1
    status=$?
    injected=$(grep -c INJECTED "$log")
    if [ $status -ne 0 ] || [ "$injected" -ne 0 ] || [ "$certainty" = perhaps ]; then break; fi
  done
  printf 'strace  %-20s %-15s %-12s %-4s %-9s %4d times\n' "$operation" "$call" "$error" "$which" "$outcome" "$injected"
  if [ $status -ne 0 ] || { [ "$injected" -eq 0 ] && [ "$certainty" != perhaps ]; }; then
    failed=$((failed + 1))
    echo "FAILED, status $status"
    cat "$output"
    tail -n 20 "$log"
  fi
done <<'ROWS'
# threads: the main thread makes those of the pool, a worker one for calls that block
tcp_listener        clone3          EAGAIN       1    comes_out
tcp_listener        clone3          EAGAIN       2    goes_on
resolve             clone3          EAGAIN       1    comes_out
resolve             clone3          ENOSYS       1+   goes_on
# events
tcp_listener        epoll_create1   EMFILE       1    comes_out
tcp_listener        epoll_ctl       ENOSPC       1    comes_out
tcp_listener        epoll_wait      EINTR        1    goes_on
# perhaps: only who sleeps before a timer is due makes this call
process::terminate  epoll_pwait2    ENOSYS       1+   goes_on   perhaps
process::terminate  epoll_pwait2    EPERM        1+   goes_on   perhaps
process::terminate  epoll_pwait2    EINTR        1    goes_on   perhaps
tcp_listener        eventfd2        ENFILE       1    comes_out
# sockets
tcp_listener        socket          ENOBUFS      1    comes_out
tcp_listener        bind            EACCES       1    comes_out
tcp_listener        listen          EINVAL       1    comes_out
tcp_listener        accept4         ECONNABORTED 1    goes_on
tcp_listener        accept4         EINTR        1    goes_on
tcp_listener        accept4         EMFILE       1    comes_out
serve               accept4         ENFILE       1    goes_on
serve               accept4         ENOMEM       1    goes_on
tcp_listener        connect         EINTR        1    goes_on
tcp_listener        connect         ETIMEDOUT    1    comes_out
tcp_listener        getsockname     ENOBUFS      1    comes_out
tcp_listener        setsockopt      ENOMEM       1    goes_on
tcp_listener        recvfrom        EINTR        1    goes_on
tcp_listener        recvfrom        ECONNRESET   2    comes_out
tcp_listener        sendto          EINTR        1    goes_on
tcp_listener        sendto          ENOBUFS      1    comes_out
unix_listener       connect         EINTR        1    goes_on
udp_socket          sendto          EPERM        1    comes_out
udp_socket          recvfrom        ENOMEM       1    comes_out
# pipes and files
pipe                pipe2           EMFILE       1    comes_out
wait_readable       poll            EINTR        1    goes_on
wait_readable       fcntl           EMFILE       1    comes_out
file                pwrite64        ENOSPC       1    comes_out
file                pwrite64        EINTR        1    goes_on
file                fsync           EIO          1    comes_out
file                fsync           EINTR        1    goes_on
file                io_uring_setup  ENOSYS       1+   goes_on
file                io_uring_setup  ENOMEM       1    goes_on
# programs
output              clone3          EAGAIN       1    comes_out
output              clone3          ENOSYS       1+   goes_on
output              pidfd_open      ENOSYS       1+   goes_on
output              pidfd_open      EMFILE       1    goes_on
output              waitid          EINTR        1    goes_on
output              pipe2           ENFILE       1    comes_out
ROWS
echo "strace  $rows rows, $failed failed"
[ "$rows" -gt 0 ] && [ "$failed" -eq 0 ]
