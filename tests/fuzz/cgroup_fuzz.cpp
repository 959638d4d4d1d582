// What /proc and /sys say of the cores that a process may keep busy, in the place of any machine. However broken the files are: the answer
// is between 1 and the CPUs of the mask, it is the least that any file that was asked for allows, and every group above the process's own
// was asked.
//
//   /proc/self/cgroup | /proc/self/mountinfo | quotas | periods | WEFT_THREADS
//
// Of the quotas and the periods, separated by ';', a group has the one with the number of slashes in its path.
#include "fuzz.hpp"

#include <weft/os/cgroup.hpp>
#include <weft/os/cpu_quota.hpp>
#include <weft/os/topology.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using weft_fuzz::must;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (char const c : text) {
    if (c == separator) parts.emplace_back();
    else parts.back() += c;
  }
  return parts;
}

std::string without_blanks(std::string text) {
  auto const is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.back())) text.pop_back();
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_blank));
  return text;
}

/// Digit by digit, and nothing beyond 2^64.
std::optional<std::uint64_t> number(std::string const& text) {
  std::uint64_t n = 0;
  for (char const c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    auto const digit = static_cast<unsigned>(c - '0');
    if (n > (UINT64_MAX - digit) / 10) return std::nullopt;
    n = n * 10 + digit;
  }
  if (text.empty()) return std::nullopt;
  return n;
}

/// Whole cores that a quota leaves, or nothing where it is none.
std::optional<unsigned> cores(std::string const& quota, std::string const& period) {
  auto const q = number(quota), p = number(period);
  if (!q || !p || *q == 0 || *p == 0) return std::nullopt;
  auto const whole = *q / *p + (*q % *p == 0 ? 0 : 1);
  return whole > UINT32_MAX ? UINT32_MAX : static_cast<unsigned>(whole);
}

/// The files of a machine, and which were asked for.
class machine {
 public:
  explicit machine(std::string_view input) {
    auto const parts = split(input, '|');
    auto const part = [&](std::size_t i) { return i < parts.size() ? parts[i] : std::string(); };
    if (!part(0).empty()) files_["/proc/self/cgroup"] = part(0);
    if (!part(1).empty()) files_["/proc/self/mountinfo"] = part(1);
    quotas_ = split(part(2), ';');
    periods_ = split(part(3), ';');
    if (parts.size() > 4) threads = part(4);
  }

  std::optional<std::string> read(std::string const& path) {
    must(path.starts_with('/'), "a file is asked for by its whole path", path);
    auto const found = files_.find(path);
    if (found != files_.end()) return found->second;
    auto const group = path.substr(0, path.rfind('/'));
    auto const name = path.substr(path.rfind('/') + 1);
    auto const depth = static_cast<std::size_t>(std::count(group.begin(), group.end(), '/'));
    bool const is_v2 = name == "cpu.max", is_period = name == "cpu.cfs_period_us";
    if (!is_v2 && !is_period && name != "cpu.cfs_quota_us") return std::nullopt;
    auto const& from = is_period ? periods_ : quotas_;
    auto const text = from[std::min(depth, from.size() - 1)];
    asked[path] = text;
    if (text.empty()) return std::nullopt;
    return text;
  }

  /// The strictest quota of those that were read.
  [[nodiscard]] std::optional<unsigned> strictest() const {
    std::optional<unsigned> least;
    for (auto const& [path, text] : asked) {
      auto const group = path.substr(0, path.rfind('/') + 1);
      std::optional<unsigned> here;
      if (path == group + "cpu.max") {
        auto const all = without_blanks(text);
        auto const blank = all.find(' ');
        if (blank != std::string::npos) here = cores(all.substr(0, blank), all.substr(blank + 1));
      } else if (path == group + "cpu.cfs_quota_us") {
        auto const period = asked.find(group + "cpu.cfs_period_us");
        if (period != asked.end()) here = cores(without_blanks(text), without_blanks(period->second));
      }
      if (here && (!least || *here < *least)) least = here;
    }
    return least;
  }

  std::map<std::string, std::string> asked;
  std::optional<std::string> threads;

 private:
  std::map<std::string, std::string> files_;
  std::vector<std::string> quotas_, periods_;
};

/// The groups above a path, itself first: "/a/b", "/a", "".
std::vector<std::string> and_above(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  std::vector<std::string> all{path};
  while (!path.empty()) {
    path.erase(path.rfind('/'));
    all.push_back(path);
  }
  return all;
}

/// Of the simplest machine there is: one hierarchy of version 2, mounted as a whole.
void check_whole_mount(std::string_view path) {
  bool const is_plain = path.starts_with('/') && path.size() < 4000 && path.find('\n') == std::string_view::npos &&
                        path.find("//") == std::string_view::npos && path.find("..") == std::string_view::npos;
  if (!is_plain) return;
  std::vector<std::string> asked;
  auto const read = [&](std::string const& file) -> std::optional<std::string> {
    if (file == "/proc/self/cgroup") return "0::" + std::string(path) + "\n";
    if (file == "/proc/self/mountinfo") return "30 23 0:26 / /g rw - cgroup2 cgroup2 rw\n";
    asked.push_back(file);
    return std::nullopt;
  };
  static_cast<void>(weft::detail::strictest_cpu_quota(read));
  std::vector<std::string> wanted;
  for (auto const& group : and_above(std::string(path))) wanted.push_back("/g" + group + "/cpu.max");
  must(asked == wanted, "the process's group and each above it are asked, from below", path);
}

void check_cpu_list(std::string_view text) {
  auto const list = weft::detail::parse_cpu_list(text);
  std::optional<std::vector<std::array<std::uint64_t, 2>>> wanted;
  auto const all = without_blanks(std::string(text));
  wanted.emplace();
  auto parts = split(all, ',');
  if (parts.back().empty()) parts.pop_back();  // none, or a comma at the end
  for (auto const& part : parts) {
    auto const dash = part.find('-');
    auto const first = number(part.substr(0, dash));
    auto const last = dash == std::string::npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last > UINT32_MAX) {
      wanted.reset();
      break;
    }
    wanted->push_back({*first, *last});
  }
  must(list.has_value() == wanted.has_value(), "a list of CPUs is numbers and ranges", text);
  if (!list) return;
  must(list->size() == wanted->size(), "each part of a list is a range", text);
  for (std::size_t i = 0; i != list->size(); ++i)
    must((*list)[i].first == (*wanted)[i][0] && (*list)[i].last == (*wanted)[i][1], "a range is as it is written",
         text);
}

void check_limit(std::string_view input) {
  constexpr unsigned cpus = 64;
  machine m(input);
  auto const read = [&](std::string const& path) { return m.read(path); };
  unsigned complaints = 0;
  auto const complain = [&](std::string const& line) {
    ++complaints;
    must(line.find('\n') + 1 == line.size(), "a complaint is one line", line);
    for (char const c : line.substr(0, line.size() - 1))
      must(static_cast<unsigned char>(c) >= ' ', "a terminal obeys nothing in a complaint", line);
  };
  auto const limit = weft::detail::cpu_limit_of(cpus, read, m.threads ? m.threads->c_str() : nullptr, complain);
  auto wanted = std::min(cpus, m.strictest().value_or(cpus));
  if (m.threads) {
    std::string const threads = m.threads->c_str();  // as far as an environment has it
    auto const asked = number(threads);
    bool const counts = asked && *asked >= 1 && *asked <= UINT32_MAX;
    if (counts) wanted = static_cast<unsigned>(std::min<std::uint64_t>(wanted, *asked));
    must(complaints == (counts || threads.empty() ? 0u : 1u), "who is not understood hears of it, once", threads);
  }
  must(limit.cores >= 1 && limit.cores == wanted, "the strictest limit counts", input);
  must(!limit.explanation.empty(), "a limit has a reason", input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const text = weft_fuzz::text_of(data, size);
  check_limit(text);
  check_whole_mount(text);
  check_cpu_list(text);
  return 0;
}
