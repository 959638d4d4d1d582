#!/bin/sh
# test.sh SEEK: prints what grep prints, sorted by path and line, on the sources of weft, on the system's headers and on files
# made to be difficult; and ends as it should when it is interrupted or cannot write.
set -eu
export LC_ALL=C
seek=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
[ "${KEEP-}" ] || trap 'rm -rf "$work"' EXIT
failed=0 compared=0
input=/dev/null
threads=

fail() {
  echo "seek: $*"
  failed=1
}

# same OPTION... PATTERN [PATH...]: in the current directory, seek and grep print the same, complain of the same and answer
# the same.
same() {
  status=0 wanted=0
  "$seek" $threads "$@" <"$input" >"$work/seek.out" 2>"$work/seek.err" || status=$?
  grep -rnFI "$@" <"$input" >"$work/grep.out" 2>"$work/grep.err" || wanted=$?
  # Lines without a path come from one file, in order.
  if grep -q '^[0-9]*:' "$work/grep.out"; then
    cp "$work/grep.out" "$work/wanted.out"
  else
    sort -s -t: -k1,1 -k2,2n "$work/grep.out" >"$work/wanted.out"
  fi
  sed 's/^grep:/seek:/' "$work/grep.err" | sort >"$work/wanted.err"
  sort -o "$work/seek.err" "$work/seek.err"
  compared=$((compared + 1))
  cmp -s "$work/seek.out" "$work/wanted.out" || fail "other lines than grep: $threads $*"
  cmp -s "$work/seek.err" "$work/wanted.err" || fail "other complaints than grep: $threads $*: $(head -1 "$work/seek.err")"
  [ $status = $wanted ] || fail "exit status $status, grep's is $wanted: $threads $*"
}

# ── the tracked files, or all sources where there is no git ──

mkdir "$work/tracked"
cd "$work/tracked"
if ! git -C "$root" archive HEAD 2>/dev/null | tar -x 2>/dev/null; then
  cp -R "$root/include" "$root/examples" .
fi
for threads in --threads=1 --threads=2 --threads=16; do
  same std:: .
  same -i parallel_for
  same -c e .
done
for pattern in '' '// ' '#include <weft/' '  return' 'no such text'; do
  for options in -- -ci -la; do same $options "$pattern"; done
done

# ── the system's headers ──

threads=
if [ -d /usr/include ]; then
  same mutex_lock /usr/include
  same -ci define /usr/include
else
  echo "no system headers here: not searched"
fi

# ── files made to be difficult ──

mkdir "$work/difficult"
cd "$work/difficult"
mkdir -p empty a/b a.d 'a b' a-b deep/1/2/3/4/5
for file in a/b/x a/c a.d/x 'a b/x' a-b/x a.h a-z a+ A deep/1/2/3/4/5/x deep/1/2-x deep/1/2.x "$(printf 'caf\351')"; do
  echo "needle in $file" >"$file"
done
: >no-bytes
printf '\n\n\n' >only-newlines
printf 'needle' >no-last-newline
printf 'much hay\nand hay before the last needle' >at-the-very-end
printf '[1]\n{1}\n@a\n`a\n' >brackets
printf 'NeeDLe\nNEEDLE\nneedleneedle\nneedl\n@EEDLE\n' >cases
printf 'needle \377\376 \303\251 \351\r\n' >no-utf8
printf 'needle\n\0needle\n' >nul
{ yes 'a needle in the first blocks' | head -8000; printf '\0\n'; echo needle; } >nul-later
{ yes 'a needle in a large file' | head -90000; printf '\0\n'; yes needle | head -90000; } >nul-in-large
{ printf 'needle\n'; yes 'some hay' | head -20000; } >hole && truncate -s 300000 hole
{ printf 'needle\n'; yes 'some hay' | head -200000; } >hole-in-large && truncate -s 3000000 hole-in-large
{ seq 1 180000; printf needle; } >numbers
x=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
awk -v x=$x 'BEGIN { for (i = 1; i < 120000; i++) print (i % 7 ? "hay" : "needle"), i, substr(x, i % 37) }' >ragged
# The needle across the ends of grep's blocks, of segments and of the block that a file is read into.
for size in 98304 294912 1048576; do
  for before in 1 3 6 7; do
    { head -c $((size - before)) ragged | tr n m; printf 'needle\nneedle\n'; seq 1 $before; } >across-$size-$before
  done
  head -c $size ragged >of-$size
  head -c $((3 * size)) ragged >of-3x$size
done
ln -s a link-to-directory
ln -s cases link-to-file
ln -s nowhere link-to-nothing
mkfifo pipe

for options in -- -c -l -i -a -ac -al; do
  threads=--threads=3 same $options needle
done
for pattern in NeEdLe n 4 1249 xxx; do
  threads=--threads=2 same $pattern
  threads=--threads=1 same -ci $pattern .
done
same -c ''
same -i '[1'
same -i '`A'
same '' numbers cases no-bytes only-newlines nul-in-large
same needle ./a a.d/ 'a b//' deep
same needle a/c
same -c needle link-to-file
same -l needle link-to-file
same needle link-to-directory
same needle link-to-nothing missing a.h
same needle a.h/
same needle a a.d 'a b' a-b a.h A cases link-to-file empty
same needle cases -i
same -- -a .
same -- needle cases nul
same needle /dev/null a
same needle deep/1/../1
input=cases same needle -
input=numbers same 249 - a.h
input=of-3x1048576 same -c needle -
echo 'a needle in a pipe' >pipe &
"$seek" needle pipe a >"$work/seek.out" || fail "exit status $? for a pipe"
printf 'a/b/x:1:needle in a/b/x\na/c:1:needle in a/c\npipe:1:a needle in a pipe\n' | cmp - "$work/seek.out" ||
  fail "other lines in a pipe"
chmod 0 a/c deep/1/2
[ -r a/c ] || same needle .
chmod 755 a/c deep/1/2
"$seek" needle . >inside 2>/dev/null || [ $? = 2 ] || fail "exit status $? where the output is searched"
! grep -q inside inside || fail "its own output is searched"

# ── long lines: on their own, as grep reads larger blocks after one, and sees NUL bytes earlier ──

mkdir "$work/long"
cd "$work/long"
{ echo needle; head -c 2000000 /dev/zero | tr '\0' x; echo needle; echo needle; } >in-between
{ echo needle; head -c 1500000 /dev/zero | tr '\0' x; } >at-end
same needle
same -c xx

# ── misuse, interrupts, output that cannot be written ──

cd "$work/difficult"

# status WANTED COMMAND...
status() {
  wanted=$1 status=0
  shift
  "$@" >"$work/seek.out" 2>"$work/seek.err" || status=$?
  [ $status = "$wanted" ] || fail "exit status $status, not $wanted: $*"
}

status 0 "$seek" --help
for misuse in '' --threads=0 '--threads=two x' --threads=99999999999 --unknown "$(printf 'a\nb')"; do
  # shellcheck disable=SC2086
  case $misuse in -*) status 2 "$seek" $misuse ;; '') status 2 "$seek" ;; *) status 2 "$seek" "$misuse" ;; esac
  [ -s "$work/seek.err" ] || fail "no word about what is wrong: $misuse"
done
status 0 "$seek" --stats needle .
grep -q 'files, .* bytes, .* s, .* MB/s, .* steals' "$work/seek.err" || fail "other statistics: $(cat "$work/seek.err")"

# Waiting for a pipe that nobody opens; and for one that nobody reads, or with much to do.
status 130 timeout --preserve-status -k 10 -s INT 0.5 "$seek" needle pipe
many=$(yes . | head -3000)
# shellcheck disable=SC2086
status 130 timeout --preserve-status -k 10 -s INT 0.5 "$seek" -c e $many
mkfifo "$work/end"
{
  status 130 timeout --preserve-status -k 10 -s INT 0.5 sh -c 'exec "$0" e >&3' "$seek"
  echo $failed >"$work/failed"
  echo >"$work/end"
} 3>&1 | { exec 4<&0; read -r _ <"$work/end"; }
[ "$(cat "$work/failed")" = 0 ] || failed=1

status 2 sh -c '"$0" needle numbers >/dev/full' "$seek"
[ -s "$work/seek.err" ] || fail "no word about a full disk"

echo "$compared searches compared"
[ $failed = 0 ] && [ $compared -gt 60 ]
