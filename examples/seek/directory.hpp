// directory: what is in one, in the order in which the paths of all files below it sort.
#pragma once

#include "file.hpp"
#include "options.hpp"
#include "portion.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

namespace seek {

/// The name of a directory ends with a slash: then a.h is before a/b, as in the sorted list of all paths.
struct entry {
  enum class type { regular, standard_input, device };

  std::string name;
  type what = type::regular;

  [[nodiscard]] bool is_directory() const noexcept { return name.back() == '/'; }
  friend bool operator<(entry const& a, entry const& b) noexcept { return a.name < b.name; }
};

struct listing {
  std::string path;  ///< what stands before the names: empty, or with a slash at its end
  std::vector<entry> entries;
  findings trouble;
};

/// The file that lines are printed to is not searched: there would be no end.
class output_file {
 public:
  explicit output_file(output what) noexcept {
    if (what != output::lines || ::fstat(STDOUT_FILENO, &status_) != 0) status_ = {};
  }
  [[nodiscard]] bool may_be(::ino_t number) const noexcept {
    return number == status_.st_ino && S_ISREG(status_.st_mode);
  }
  [[nodiscard]] bool is(struct ::stat const& other) const noexcept {
    return may_be(other.st_ino) && other.st_dev == status_.st_dev;
  }

 private:
  struct ::stat status_{};
};

/// Regular files and directories; nothing else is searched unless it is named on the command line. False: the directory is
/// not in memory, or the system cannot tell. Where it is, its names most likely are.
inline bool read_directory(listing& list, output_file const& output, waiting how) {
  file opened = open_file(list.path.empty() ? "." : list.path.c_str(), O_DIRECTORY | O_NONBLOCK, how);
  if (!opened && how == waiting::never) return false;
  auto const close = [](::DIR* d) { ::closedir(d); };
  std::unique_ptr<::DIR, decltype(close)> const directory(opened ? ::fdopendir(opened.number()) : nullptr);
  auto const complain = [&list](int error) {
    auto const& path = list.path;
    list.trouble.complain(path.empty() ? "." : path.size() == 1 ? path : path.substr(0, path.size() - 1), error);
  };
  if (!directory) {
    complain(errno);
    return true;
  }
  static_cast<void>(opened.release());

  for (;;) {
    errno = 0;
    ::dirent const* const found = ::readdir(directory.get());
    if (!found) break;
    std::string name = found->d_name;
    if (name == "." || name == "..") continue;
    auto type = found->d_type;
    if (type == DT_UNKNOWN || (type == DT_REG && output.may_be(found->d_ino))) {
      struct ::stat status;
      if (::fstatat(::dirfd(directory.get()), found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      type = static_cast<unsigned char>(IFTODT(status.st_mode));
      if (output.is(status)) {
        list.trouble.complain(list.path + name, "input file is also the output");
        continue;
      }
    }
    if (type == DT_DIR) name += '/';
    if (type == DT_DIR || type == DT_REG) list.entries.push_back({std::move(name)});
  }
  if (errno != 0) complain(errno);
  std::sort(list.entries.begin(), list.entries.end());
  return true;
}

}  // namespace seek
