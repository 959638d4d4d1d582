#!/bin/sh
# test.sh CHAT: what several clients read of each other. Its clients are made of bash alone, which has sockets.
[ -n "${BASH_VERSION-}" ] || exec bash "$0" "$@"
set -eu
export LC_ALL=C
chat=$(realpath "$1")
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
failed=0

fail() {
  echo "chat: $*"
  failed=1
}

# hear SOCKET WANTED: the next line that comes there.
hear() {
  local got=
  IFS= read -r -t 30 -u "$1" got || got="(nothing: $got)"
  [ "$got" = "$2" ] || fail "'$got' instead of '$2'"
}

timeout --foreground 280 "$chat" >"$work/where" 2>"$work/complaints" &
server=$!
for _ in {1..3000}; do
  [ -s "$work/where" ] && break
  sleep 0.02
done
where=$(cat "$work/where")
port=${where##*:}

exec {ann}<>"/dev/tcp/127.0.0.1/$port"
echo Ann >&$ann
hear $ann '* Ann is here'
exec {bob}<>"/dev/tcp/127.0.0.1/$port"
printf 'Bob\r\n' >&$bob
hear $ann '* Bob is here'
hear $bob '* Bob is here'
# A name in pieces, longer than names are, with what a terminal would obey.
exec {cy}<>"/dev/tcp/127.0.0.1/$port"
printf 'Cy\033' >&$cy
sleep 0.1
printf '890123456789012345678901234\n' >&$cy
for socket in $ann $bob $cy; do hear $socket '* Cy890123456789012345 is here'; done

echo 'hello there' >&$bob
for socket in $ann $bob $cy; do hear $socket 'Bob: hello there'; done
printf 'two\nlines\n' >&$ann
for socket in $ann $bob $cy; do
  hear $socket 'Ann: two'
  hear $socket 'Ann: lines'
done

# One who has no name is not heard of; one who says too much has to go, and those who leave are missed.
exec {nobody}<>"/dev/tcp/127.0.0.1/$port"
printf '\nhello\n' >&$nobody
[ -z "$(timeout 30 cat <&$nobody)" ] || fail "who has no name is told something"
exec {nobody}>&-
head -c 5000 /dev/zero | tr '\0' x 2>/dev/null >&$bob || true  # it may be gone before all is said
for socket in $ann $cy; do hear $socket '* Bob has left'; done
exec {bob}>&-
exec {cy}>&-
hear $ann '* Cy890123456789012345 has left'

# A crowd: each hears everything of each, in the order in which it was said by each.
count=20
for ((i = 0; i < count; ++i)); do
  exec {socket}<>"/dev/tcp/127.0.0.1/$port"
  crowd[i]=$socket
  echo "n$i" >&$socket
  hear $ann "* n$i is here"
done
for ((i = 0; i < count; ++i)); do
  (for ((j = 0; j < 4; ++j)); do echo "$j"; done >&${crowd[i]}) &
  speakers[i]=$!
done
wait "${speakers[@]}"
for ((k = 0; k < count * 4; ++k)); do
  IFS= read -r -t 30 -u "$ann" got || got=
  who=${got%%:*} what=${got#*: }
  [ "${said[${who#n}]:-0}" = "$what" ] || fail "'$got' out of order"
  said[${who#n}]=$((what + 1))
done
for ((i = 0; i < count; ++i)); do [ "${said[i]}" = 4 ] || fail "not all of n$i was heard"; done
for ((i = 0; i < count; ++i)); do exec {crowd[i]}>&-; done

kill -INT "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" = 0 ] || fail "exit status $status after an interrupt"
[ ! -s "$work/complaints" ] || fail "complaints: $(head -3 "$work/complaints")"
[ "$("$chat" --help)" = 'usage: chat [PORT]' ] || fail "no help"
status=0
timeout 20 "$chat" 99999 >/dev/null 2>&1 || status=$?
[ "$status" = 2 ] || fail "exit status $status for no port"
[ $failed = 0 ]
