#!/bin/sh
# test.sh CRAWL: which words it counts on a site that is served by serve, which is built beside it, and, where they are there, by nginx, by
# python3's http.server and, by TLS, by openssl s_server; and what it does with a site without end and with an interrupt (peer.py).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../web/against_servers.sh"

# run WANTED-STATUS ARGUMENT...
run() {
  wanted=$1
  shift
  ends "$wanted" 100 "$@"
}
# has TIMES WORD: in what it has printed.
has() { check "not $1 times '$2', after $url: $(cat "$work/out")" grep -q "^ *$1  $2\$" "$work/out"; }
has_not() { check "'$1' is counted: $(cat "$work/out")" sh -c '! grep -q "  $1\$" "$2"' - "$1" "$work/out"; }
pages() { check "not $1 pages, after $url: $(tail -n 2 "$work/out"; cat "$work/err")" grep -q "^$1 pages, .* bytes read in .* s" "$work/out"; }
quiet() { check "complaints: $(cat "$work/err")" [ ! -s "$work/err" ]; }

mkdir -p "$work/site/below/deep" "$work/site/many"
cd "$work/site"
cat >index.html <<'END'
<!DOCTYPE html><html><head><title>Start here</title><style>p { color: notaword }</style></head>
<body><!-- notaword <a href="comment.html"> --><p class="notaword">Caf&#233; caf&eacute &amp; R&#x26;D, <b>one</b> one ONE, 2 < 3, 42 4th</p>
<script>if (a < b) notaword("<a href='script.html'>")</script>
<a href="below/">below</a> <A HREF='text.txt'>text</A> <a name=x href=text.txt#part>again</a> <a href="./below/../text.txt">once more</a>
<a href="picture.png">picture</a> <a href="http://127.0.0.1:1/elsewhere">elsewhere</a> <a href="mailto:a@b">mail</a> <a href="#x">here</a>
<a href=" a page&#32;with blanks.html "
>blanks</a><a
END
cat >below/index.html <<'END'
<base href="/below/deep/"><body>below <a href="../..">up</a> <a href=x.html>deeper</a> <a href="../../../../below/deep/y.html?q">deeper</a>
END
echo 'text text <b>notag</b> <a href="none.html">' >text.txt
echo '<p>blank' >'a page with blanks.html'
echo '<p>deep <a href="z.html">on</a>' >below/deep/x.html
echo '<p>query' >below/deep/y.html
echo '<p>deepest' >below/deep/z.html
printf '\211PNG notaword' >picture.png
# Many pages, all linked from the first; the word wNN stands there NN times, in small and large letters.
i=1
while [ $i -le 60 ]; do
  echo "<a href=p$i.html>many</a>" >>many/index.html
  awk -v i=$i 'BEGIN { for (k = 0; k < i; k++) print "<p>w" i " W" i ",w" i }' >many/p$i.html
  i=$((i + 1))
done
# And a long one, of which every piece has its share.
awk 'BEGIN { for (k = 0; k < 200000; k++) print "lorem ipsum n" k % 1000 }' >long.txt

# look_around URL: the same whoever serves it.
look_around() {
  url=$1
  run 0 -w 100 "$url/"
  quiet && pages 6
  has 3 text && has 3 one && has 1 caf && has 1 'caf..' && has 1 4th && has 1 r && has 1 start && has 2 here && has 2 deeper
  has 1 blank && has 1 query && has 1 deep && has 1 notag
  for word in notaword 42 deepest; do has_not "$word"; done
  run 0 -w 100 -d 0 "$url/"
  quiet && pages 1 && has 1 below && has_not deeper
  run 0 -w 100 -d 3 "$url/"
  pages 7 && has 1 deepest
  run 0 -w 100 -p 2 "$url/"
  pages 2
  run 0 -w 4 "$url/" "$url/text.txt" "$url"
  pages 6 && check "not four words" [ "$(grep -c '^ *[0-9]*  ' "$work/out")" = 4 ]
  for limit in 1 7 100; do
    run 0 -j $limit -w 70 "$url/many/index.html"
    pages 61 && quiet
    grep '  w[0-9]*$' "$work/out" >"$work/words"
    awk 'BEGIN { for (i = 60; i > 0; i--) printf "%8d  w%d\n", 3 * i, i }' | check "other words" cmp -s - "$work/words"
  done
  run 0 -w 3 "$url/long.txt"
  printf '  200000  ipsum\n  200000  lorem\n     200  n0\n' >"$work/words"
  head -n 3 "$work/out" | check "other words of a long text: $(head -n 3 "$work/out")" cmp -s - "$work/words"
  check "other sums: $(cat "$work/out")" grep -q '^600000 words, 1002 different, counted in .* s' "$work/out"
  run 1 "$url/none.html" "$url/text.txt"
  says 'none.html: status 404' && pages 1 && has 2 text
  run 1 -q "$url/none.html"
  quiet && pages 0
}

timeout --foreground 280 "$serve" "$work/site" >"$work/url" 2>"$work/complaints" &
servers="$servers $!"
url=$(wait_for_word "$work/url")
look_around "${url%/}"
# A folder without a slash is elsewhere, where it is read once.
run 0 -w 100 "$url/below" "$url/below/"
has 2 below && pages 7
run 1 http://127.0.0.1:1/ "$url"
says '127.0.0.1:1/: .*refused' && pages 6

# At an address of the loopback network that no other process takes.
if command -v nginx >/dev/null; then
  at=127.$((64 + ($$ >> 16 & 63))).$(($$ >> 8 & 255)).$(($$ & 255)):8080
  mkdir "$work/nginx"
  cat >"$work/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $work/nginx/pid;
error_log $work/nginx/error;
events {}
http {
  types { text/html html; text/plain txt; image/png png; }
  access_log off;
  client_body_temp_path $work/nginx/body;
  proxy_temp_path $work/nginx/proxy;
  fastcgi_temp_path $work/nginx/fastcgi;
  uwsgi_temp_path $work/nginx/uwsgi;
  scgi_temp_path $work/nginx/scgi;
  server { listen $at; root $work/site; }
}
END
  [ "$(id -u)" != 0 ] || sed -i "1i user $(id -un);" "$work/nginx.conf"
  timeout 280 nginx -e "$work/nginx/error" -c "$work/nginx.conf" -p "$work/nginx" 2>"$work/nginx.err" &
  servers="$servers $!"
  for _ in $(seq 1 3000); do
    [ -s "$work/nginx/pid" ] && break
    sleep 0.02
  done
  look_around "http://$at"
fi

if command -v python3 >/dev/null; then
  # As `python3 -m http.server`, but that lets no more than five connections wait, and the system lets others wait for seconds.
  timeout 280 python3 -c '
import functools, http.server, sys
http.server.ThreadingHTTPServer.request_queue_size = 200
files = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
' "$work/site" >"$work/python" 2>/dev/null &
  servers="$servers $!"
  look_around "http://127.0.0.1:$(wait_for_word "$work/python")"

  timeout 280 python3 "$here/peer.py" >"$work/peer" &
  peer=$!
  servers="$servers $peer"
  url=http://127.0.0.1:$(wait_for_word "$work/peer")
  run 0 -p 50 -d 1000 "$url/"
  pages 50 && has 50 endless
  run 0 -p 1000 -d 4 "$url/"
  pages 31 && has 31 endless
  run 1 "$url/long" && says 'long: too long a page'
  run 1 "$url/circle" && says 'circle: sent on again and again'
  run 1 -t 0.3 "$url/stalls" && says 'stalls: too slow'

  # An interrupt while it waits for what does not come, and in the middle of what has no end.
  # interrupt SIGNAL STATUS ARGUMENT...: later and later, as it may need longer to get there where the machine has much else to do.
  interrupt() {
    signal=$1 wanted=$2
    shift 2
    for delay in 0.5 2 8 16; do
      status=0
      "$program" "$@" >"$work/out" 2>"$work/err" &
      pid=$!
      sleep $delay
      kill -s "$signal" $pid 2>/dev/null || true
      wait $pid || status=$?
      ! grep -q '^[1-9][0-9]* pages.*, interrupted' "$work/out" || break
    done
    check "exit status $status, not $wanted, after $signal" [ $status = "$wanted" ]
    check "no word of the interrupt: $(cat "$work/out")" grep -q 'bytes read in .* s, interrupted' "$work/out"
  }
  interrupt INT 130 "$url/stop"
  pages 1 && has 1 before && has_not never
  interrupt TERM 143 -p 1000000 -d 1000 -w 1 "$url/"
  read -r times word <"$work/out"
  check "not counted: $(cat "$work/out")" [ "$word" = endless ]
  pages "$times"
fi

# By TLS, from OpenSSL's own server, where both are there.
run 1 https://127.0.0.1:1/
if command -v openssl >/dev/null && ! grep -q 'without OpenSSL' "$work/err"; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key" -out "$work/certificate" 2>"$work/openssl"
  timeout 280 openssl s_server -WWW -accept 127.0.0.1:0 -cert "$work/certificate" -key "$work/key" >"$work/tls" 2>&1 </dev/null &
  servers="$servers $!"
  for _ in $(seq 1 3000); do
    grep -q ^ACCEPT "$work/tls" && break
    sleep 0.02
  done
  url=https://127.0.0.1:$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$work/tls" | head -n 1)
  SSL_CERT_FILE=$work/certificate run 0 -w 100 "$url/many/index.html"
  pages 61 && has 180 w60 && has 3 w1
  run 1 "$url/many/index.html"
  says 'certificate verify failed' && pages 0
fi

# misuse WORD...
misuse() {
  status=0
  timeout 20 "$program" "$@" >/dev/null 2>"$work/err" || status=$?
  check "exit status $status for $*" [ $status = 2 ]
  check "no word about $*" [ -s "$work/err" ]
}
misuse
misuse ftp://x/y && says 'ftp://x/y: not an http'
misuse http://x/ http:///nowhere && says 'http:///nowhere: no host'
misuse http://x:0/
misuse -d -1 http://x/
misuse -p 0 http://x/
misuse -j 0 http://x/
misuse -w x http://x/
misuse --unknown
status=0
"$program" --help >"$work/out" || status=$?
check "no help" [ $status = 0 ] && check "no help" grep -q usage "$work/out"

echo "$checked checks"
[ $failed = 0 ] && [ $checked -gt 80 ]
