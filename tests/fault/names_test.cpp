// The tables of operations are complete: what the headers declare for users stands in a row, or below with a reason.
#include "fault/operations.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string name_at(std::string_view line, std::size_t begin) {
  auto end = begin;
  while (end < line.size() && is_name(line[end])) ++end;
  return std::string(line.substr(begin, end - begin));
}

/// What a line in the first column of namespace weft declares: a class, an enumeration or a function; "" for anything else.
std::string declared_in(std::string line) {
  auto const erase = [&line](std::string_view open, std::string_view close) {
    for (auto at = line.find(open); at != line.npos; at = line.find(open)) {
      auto const end = line.find(close, at);
      line.erase(at, end == line.npos ? line.npos : end + close.size() - at);
    }
  };
  erase("[[", "]]");
  erase("WEFT_TRIVIAL_ABI ", " ");
  line.erase(0, line.find_first_not_of(' '));
  for (std::string_view const other :
       {"template", "requires", "using", "concept", "static_assert", "friend", "#", "//", "}"})
    if (line.starts_with(other)) return "";
  for (std::string_view const type : {"class ", "struct ", "enum class "})
    if (line.starts_with(type)) {
      if (line.ends_with(';')) return "";
      auto name = name_at(line, line.find_first_not_of(' ', type.size()));
      // What WEFT_DEFINE_FRIENDS (base/config.hpp) is for: bodies of functions declared elsewhere, and what an alias without basic_ names.
      if (name.ends_with("_bodies")) return "";
      return name.starts_with("basic_") ? name.substr(std::string_view("basic_").size()) : name;
    }
  auto const call = line.find('(');
  if (call == line.npos || call == 0 || line.find("operator") != line.npos) return "";
  auto begin = call;
  while (begin > 0 && is_name(line[begin - 1])) --begin;
  // A definition of a member, a specialisation, an initializer.
  if (begin == call || begin == 0 || line[begin - 1] != ' ' || line.find(" = ") < call) return "";
  return name_at(line, begin);
}

/// Public names, each with the header that declares it.
std::map<std::string, std::string> public_names() {
  std::map<std::string, std::string> names;
  for (auto const& entry : std::filesystem::recursive_directory_iterator(WEFT_TEST_HEADERS)) {
    if (entry.path().extension() != ".hpp") continue;
    auto const folder = entry.path().parent_path().filename();
    if (folder == "sim" || folder == "interop" || folder == "observe" || folder == "backend") continue;
    std::ifstream file(entry.path());
    std::vector<std::string> spaces;
    bool inside = false;  // a body, or a class
    for (std::string line; std::getline(file, line);) {
      bool const opens = line.ends_with('{');
      if (!inside && opens && line.find("namespace ") != line.npos) {
        spaces.push_back(line);
        continue;
      }
      if (line.starts_with('}')) {
        if (!inside && !spaces.empty()) spaces.pop_back();
        inside = false;
        continue;
      }
      bool const users = !spaces.empty() && std::none_of(spaces.begin(), spaces.end(), [](auto const& s) {
        return s.find("detail") != s.npos || s.find("std") != s.npos || s.find("__") != s.npos;
      });
      if (users && !inside && !line.empty() && line[0] != ' ') {
        auto name = declared_in(line);
        if (!name.empty()) names.emplace(std::move(name), entry.path().filename().string());
      }
      inside |= opens;
    }
    INFO(entry.path());
    CHECK(spaces.empty());
  }
  return names;
}

/// Names without a row, and why.
std::map<std::string_view, std::string_view> const left_out{
    {"results", "an aggregate of results: fork_join and when_all give it"},
    {"unit", "an empty value"},
    {"stopped", "an exception, thrown in every stop"},
    {"clock", "neither allocates nor calls anybody"},
    {"broken_promise", "an exception"},
    {"scheduler_of", "a way into the pool for the library"},
    {"missed_ticks", "an enumeration"},
    {"drain_or_stop", "an enumeration; shutdown has a table of its own"},
    {"io_backend", "an enumeration"},
    {"usable_cores", "gives an answer whatever the system says"},
    {"pool_options", "an aggregate"},
    {"pool_stats", "an aggregate"},
    {"pipeline_options", "an aggregate"},
    {"pipeline_builder", "what pipeline() gives"},
};

}  // namespace

TEST_CASE("each public name has a row among the operations, or a reason why it has none") {
  std::set<std::string> rows;
  for (auto const table : {weft_test::operations(), weft_test::system_operations()})
    for (auto const& o : table) {
      std::istringstream names{std::string(o.names)};
      for (std::string name; names >> name;) {
        INFO(name);
        CHECK(rows.insert(name).second);
      }
    }
  auto const names = public_names();
  CHECK(names.size() > 150);
  for (auto const& [name, header] : names) {
    INFO(name << " of " << header);
    CHECK(rows.contains(name) != left_out.contains(name));
  }
  for (auto const& [name, reason] : left_out) {
    INFO(name << ": " << reason);
    CHECK(names.contains(std::string(name)));
  }
}
