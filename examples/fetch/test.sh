#!/bin/sh
# test.sh FETCH: what it gets from serve, which is built beside it, and, where there is python3, from servers that send on, cut off, fail,
# fall silent or speak badly (bad_server.py); and by TLS from openssl s_server.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../web/against_servers.sh"

# get WANTED-STATUS ARGUMENT...: into $work/got, which is emptied before.
get() {
  wanted=$1
  shift
  rm -rf "$work/got"
  mkdir "$work/got"
  ends "$wanted" 60 -d "$work/got" "$@"
}
same() { check "$1 is not $2" cmp -s "$work/got/$1" "$work/site/$2"; }
nothing_left() { check "left: $(ls -A "$work/got")" [ -z "$(ls -A "$work/got")" ]; }

mkdir -p "$work/site/below"
cd "$work/site"
echo hello >hello.txt
: >empty
echo index >index.html
echo below >below/index.html
awk 'BEGIN { for (i = 0; i < 500000; i++) printf "%07d\n", i }' >numbers
i=0
while [ $i -lt 40 ]; do
  head -c $((i * 5000)) numbers >"n$i"
  i=$((i + 1))
done

timeout --foreground 280 "$serve" "$work/site" >"$work/url" 2>"$work/complaints" &
server=$!
servers="$servers $server"
url=$(wait_for_word "$work/url")
url=${url%/}

get 0 "$url/hello.txt" && same hello.txt hello.txt
check "says something else: $(cat "$work/out")" [ "$(cat "$work/out")" = "$work/got/hello.txt: 6 bytes" ]
check "a part is left" [ "$(ls -A "$work/got")" = hello.txt ]
get 0 -q "$url/numbers" "$url/empty" "$url" "$url/hello.txt?query"
same numbers numbers && same empty empty && same index.html index.html && same hello.txt hello.txt
check "quiet says something" [ ! -s "$work/out" ]
get 0 "$url/below" && same below below/index.html
get 0 "$url/below/" "$url/" && same index.html below/index.html && same index.html-2 index.html
for limit in 1 3 40; do
  get 0 -j $limit $(for i in $(seq 0 39); do echo "$url/n$i"; done)
  for i in $(seq 0 39); do same "n$i" "n$i"; done
done
get 1 "$url/none" "$url/hello.txt"
says 'none: status 404, after 1 tries' && same hello.txt hello.txt
check "a part is left" [ "$(ls -A "$work/got")" = hello.txt ]
get 1 -n 2 -d "$work/none" "$url/hello.txt"
says 'after 1 tries'

kill -INT $server
status=0
wait $server || status=$?
check "exit status $status of serve" [ $status = 0 ]
# Where nobody listens, it tries again.
get 1 -n 3 http://127.0.0.1:1/hello.txt
says 'after 3 tries' && nothing_left

if command -v python3 >/dev/null; then
  timeout 280 python3 "$here/bad_server.py" numbers >"$work/bad" &
  servers="$servers $!"
  bad=http://127.0.0.1:$(wait_for_word "$work/bad")
  for how in chunks chunks-by-bytes until-end sent-on slowly continue; do get 0 -n 1 "$bad/$how" && same $how numbers; done
  # The first two tries fail.
  for how in cut cut-chunks cut-head hang-up unavailable; do get 0 "$bad/$how-twice" && same $how-twice numbers; done
  # So many tries that one is quick enough also where the machine has much else to do.
  get 0 -n 20 -t 0.5 "$bad/silent-twice" && same silent-twice numbers
  get 1 -n 3 -t 0.3 "$bad/silent" && says 'too slow, after 3 tries' && nothing_left
  get 1 -n 3 "$bad/cut" && says 'hung up in the middle, after 3 tries' && nothing_left
  for how in no-http no-status no-length two-lengths bad-chunk negative-chunk round-in-circles endless-head elsewhere unknown-coding \
    continue-for-ever escapes; do
    get 1 -n 3 "$bad/$how" && says 'after 1 tries' && nothing_left
  done
  # What a server says is not what a terminal obeys, nor endless.
  get 1 -n 1 "$bad/escapes" && says 'x/?.31my*\.\.\.: not a character of an address'
  check 'an escape in a message' [ "$(tr -cd '\033' <"$work/err" | wc -c)" = 0 ]
  get 0 "$bad/chunks" "$bad/until-end" "$bad/cut-twice?x" "$bad/silent-twice?x" -n 20 -t 0.5
fi

# By TLS, from OpenSSL's own server, where both are there.
get 1 -n 1 https://127.0.0.1:1/
if command -v openssl >/dev/null && ! grep -q 'without OpenSSL' "$work/err"; then
  for name in here other; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" \
      -addext subjectAltName=IP:127.0.0.1 -keyout "$work/$name.key" -out "$work/$name.pem" 2>"$work/openssl"
  done
  timeout 280 openssl s_server -WWW -accept 127.0.0.1:0 -cert "$work/here.pem" -key "$work/here.key" >"$work/tls" 2>&1 </dev/null &
  servers="$servers $!"
  for _ in $(seq 1 3000); do
    grep -q ^ACCEPT "$work/tls" && break
    sleep 0.02
  done
  secure=https://127.0.0.1:$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$work/tls" | head -n 1)
  export SSL_CERT_FILE="$work/here.pem"
  get 0 -n 1 "$secure/hello.txt" && same hello.txt hello.txt
  get 0 -n 1 "$secure/numbers" "$secure/empty" && same numbers numbers && same empty empty
  get 1 -n 3 "https://localhost:${secure##*:}/hello.txt" && says 'hostname mismatch, after 1 tries' && nothing_left
  export SSL_CERT_FILE="$work/other.pem"
  get 1 -n 3 "$secure/hello.txt" && says 'certificate verify failed.* after 1 tries' && nothing_left
fi

# misuse WORD...
misuse() {
  status=0
  timeout 20 "$program" "$@" >/dev/null 2>"$work/err" || status=$?
  check "exit status $status for $*" [ $status = 2 ]
  check "no word about $*" [ -s "$work/err" ]
}
misuse
misuse ftp://x/y
misuse http://
misuse http://x:0/
misuse https://
misuse http://x:y/
misuse http://a@x/
misuse 'http://x/ y'
misuse -j 0 http://x/
misuse -n x http://x/
misuse --unknown
status=0
"$program" --help >"$work/out" || status=$?
check "no help" [ $status = 0 ] && check "no help" grep -q usage "$work/out"

echo "$checked checks"
[ $failed = 0 ] && [ $checked -gt 100 ]
