#!/bin/sh
# layers.sh ROOT: every header includes its own folder and lower floors only, by the floors of cmake/layers.txt.
set -eu
cd "$1/include"

find weft -name '*.hpp' | sort | awk -v floors=../cmake/layers.txt '
function folder(path, part) { split(path, part, "/"); return part[2] }
function floor_of(name) { if (!(name in floor)) complain("cmake/layers.txt has no floor for " name); return floor[name] }
function complain(text) { print "include/" header ":" line ": " text; failed = 1 }

BEGIN {
  while ((getline text < floors) > 0) {
    n = split(text, word)
    if (word[1] ~ /^[0-9]+$/) for (i = 2; i <= n; ++i) floor[word[i]] = word[1]
  }
}
{
  header = $0; line = 0; own = folder(header); height = floor_of(own)
  while ((getline text < header) > 0) {
    ++line
    if (text !~ /^[ \t]*#[ \t]*include/) continue
    if (text ~ /"/) { complain("includes by <weft/...>, not by \"...\""); continue }
    if (text !~ /<weft\//) continue
    sub(/^[^<]*</, "", text); sub(/>.*/, "", text)
    to = folder(text); ++seen
    if (to != own && floor_of(to) >= height) complain("floor " height " (" own ") includes floor " floor[to] " (" to ")")
  }
  close(header)
}
END {
  print seen + 0 " includes in " NR " headers"
  exit failed || seen == 0
}'
