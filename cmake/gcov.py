# gcov.py OPTION...: gcov for gcovr, with those branches alone that somebody wrote into a header of weft.
#
# gcov numbers what a line branches to by what its machine code does: every call that may throw has a pair of branches, and where an expression
# has temporaries, what destroys them on the way of an exception has some as well. That is none in one instantiation of a template and six in
# another, so that adding up branches of one number adds up different things. Here a line keeps, of each instantiation and in the same order:
#   - no branch of a call, whether the call returns or throws;
#   - no branch that only an exception gets to, on a line that is also run without one. Those of a line in a catch block stay;
#   - no branch of a statement in which none is written: to cast a pointer, or to delete what it points to, is to look whether it is null.
# gcov tells the instantiations of a function apart, but not those of a lambda of several lines in it, which it takes to end where it begins: their
# branches stand one after the other, and are told apart by the number of instantiations.
# The n-th that is left is then the same in each instantiation, unless they differ in `if constexpr`. What only an exception gets to is what
# gcov says of the program as compiled, so it does not depend on the tests.
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HEADERS = "/include/weft/"
SOURCE = re.compile(r" *([^:]+): *(\d+):(.*)")
BLOCK = re.compile(r" *([^:]+): *\d+-block +\d+")
SECTION = re.compile(r"(\S+):$")
WRITTEN = re.compile(r"\b(if|for|while|do|switch|case|default|catch|WEFT_ASSERT)\b|&&|\|\||\?")
LITERALS = re.compile(r'"(\\.|[^"])*"|//.*')


class Plan:
    """A .gcov file of a program that has not run: which branches only an exception gets to, by instantiation and line."""

    def branching(self):
        """The lines of statements that say where they branch, from there on."""
        lines, inside = set(), False
        for number, text in sorted(self.text.items()):
            code = LITERALS.sub("", text).rstrip()
            inside = inside or bool(WRITTEN.search(code))
            if inside:
                lines.add(number)
            inside = inside and not code.endswith((";", "{", "}", ":"))
        return lines

    def __init__(self, path):
        self.text, self.cleanup, self.sections = {}, {}, set()
        section, key, exceptional_line, exceptional_block = None, None, False, False
        rule = False
        with path.open(errors="replace") as file:
            self.source = file.readline().rstrip("\n").split("Source:", 1)[1]
            for said in file:
                if said.startswith("-----"):
                    section, rule = None, True
                    continue
                if rule and (name := SECTION.match(said)):
                    section = name[1]
                    self.sections.add(section)
                elif line := SOURCE.match(said):
                    key = (section, int(line[2]))
                    self.text[key[1]] = line[3]
                    exceptional_line, exceptional_block = line[1] == "=====", False
                elif block := BLOCK.match(said):
                    exceptional_block = block[1] == "$$$$$"
                elif said.startswith("branch"):
                    self.cleanup.setdefault(key, []).append(exceptional_block and not exceptional_line)
                rule = False


def written(branches, cleanup):
    """How often each of the branches was taken that are written in the line."""
    if len(cleanup) != len(branches):
        cleanup = [False] * len(branches)
    kept = []
    for branch, only_cleanup in zip(branches, cleanup):
        if branch["throw"] and kept and kept[-1][0]["fallthrough"]:
            kept.pop()  # the call has returned
        elif not branch["throw"]:
            kept.append((branch, only_cleanup))
    return [branch["count"] for branch, only_cleanup in kept if not only_cleanup]


def apart(branches, instances):
    """What stands one after the other for several instantiations, one by one; `instances`: how many there may be, the likeliest first."""
    for count in instances:
        if branches and len(branches) % count == 0:
            size = len(branches) // count
            return [branches[i:i + size] for i in range(0, len(branches), size)]
    return [branches]


def lambdas(functions):
    """How many instantiations each lambda has that may go on in a line, as a function of the line; the lambda that begins last comes first."""
    whole = [(f["start_line"], f["end_line"]) for f in functions if f["start_line"] < f["end_line"]]
    begins = collections.Counter((f["start_line"], f["start_column"]) for f in functions if f["start_line"] == f["end_line"])
    reach = []
    for (begin, _), count in sorted(begins.items(), reverse=True):
        # To the end of the function that it is in.
        around = [last for first, last in whole if first <= begin <= last]
        if around:
            reach.append((begin, min(around), count))
    return lambda line: [count for begin, end, count in reach if begin < line <= end]


def rewrite(path, plan, entries, functions):
    """The .gcov file of the plan with the counts of the entries, each line once."""
    counts, taken, branching, inside = {}, {}, plan.branching(), lambdas(functions)
    for entry in entries:
        number, function = entry["line_number"], entry.get("function_name")
        counts[number] = counts.get(number, 0) + entry["count"]
        cleanup = plan.cleanup.get((function if function in plan.sections else None, number), [])
        line = taken.setdefault(number, [])
        all_here = written(entry["branches"], cleanup) if number in branching else []
        for here in apart(all_here, [] if function else inside(number)):
            line += [0] * (len(here) - len(line))
            for index, count in enumerate(here):
                line[index] += count
    out = [f"        -:    0:Source:{plan.source}\n"]
    for number, text in sorted(plan.text.items()):
        if number == 0:
            continue
        count = (counts[number] or "#####") if number in counts else "-"
        out.append(f"{count:>9}:{number:5}:{text}\n")
        out += [f"branch {index:2} taken {n}\n" for index, n in enumerate(taken.get(number, []))]
    path.write_text("".join(out))


def main(arguments):
    gcov = os.environ.get("GCOV", "gcov")
    data = [pathlib.Path(a) for a in arguments if a.endswith((".gcda", ".gcno"))]
    if not data:
        # What it can do; not the other format, which newer versions of gcovr prefer.
        help_text = subprocess.run([gcov, *arguments], capture_output=True, text=True).stdout
        print(*(line for line in help_text.splitlines() if "json" not in line), sep="\n")
        return 0
    counts, notes = data[0].with_suffix(".gcda"), data[0].with_suffix(".gcno")
    if not counts.exists():
        return 0  # a program that no test has run

    def run(*options):
        ran = subprocess.run([gcov, *options], capture_output=True, text=True)
        if ran.returncode != 0:
            sys.stderr.write(ran.stderr)
            sys.exit(ran.returncode)
        return ran.stdout

    told = json.loads(run("--json-format", "--stdout", "--branch-probabilities", "--object-directory", str(counts.parent), str(counts)))
    files = {file["file"]: file for file in told["files"]}
    with tempfile.TemporaryDirectory() as folder:
        alone = shutil.copy(notes, folder)  # beside no counts
        said = run("--all-blocks", "--branch-counts", "--branch-probabilities", "--hash-filenames", str(alone))
    for name in re.findall(r"^Creating '(.*)'$", said, re.MULTILINE):
        path = pathlib.Path(name)
        with path.open(errors="replace") as file:
            wanted = HEADERS in file.readline()
        if wanted:
            plan = Plan(path)
            file = files.get(plan.source, {"lines": [], "functions": []})
            rewrite(path, plan, file["lines"], file["functions"])
            print(f"Creating '{name}'")
        else:
            path.unlink()
    return 0


sys.exit(main(sys.argv[1:]))
