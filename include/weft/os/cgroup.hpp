// How many cores the CPU quotas of this process's control groups leave it: cgroup v1, v2, or both at once.
//
// A quota of a group binds all groups below it, so every directory from the process's group up to the mount point is
// asked and the strictest answer counts. Two files say where those directories are, and neither is enough alone:
//
//   /proc/self/cgroup      the group's path, as seen from the root of the cgroup namespace   4:cpu,cpuacct:/docker/7f
//   /proc/self/mountinfo   which subtree of the hierarchy is mounted where       … /docker/7f /sys/fs/cgroup/cpu …
//
// Where the path lies below the mounted subtree, the rest of the path leads from the mount point to the group. Where it
// lies below none (a process outside its namespace's root, a mount made in another namespace), the mount points
// themselves are asked: they are what the container was given. Where one of the files is missing, the customary places
// stand in. Any file that is absent or not understood limits nothing.
#pragma once

#include <weft/os/text_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::detail {

enum class cgroup_version { v1, v2 };

/// CPU time that a group may use in each period; both positive.
struct cpu_bandwidth {
  std::uint64_t quota_us;
  std::uint64_t period_us;

  /// The number of cores that can be kept busy, rounded up: half a core is a core.
  [[nodiscard]] constexpr unsigned cores() const noexcept {
    auto const whole = quota_us / period_us + (quota_us % period_us != 0 ? 1u : 0u);
    return static_cast<unsigned>(std::min<std::uint64_t>(whole, std::numeric_limits<unsigned>::max()));
  }
};

struct cgroup_quota {
  cpu_bandwidth bandwidth;
  cgroup_version version;
  std::string file;  ///< where it is written
};

/// The strictest CPU quota over this process's groups and their ancestors; nothing where there is none.
[[nodiscard]] std::optional<cgroup_quota> strictest_cpu_quota(file_reader read);

/// The text of cpu.max: "150000 100000". Nothing for "max 100000" and for what is not understood.
[[nodiscard]] std::optional<cpu_bandwidth> parse_cpu_max(std::string_view text) noexcept;

/// The texts of cpu.cfs_quota_us and cpu.cfs_period_us. Nothing for "-1", no limit, and for what is not understood.
[[nodiscard]] std::optional<cpu_bandwidth> parse_cfs(std::string_view quota, std::string_view period) noexcept;

/// The process's paths in the hierarchies that can limit its CPU time.
struct cgroup_paths {
  std::optional<std::string> v1;
  std::optional<std::string> v2;

  [[nodiscard]] std::optional<std::string> const& of(cgroup_version version) const noexcept {
    return version == cgroup_version::v1 ? v1 : v2;
  }
};

/// From the text of /proc/self/cgroup.
[[nodiscard]] cgroup_paths parse_cgroup_paths(std::string_view text);

/// The subtree `root` of a hierarchy, seen at the directory `point`.
struct cgroup_mount {
  cgroup_version version;
  std::string root;
  std::string point;
};

/// From the text of /proc/self/mountinfo: the mounts of hierarchies that can limit CPU time, but for those that another
/// mount hides.
[[nodiscard]] std::vector<cgroup_mount> parse_cgroup_mounts(std::string_view text);

/// The part of `path` below the mounted subtree: "" for the subtree's root, else "/a/b". Nothing where it is not below.
[[nodiscard]] std::optional<std::string_view> path_below(std::string_view root, std::string_view path) noexcept;

inline std::optional<cpu_bandwidth> bandwidth_of(std::string_view quota, std::string_view period) noexcept {
  auto const quota_us = whole_number<std::uint64_t>(quota);
  auto const period_us = whole_number<std::uint64_t>(period);
  if (quota_us.value_or(0) == 0 || period_us.value_or(0) == 0) return std::nullopt;
  return cpu_bandwidth{*quota_us, *period_us};
}

inline std::optional<cpu_bandwidth> parse_cpu_max(std::string_view text) noexcept {
  auto period = trimmed(text);
  auto const quota = cut(period, ' ');
  return bandwidth_of(quota, period);
}

inline std::optional<cpu_bandwidth> parse_cfs(std::string_view quota, std::string_view period) noexcept {
  return bandwidth_of(trimmed(quota), trimmed(period));
}

/// Whether the comma-separated list names the controller "cpu".
constexpr bool lists_cpu(std::string_view controllers) noexcept {
  while (!controllers.empty()) {
    if (cut(controllers, ',') == "cpu") return true;
  }
  return false;
}

inline cgroup_paths parse_cgroup_paths(std::string_view text) {
  cgroup_paths paths;
  while (!text.empty()) {
    auto path = cut(text, '\n');  // hierarchy:controllers:path, and the path may hold colons
    auto const hierarchy = cut(path, ':');
    auto const controllers = cut(path, ':');
    if (!path.starts_with('/')) continue;
    if (hierarchy == "0" && controllers.empty()) paths.v2 = path;
    if (lists_cpu(controllers)) paths.v1 = path;
  }
  return paths;
}

/// mountinfo writes blanks and backslashes as three octal digits: "/a\040b".
inline std::string unescape_octal(std::string_view text) {
  auto const is_octal = [](char digit) { return digit >= '0' && digit <= '7'; };
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const digits = text.substr(i + 1, 3);
    if (text[i] == '\\' && digits.size() == 3 && std::all_of(digits.begin(), digits.end(), is_octal)) {
      plain.push_back(static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0')));
      i += digits.size();
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

struct mountinfo_line {
  std::string_view id, parent, root, point, type, super_options;

  /// Nothing where the line is not one of mountinfo's. Its form, proc(5):
  /// id parent major:minor root point options [tag…] - type source super_options
  static std::optional<mountinfo_line> parse(std::string_view line) noexcept {
    mountinfo_line mount;
    mount.id = cut(line, ' ');
    mount.parent = cut(line, ' ');
    static_cast<void>(cut(line, ' '));
    mount.root = cut(line, ' ');
    mount.point = cut(line, ' ');
    auto const tags_end = line.find(" - ");
    if (tags_end == std::string_view::npos) return std::nullopt;
    line.remove_prefix(tags_end + 3);
    mount.type = cut(line, ' ');
    static_cast<void>(cut(line, ' '));
    mount.super_options = line;
    if (!mount.root.starts_with('/') || !mount.point.starts_with('/')) return std::nullopt;
    return mount;
  }

  [[nodiscard]] std::optional<cgroup_version> version() const noexcept {
    if (type == "cgroup2") return cgroup_version::v2;
    if (type == "cgroup" && lists_cpu(super_options)) return cgroup_version::v1;
    return std::nullopt;
  }

  /// A mount made on the very directory at which another one is mounted hides it.
  [[nodiscard]] bool hides(mountinfo_line const& other) const noexcept {
    return parent == other.id && point == other.point && id != other.id;
  }
};

inline std::vector<cgroup_mount> parse_cgroup_mounts(std::string_view text) {
  std::vector<mountinfo_line> lines;
  while (!text.empty()) {
    if (auto const line = mountinfo_line::parse(cut(text, '\n'))) lines.push_back(*line);
  }
  std::vector<cgroup_mount> mounts;
  for (auto const& line : lines) {
    auto const version = line.version();
    auto const hides_it = [&](mountinfo_line const& other) { return other.hides(line); };
    if (!version || std::any_of(lines.begin(), lines.end(), hides_it)) continue;
    mounts.push_back({*version, unescape_octal(line.root), unescape_octal(line.point)});
  }
  return mounts;
}

inline std::optional<std::string_view> path_below(std::string_view root, std::string_view path) noexcept {
  constexpr std::size_t longest_path = 4096;
  auto const without_last_slash = [](std::string_view text) { return text.substr(0, text.find_last_not_of('/') + 1); };
  root = without_last_slash(root);
  path = without_last_slash(path);
  if (!path.starts_with(root) || path.size() > longest_path) return std::nullopt;
  path.remove_prefix(root.size());
  if (!path.empty() && path.front() != '/') return std::nullopt;
  // A step up leads out of what is mounted.
  for (auto rest = path; !rest.empty();) {
    if (cut(rest, '/') == "..") return std::nullopt;
  }
  return path;
}

/// What distributions mount, for where mountinfo cannot be read.
inline std::vector<cgroup_mount> customary_cgroup_mounts() {
  return {{cgroup_version::v2, "/", "/sys/fs/cgroup"},
          {cgroup_version::v2, "/", "/sys/fs/cgroup/unified"},
          {cgroup_version::v1, "/", "/sys/fs/cgroup/cpu"},
          {cgroup_version::v1, "/", "/sys/fs/cgroup/cpu,cpuacct"}};
}

/// The quota written in one group's directory.
inline std::optional<cgroup_quota> quota_in(std::string const& directory, cgroup_version version, file_reader read) {
  std::optional<cpu_bandwidth> bandwidth;
  auto file = directory + (version == cgroup_version::v2 ? "/cpu.max" : "/cpu.cfs_quota_us");
  auto const quota = read(file);
  if (!quota) return std::nullopt;
  if (version == cgroup_version::v2) {
    bandwidth = parse_cpu_max(*quota);
  } else if (auto const period = read(directory + "/cpu.cfs_period_us")) {
    bandwidth = parse_cfs(*quota, *period);
  }
  if (!bandwidth) return std::nullopt;
  return cgroup_quota{*bandwidth, version, std::move(file)};
}

/// The stricter of the two; the first where they are equal.
inline std::optional<cgroup_quota> stricter(std::optional<cgroup_quota> a, std::optional<cgroup_quota> b) {
  if (!a) return b;
  return b && b->bandwidth.cores() < a->bandwidth.cores() ? b : a;
}

inline std::optional<cgroup_quota> strictest_cpu_quota(file_reader read) {
  auto const paths = parse_cgroup_paths(read("/proc/self/cgroup").value_or(std::string{}));
  auto mounts = parse_cgroup_mounts(read("/proc/self/mountinfo").value_or(std::string{}));
  if (mounts.empty()) mounts = customary_cgroup_mounts();

  auto const below = [&](cgroup_mount const& mount) -> std::optional<std::string_view> {
    auto const& path = paths.of(mount.version);
    return path ? path_below(mount.root, *path) : std::nullopt;
  };

  std::optional<cgroup_quota> strictest;
  for (auto const& mount : mounts) {
    auto const way_down = below(mount);
    auto const leads_there = [&](cgroup_mount const& other) { return other.version == mount.version && below(other); };
    if (!way_down && std::any_of(mounts.begin(), mounts.end(), leads_there)) continue;  // a better mount is in the list

    auto const top = mount.point == "/" ? std::string{} : mount.point;
    auto directory = top + std::string(way_down.value_or(""));
    for (;;) {
      strictest = stricter(std::move(strictest), quota_in(directory, mount.version, read));
      if (directory.size() <= top.size()) break;
      directory.resize(directory.rfind('/'));
    }
  }
  return strictest;
}

}  // namespace weft::detail
