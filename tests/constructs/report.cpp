// Writes the table of one compiler from what the probes print, and fails if a form that weft relies on is not safe, or
// if the tracked table says otherwise.
//
//   constructs_report TITLE TABLE TRACKED SUBSET LEVEL PROBE [LEVEL PROBE]...
//
// TITLE heads the table, TABLE is written; TRACKED may be missing, and nothing is compared then; SUBSET lists the names
// of the forms that must be safe. Every PROBE is a program, and LEVEL says how it was compiled.

#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct row {
  std::string group;
  std::string name;
  std::string text;
  std::vector<std::string> verdicts;  // one for each level

  bool safe() const {
    for (auto const& verdict : verdicts)
      if (verdict != "safe") return false;
    return true;
  }
};

std::vector<std::string> lines_of(std::istream& stream) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string output_of(std::string const& program) {
  std::FILE* const pipe = popen(("'" + program + "'").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot start " + program);
  std::string output;
  char buffer[4096];
  while (std::size_t const size = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, size);
  if (pclose(pipe) != 0) throw std::runtime_error(program + " failed");
  return output;
}

// Adds what one probe prints as the next column; probes list the same forms in the same order.
void add_column(std::vector<row>& rows, std::string const& program) {
  bool const first = rows.empty();
  std::istringstream stream(output_of(program));
  std::size_t index = 0;
  for (auto const& line : lines_of(stream)) {
    std::istringstream fields(line);
    row read;
    std::string verdict;
    std::getline(fields, read.group, '\t');
    std::getline(fields, read.name, '\t');
    std::getline(fields, read.text, '\t');
    std::getline(fields, verdict, '\t');
    if (first) rows.push_back(read);
    if (verdict.empty() || index >= rows.size() || rows[index].name != read.name)
      throw std::runtime_error(program + " prints another list: " + line);
    rows[index++].verdicts.push_back(verdict);
  }
  if (index == 0 || index != rows.size()) throw std::runtime_error(program + " misses forms");
}

// The names in a list with one in a line; # begins a comment.
std::set<std::string> names_in(std::string const& path) {
  std::ifstream file(path);
  std::set<std::string> names;
  for (auto const& line : lines_of(file)) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string name; words >> name;) names.insert(name);
  }
  if (names.empty()) throw std::runtime_error(path + " lists nothing");
  return names;
}

std::string escaped(std::string const& text) {
  std::string result;
  for (char const letter : text) {
    if (letter == '|') result += '\\';  // would end the cell, even in code
    result += letter;
  }
  return result;
}

std::string table_of(std::string const& title, std::vector<std::string> const& levels, std::vector<row> const& rows) {
  std::size_t unsafe = 0;
  std::vector<std::string> groups;
  for (auto const& each : rows) {
    if (!each.safe()) ++unsafe;
    bool known = false;
    for (auto const& group : groups) known = known || group == each.group;
    if (!known) groups.push_back(each.group);
  }

  std::ostringstream table;
  table << "# Coroutine forms with " << title << "\n\n"
        << "Written by the test `constructs`; the words are explained in `tests/constructs/README.md`.\n"
        << unsafe << " of " << rows.size() << " forms are not safe.\n";
  for (auto const& group : groups) {
    table << "\n## " << group << "\n\n| form | name |";
    for (auto const& level : levels) table << " " << level << " |";
    table << "\n|---|---|";
    for (std::size_t i = 0; i < levels.size(); ++i) table << "---|";
    table << "\n";
    for (auto const& each : rows) {
      if (each.group != group) continue;
      table << "| " << escaped(each.text) << " | " << each.name << " |";
      for (auto const& verdict : each.verdicts)
        table << " " << (verdict == "safe" ? verdict : "**" + verdict + "**") << " |";
      table << "\n";
    }
  }
  return table.str();
}

bool is_safe_subset(std::vector<row> const& rows, std::set<std::string> names) {
  bool all_safe = true;
  for (auto const& each : rows) {
    if (names.erase(each.name) == 0 || each.safe()) continue;
    all_safe = false;
    std::cout << "FAILED: weft relies on " << each.name << ", " << each.text << ":";
    for (auto const& verdict : each.verdicts) std::cout << " " << verdict << ";";
    std::cout << "\n";
  }
  for (auto const& name : names) std::cout << "FAILED: no form is called " << name << "\n";
  return all_safe && names.empty();
}

bool is_as_tracked(std::string const& table, std::string const& table_path, std::string const& tracked_path) {
  std::ifstream file(tracked_path);
  if (!file) {
    std::cout << "no table is tracked for this compiler: " << tracked_path << "\n\n" << table;
    return true;
  }
  auto const tracked = lines_of(file);
  std::istringstream stream(table);
  auto const measured = lines_of(stream);
  if (tracked == measured) return true;

  std::set<std::string> const known(tracked.begin(), tracked.end());
  std::set<std::string> const seen(measured.begin(), measured.end());
  std::cout << "FAILED: the tracked table differs (- tracked, + measured)\n";
  for (auto const& line : tracked)
    if (!seen.contains(line)) std::cout << "- " << line << "\n";
  for (auto const& line : measured)
    if (!known.contains(line)) std::cout << "+ " << line << "\n";
  std::cout << "if that is right: cp '" << table_path << "' '" << tracked_path << "'\n";
  return false;
}

int report(std::vector<std::string> const& arguments) {
  if (arguments.size() < 6 || arguments.size() % 2 != 0)
    throw std::runtime_error("usage: constructs_report TITLE TABLE TRACKED SUBSET LEVEL PROBE [LEVEL PROBE]...");
  std::vector<std::string> levels;
  std::vector<row> rows;
  for (std::size_t i = 4; i < arguments.size(); i += 2) {
    levels.push_back(arguments[i]);
    add_column(rows, arguments[i + 1]);
  }
  auto const table = table_of(arguments[0], levels, rows);
  if (!(std::ofstream(arguments[1]) << table)) throw std::runtime_error("cannot write " + arguments[1]);

  auto const subset = names_in(arguments[3]);
  bool const safe = is_safe_subset(rows, subset);
  bool const tracked = is_as_tracked(table, arguments[1], arguments[2]);
  std::cout << rows.size() << " forms, " << subset.size() << " of them relied on, table in " << arguments[1] << "\n";
  return safe && tracked ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return report({arguments + 1, arguments + count});
  } catch (std::exception const& error) {
    std::cerr << "constructs_report: " << error.what() << "\n";
    return 2;
  }
}
