// portion: a few files, and what has been found in them; the unit in which work goes out and comes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seek {

struct totals {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  bool found = false;
  bool failed = false;

  void add(totals const& more) noexcept {
    files += more.files;
    bytes += more.bytes;
    found |= more.found;
    failed |= more.failed;
  }
};

inline void move_to_end(std::string& text, std::string& more) {
  if (text.empty()) text.swap(more);
  else text += more;
  more.clear();
}

/// What has been found and not been printed yet.
struct findings {
  std::string lines;
  std::string complaints;
  totals sum;

  void complain(std::string_view path, std::string_view what) {
    complaints.append("seek: ").append(path).append(": ").append(what) += '\n';
    sum.failed = true;
  }
  void complain(std::string_view path, int error) { complain(path, std::strerror(error)); }

  /// Adds what others have found, which is then empty.
  void take(findings& others) {
    move_to_end(lines, others.lines);
    move_to_end(complaints, others.complaints);
    sum.add(std::exchange(others.sum, {}));
  }
};

struct portion {
  /// What the first file that is left waits for.
  enum class state { searching, too_large, standard_input };

  std::vector<std::string> paths;
  std::size_t next = 0;  ///< the first file that has not been searched
  state first_left = state::searching;
  findings found;

  [[nodiscard]] bool done() const noexcept { return next == paths.size(); }
};

}  // namespace seek
