#!/bin/sh
# ported.sh ROOT: every test that tests/PORTED.md and the README's promises name exists in the file that they name, and nothing is listed twice.
set -eu
cd "$1/tests"

# named FILE: the rows of its tables, read from standard input.
named() {
  awk -v name="$1" -F ' *[|] *' '
function complain(text) { print name ":" NR ": " text; failed = 1 }

/^## / { origin = $0 }
!/^[|]/ || /^[|]( case | promise |---)/ { next }
{
  ++rows
  if (NF != 5) { complain("not a row of three"); next }
  if (origin "|" $2 in cases) complain("listed twice: " $2)
  cases[origin "|" $2]
  if (!($4 in sources)) {
    sources[$4] = ""
    while ((getline text < $4) > 0) sources[$4] = sources[$4] text "\n"
    close($4)
    # The formatter breaks lines and literals that are too long.
    gsub(/TEST_CASE\(\n */, "TEST_CASE(", sources[$4])
    gsub(/"\n *"/, "", sources[$4])
  }
  if (index(sources[$4], "TEST_CASE(\"" $3 "\"") == 0) complain($4 " has no test \"" $3 "\"")
  tests[$4 "|" $3]
}
END {
  for (t in tests) ++distinct
  print name ": " rows + 0 " rows, " distinct + 0 " tests"
  exit failed || rows == 0
}'
}

named PORTED.md <PORTED.md
awk '/^## / { promises = $2 == "Promises" } promises || !NF { print; next } { print "" }' ../README.md | named README.md
