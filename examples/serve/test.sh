#!/bin/sh
# test.sh SERVE: what curl gets, and what clients get that speak badly, slowly or not at all (peers.py). What is not installed here
# does not ask; without either, nothing is tested (77).
set -eu
export LC_ALL=C
serve=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
command -v curl >/dev/null || command -v python3 >/dev/null || exit 77
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
failed=0 checked=0

fail() {
  echo "serve: $*"
  failed=1
}

# check WHAT COMMAND...
check() {
  what=$1
  shift
  checked=$((checked + 1))
  "$@" || fail "$what"
}

mkdir -p "$work/site/below/deep" "$work/outside"
cd "$work/site"
printf 'hello\n' >hello.txt
: >empty
printf '<h1>index</h1>' >index.html
printf 'below' >below/index.html
echo 'with a space' >'a b.txt'
echo secret >.hidden
echo secret >"$work/outside/secret"
ln -s "$work/outside/secret" link
ln -s "$work/outside" folder-link
mkfifo pipe
awk 'BEGIN { for (i = 0; i < 700000; i++) printf "%07d\n", i }' >numbers

# start OPTION...: the server; its address in $url.
start() {
  rm -f "$work/url"
  # In the foreground timeout hands a signal on once, not to its group as well.
  timeout --foreground 280 "$serve" "$@" "$work/site" >"$work/url" 2>"$work/complaints" &
  server=$!
  for _ in $(seq 1 3000); do
    [ -s "$work/url" ] && break
    sleep 0.02
  done
  url=$(cat "$work/url")
  url=${url%/}
}

# finish: an interrupt ends it, with 0. The signal goes to the server by way of timeout.
finish() {
  kill -INT "$server"
  status=0
  wait "$server" || status=$?
  server=
  check "exit status $status after an interrupt" [ "$status" = 0 ]
  check "complaints: $(head -3 "$work/complaints")" [ ! -s "$work/complaints" ]
}

if command -v curl >/dev/null; then
  start
  # ask WANTED-STATUS CURL-ARGUMENT...: the body in $work/body, the head in $work/head.
  ask() {
    wanted=$1
    shift
    got=$(curl -sS --max-time 60 --path-as-is -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" 2>"$work/curl.err") || got="$got, curl: $(cat "$work/curl.err")"
    check "status $got, not $wanted: $*" [ "$got" = "$wanted" ]
  }
  body_is() { check "another body" cmp -s "$work/body" "$1"; }
  head_has() { check "no '$1' in $(cat "$work/head")" grep -qi "^$1" "$work/head"; }

  ask 200 "$url/hello.txt" && body_is hello.txt
  head_has 'Content-Type: text/plain' && head_has 'Content-Length: 6'
  ask 200 "$url/" && body_is index.html
  ask 200 "$url/?x=y" && body_is index.html
  ask 200 "$url/below/" && body_is below/index.html
  ask 301 "$url/below?q" && head_has 'Location: /below/?q'
  ask 200 "$url/empty" && body_is empty
  ask 200 "$url/a%20b.txt" && body_is 'a b.txt'
  ask 200 "$url/numbers" && body_is numbers
  ask 200 -I "$url/numbers" && head_has 'Content-Length: 5600000'
  for path in none below/none below/deep/ .hidden link folder-link/secret pipe hello.txt/ ../outside/secret below/../../outside/secret %2e%2e/outside/secret; do
    ask 404 "$url/$path"
  done
  for path in /outside 'a%' '%00' below//index.html; do ask 400 "$url/$path"; done

  ask 206 -r 3-5 "$url/numbers" && head_has 'Content-Range: bytes 3-5/5600000'
  check "another part" [ "$(cat "$work/body")" = 000 ]
  ask 206 -r 5599992- "$url/numbers" && check "another end" [ "$(cat "$work/body")" = 0699999 ]
  ask 206 -r -8 "$url/numbers" && check "another end" [ "$(cat "$work/body")" = 0699999 ]
  ask 206 -r 1000000-4999999 "$url/numbers"
  tail -c +1000001 numbers | head -c 4000000 | check "another middle" cmp -s - "$work/body"
  ask 416 -r 5600000- "$url/numbers" && head_has 'Content-Range: bytes \*/5600000'
  ask 200 -r 1-2,4-5 "$url/hello.txt" && body_is hello.txt
  head -c 3000000 numbers >"$work/body"
  ask 206 -C 3000000 "$url/numbers" && body_is numbers

  ask 200 "$url/hello.txt"
  tag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' "$work/head") changed=$(sed -n 's/^Last-Modified: \(.*\)\r$/\1/p' "$work/head")
  ask 304 -H "If-None-Match: \"x\", W/$tag" "$url/hello.txt"
  ask 200 -H 'If-None-Match: "x"' "$url/hello.txt" && body_is hello.txt
  ask 304 -H "If-Modified-Since: $changed" "$url/hello.txt"
  ask 206 -r 0-1 -H "If-Range: $tag" "$url/hello.txt"
  ask 200 -r 0-1 -H 'If-Range: "x"' "$url/hello.txt" && body_is hello.txt
  touch -d '2001-02-03 04:05:06 UTC' hello.txt
  ask 200 "$url/hello.txt" && head_has 'Last-Modified: Sat, 03 Feb 2001 04:05:06 GMT'

  ask 405 -X DELETE "$url/hello.txt" && head_has 'Allow: GET, HEAD'
  ask 405 -d x=y "$url/hello.txt"
  ask 501 -X BREW "$url/hello.txt"
  ask 431 -H "X: $(head -c 9000 /dev/zero | tr '\0' x)" "$url/"
  ask 414 "$url/$(head -c 9000 /dev/zero | tr '\0' x)"
  ask 413 -X GET --data-binary @numbers -H 'Expect:' "$url/"
  ask 200 -X GET --data-binary @hello.txt "$url/" && body_is index.html
  ask 200 --http1.0 "$url/hello.txt" && head_has 'Connection: close'

  # below:count …
  for pair in 0:0 2:0 3:1 4:2 10:4 1000:168 262145:23000 10000000:664579; do
    ask 200 "$url/primes?below=${pair%:*}" && check "another number of primes below $pair" [ "$(cat "$work/body")" = "${pair#*:}" ]
  done
  for query in below=x below= below=-1 below=1000000001 x=1; do ask 400 "$url/primes?$query"; done
  ask 404 "$url/primes"

  # A hundred on one connection; and many connections at the same time.
  connections=$(curl -sS --max-time 60 -o "$work/body" -w '%{num_connects}\n' "$url/hello.txt?[1-100]" | awk '{ n += $1 } END { print n }')
  check "$connections connections for a hundred requests" [ "$connections" = 1 ]
  curl -sS --max-time 60 -Z --parallel-immediate --parallel-max 50 -w '%{http_code}\n' "$url/numbers?[1-50]" -o "$work/many.#1" >"$work/codes" 2>/dev/null || true
  check "not fifty files at the same time" [ "$(grep -c 200 "$work/codes")" = 50 ]
  for i in 1 25 50; do check "another file among fifty" cmp -s "$work/many.$i" numbers; done
  finish
fi

if command -v python3 >/dev/null; then
  # Little patience for those who are slow, and nearly any for the others, who may be slow on a machine that has much else to do.
  start --patience=1
  check "see above" timeout 280 python3 "$here/peers.py" "$url" "$server" numbers slow
  finish
  start --patience=60
  check "see above" timeout 280 python3 "$here/peers.py" "$url" "$server" numbers others
  status=0
  wait "$server" || status=$?
  server=
  check "exit status $status after an interrupt" [ "$status" = 0 ]
  check "complaints: $(head -3 "$work/complaints")" [ ! -s "$work/complaints" ]
fi

# misuse WORD...
misuse() {
  status=0
  timeout 20 "$serve" "$@" >/dev/null 2>"$work/complaints" || status=$?
  check "exit status $status for $*" [ "$status" = 2 ]
  check "no word about $*" [ -s "$work/complaints" ]
}
misuse
misuse "$work/none"
misuse "$work/site/hello.txt"
misuse "$work/site" 99999
misuse "$work/site" 0 more
misuse --patience=0 "$work/site"
misuse --unknown "$work/site"

echo "$checked checks"
[ $failed = 0 ] && [ $checked -gt 14 ]
