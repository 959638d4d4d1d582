// walk: the files below the paths of the command line, in the order of their paths; directories are read ahead of their turn.
#pragma once

#include "directory.hpp"
#include "in_order.hpp"
#include "portion.hpp"

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>

#include <sys/stat.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace seek {

inline constexpr std::size_t files_in_portion = 16;

/// What the walk begins with: the paths of the command line, as if one directory held them; else the current directory. On
/// the command line a link is what it points to, and devices are searched. Waits for the system.
inline listing look_at_paths(std::vector<std::string> const& paths, output_file const& output) {
  listing list;
  if (paths.empty()) read_directory(list, output, waiting::allowed);
  for (std::string path : paths) {
    struct ::stat status;
    if (path == "-") {
      list.entries.push_back({"(standard input)", entry::type::standard_input});
    } else if (::stat(path.c_str(), &status) != 0) {
      list.trouble.complain(path, errno);
    } else if (output.is(status)) {
      list.trouble.complain(path, "input file is also the output");
    } else if (S_ISDIR(status.st_mode)) {
      while (path.size() > 1 && path.back() == '/') path.pop_back();
      if (path.back() != '/') path += '/';
      list.entries.push_back({std::move(path)});
    } else {
      list.entries.push_back({std::move(path), S_ISREG(status.st_mode) ? entry::type::regular : entry::type::device});
    }
  }
  std::sort(list.entries.begin(), list.entries.end());
  return list;
}

/// Here, where all is in memory; else on a thread that may wait.
inline weft::task<listing> list_directory(std::string path, output_file const& output) {
  listing list;
  list.path = std::move(path);
  if (!read_directory(list, output, waiting::never)) {
    auto patiently = weft::blocking([&] { read_directory(list, output, waiting::allowed); });
    co_await std::move(patiently);
  }
  co_return list;
}

/// Memory: the names in the directories from a root down to where the walk is, and in a few beside each.
class walk {
 public:
  walk(listing first, output_file const& output) : output_(output) { enter(std::move(first)); }

  /// The next files; none at the end.
  weft::task<portion> next() {
    portion files;
    while (!levels_.empty() && files.paths.size() != files_in_portion) {
      level& deepest = levels_.back();
      if (deepest.next == deepest.list.entries.size()) {
        levels_.pop_back();
        continue;
      }
      entry const& here = deepest.list.entries[deepest.next];
      if (here.is_directory()) {
        ++deepest.next;
        auto below = deepest.ahead.next();
        read_ahead(deepest);
        listing list = co_await std::move(below);
        enter(std::move(list));
        continue;
      }
      if (here.what != entry::type::regular) {
        if (!files.paths.empty()) break;
        files.first_left =
            here.what == entry::type::device ? portion::state::too_large : portion::state::standard_input;
      }
      files.paths.push_back(deepest.list.path + here.name);
      ++deepest.next;
      if (files.first_left != portion::state::searching) break;
    }
    files.found.take(trouble_);
    co_return files;
  }

 private:
  struct level {
    explicit level(listing&& l) : list(std::move(l)) {}
    listing list;
    std::size_t next = 0;          // the first entry that the walk has not come to
    std::size_t next_to_read = 0;  // the first entry that may be a directory not read yet
    in_order<listing> ahead{directories_ahead};
  };

  static constexpr std::size_t directories_ahead = 16;

  void enter(listing&& list) {
    trouble_.take(list.trouble);
    read_ahead(levels_.emplace_back(std::move(list)));
  }

  void read_ahead(level& l) {
    for (auto const& entries = l.list.entries; l.next_to_read != entries.size() && !l.ahead.full(); ++l.next_to_read)
      if (auto const& directory = entries[l.next_to_read]; directory.is_directory())
        l.ahead.start(list_directory, l.list.path + directory.name, std::cref(output_));
  }

  output_file const& output_;
  std::vector<level> levels_;  // from a root down
  findings trouble_;           // to be reported with the next portion
};

}  // namespace seek
