#include "support/catch.hpp"
#include "support/keep_counts.hpp"

#include <weft/os/affinity.hpp>
#include <weft/os/cgroup.hpp>
#include <weft/os/cpu_quota.hpp>
#include <weft/os/text_file.hpp>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using weft::detail::limit_source;
using files = std::map<std::string, std::string>;

constexpr auto v1_mount = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n";
constexpr auto v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

struct detected {
  weft::detail::cpu_limit limit;
  std::vector<std::string> complaints;
};

detected detect(std::size_t cpus, files const& machine, char const* requested = nullptr) {
  detected result{};
  auto const read = [&](std::string const& path) -> std::optional<std::string> {
    auto const found = machine.find(path);
    if (found == machine.end()) return std::nullopt;
    return found->second;
  };
  auto const complain = [&](std::string const& line) { result.complaints.push_back(line); };
  result.limit = weft::detail::cpu_limit_of(cpus, read, requested, complain);
  return result;
}

unsigned cores(std::size_t cpus, files const& machine, char const* requested = nullptr) {
  return detect(cpus, machine, requested).limit.cores;
}

files v2_machine(std::string const& path, files groups) {
  groups["/proc/self/cgroup"] = "0::" + path + "\n";
  groups["/proc/self/mountinfo"] = v2_mount;
  return groups;
}

files v1_machine(std::string const& path, files groups) {
  groups["/proc/self/cgroup"] = "5:memory:/elsewhere\n4:cpu,cpuacct:" + path + "\n1:name=systemd:/elsewhere\n";
  groups["/proc/self/mountinfo"] = v1_mount;
  return groups;
}

// Runs `body` in a child process; gives what it wrote to standard error and how it exited.
struct child_report {
  std::string standard_error;
  int status;
};

template <class Body>
child_report in_child(Body body) {
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    int const result = body();
    weft_test::keep_counts();
    ::_exit(result);
  }
  ::close(ends[1]);
  child_report report{};
  char block[256];
  for (auto got = ::read(ends[0], block, sizeof block); got > 0; got = ::read(ends[0], block, sizeof block)) {
    report.standard_error.append(block, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &report.status, 0) == child);
  return report;
}

}  // namespace

TEST_CASE("without any control group the affinity mask is the limit") {
  auto const found = detect(6, {});
  CHECK(found.limit.cores == 6);
  CHECK(found.limit.source == limit_source::affinity_mask);
  CHECK(found.limit.explanation == "the affinity mask allows 6");
  CHECK(cores(0, {}) == 1);
}

TEST_CASE("a v2 quota is rounded up to whole cores") {
  auto const with = [](std::string const& cpu_max) {
    return detect(16, v2_machine("/app", {{"/sys/fs/cgroup/app/cpu.max", cpu_max}})).limit;
  };
  CHECK(with("50000 100000\n").cores == 1);
  CHECK(with("100000 100000\n").cores == 1);
  CHECK(with("100001 100000\n").cores == 2);
  CHECK(with("250000 100000\n").cores == 3);
  CHECK(with("250000 100000\n").source == limit_source::cgroup_v2_quota);
  CHECK(with("250000 100000\n").explanation == "/sys/fs/cgroup/app/cpu.max allows 250000 us of CPU time in 100000 us");
  CHECK(with("9900000 100000\n").source == limit_source::affinity_mask);
}

TEST_CASE("a v1 quota is rounded up to whole cores") {
  auto const with = [](std::string const& quota, std::string const& period) {
    return detect(16, v1_machine("/app", {{"/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", quota},
                                          {"/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", period}}))
        .limit;
  };
  CHECK(with("150000\n", "100000\n").cores == 2);
  CHECK(with("150000\n", "100000\n").source == limit_source::cgroup_v1_quota);
  CHECK(with("20000\n", "10000\n").cores == 2);
  CHECK(with("-1\n", "100000\n").cores == 16);
}

TEST_CASE("a quota file that is not understood limits nothing") {
  for (std::string const number :
       {"", "\n", "abc", "-1", "0", "+100000", "1e5", "100000 7", "99999999999999999999999"}) {
    INFO(number);
    CHECK(cores(8, v2_machine("/app", {{"/sys/fs/cgroup/app/cpu.max", number + " 100000"}})) == 8);
    CHECK(cores(8, v2_machine("/app", {{"/sys/fs/cgroup/app/cpu.max", "100000 " + number}})) == 8);
    CHECK(cores(8, v1_machine("/app", {{"/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", number},
                                       {"/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000"}})) == 8);
    CHECK(cores(8, v1_machine("/app", {{"/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "100000"},
                                       {"/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", number}})) == 8);
  }
  for (auto const* text : {"max 100000\n", "max", "100000", "100000,100000", "\n"}) {
    INFO(text);
    CHECK(cores(8, v2_machine("/app", {{"/sys/fs/cgroup/app/cpu.max", text}})) == 8);
  }
  CHECK(cores(8, v1_machine("/app", {{"/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "100000"}})) == 8);
}

TEST_CASE("a quota of many cores does not overflow") {
  auto const most = std::string("18446744073709551615");
  CHECK(cores(8, v2_machine("/a", {{"/sys/fs/cgroup/a/cpu.max", most + " 1"}})) == 8);
  CHECK(cores(8, v2_machine("/a", {{"/sys/fs/cgroup/a/cpu.max", "4294967297 1"}})) == 8);
  CHECK(cores(8, v2_machine("/a", {{"/sys/fs/cgroup/a/cpu.max", most + " " + most}})) == 1);
}

TEST_CASE("the strictest group on the way up to the mount point counts") {
  CHECK(cores(16, v2_machine("/a/b/c", {{"/sys/fs/cgroup/cpu.max", "900000 100000"},
                                        {"/sys/fs/cgroup/a/cpu.max", "300000 100000"},
                                        {"/sys/fs/cgroup/a/b/cpu.max", "max 100000"},
                                        {"/sys/fs/cgroup/a/b/c/cpu.max", "500000 100000"}})) == 3);
  CHECK(cores(16, v1_machine("/a/b", {{"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000"},
                                      {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"},
                                      {"/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "300000"},
                                      {"/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000"}})) == 2);
}

TEST_CASE("a sibling's quota and files above the mount point are not asked") {
  CHECK(cores(16, v2_machine("/ab", {{"/sys/fs/cgroup/a/cpu.max", "100000 100000"},
                                     {"/sys/fs/cpu.max", "100000 100000"},
                                     {"/cpu.max", "100000 100000"}})) == 16);
}

TEST_CASE("in a hybrid hierarchy the stricter of v1 and v2 counts") {
  files machine{
      {"/proc/self/cgroup", "4:cpu:/one\n0::/two\n"},
      {"/proc/self/mountinfo", std::string(v1_mount) + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
      {"/sys/fs/cgroup/cpu/one/cpu.cfs_quota_us", "400000"},
      {"/sys/fs/cgroup/cpu/one/cpu.cfs_period_us", "100000"}};
  CHECK(detect(16, machine).limit.source == limit_source::cgroup_v1_quota);
  CHECK(cores(16, machine) == 4);
  machine["/sys/fs/cgroup/unified/two/cpu.max"] = "200000 100000";
  CHECK(detect(16, machine).limit.source == limit_source::cgroup_v2_quota);
  CHECK(cores(16, machine) == 2);
}

TEST_CASE("a container that sees its own group at the mount point finds its quota there") {
  auto const mountinfo = "50 40 0:29 /docker/7f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
  files machine{{"/proc/self/mountinfo", mountinfo},
                {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000"},
                {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"},
                {"/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "100000"},
                {"/sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000"}};
  machine["/proc/self/cgroup"] = "4:cpu:/docker/7f\n";
  CHECK(cores(16, machine) == 2);
  machine["/proc/self/cgroup"] = "4:cpu:/docker/7f/inner\n";
  CHECK(cores(16, machine) == 1);
}

TEST_CASE("a path outside of every mount falls back to the mount points") {
  for (auto const* path : {"/", "/..", "/../..", "/../sibling", "/docker/7ff", "/gone"}) {
    INFO(path);
    files machine = v2_machine(path, {{"/sys/fs/cgroup/cpu.max", "200000 100000"}});
    CHECK(cores(16, machine) == 2);
    machine["/proc/self/mountinfo"] = "30 23 0:26 /docker/7f /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    CHECK(cores(16, machine) == 2);
  }
}

TEST_CASE("a mount that is made above the namespace's root leads to the group") {
  files machine{{"/proc/self/cgroup", "0::/../sibling\n"},
                {"/proc/self/mountinfo", "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
                {"/sys/fs/cgroup/sibling/cpu.max", "300000 100000"}};
  CHECK(cores(16, machine) == 3);
}

TEST_CASE("another group's subtree mounted elsewhere is not taken for ours") {
  files machine =
      v2_machine("/ours", {{"/sys/fs/cgroup/ours/cpu.max", "400000 100000"}, {"/mnt/theirs/cpu.max", "100000 100000"}});
  machine["/proc/self/mountinfo"] += "77 23 0:26 /theirs /mnt/theirs rw - cgroup2 cgroup2 rw\n";
  CHECK(cores(16, machine) == 4);
}

TEST_CASE("a mount hidden by another one at the same place is not asked") {
  files machine = v2_machine("/", {{"/sys/fs/cgroup/cpu.max", "100000 100000"}});
  CHECK(cores(16, machine) == 1);
  machine["/proc/self/mountinfo"] += "99 30 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
  CHECK(cores(16, machine) == 1);  // no cgroup mount is left: the customary places are asked
  machine["/proc/self/mountinfo"] += "98 23 0:26 / /mnt/cgroup rw - cgroup2 cgroup2 rw\n";
  CHECK(cores(16, machine) == 16);
}

TEST_CASE("blanks in mount points are written in octal") {
  files machine = v2_machine("/a b", {{"/mnt/my cgroups\\/a b/cpu.max", "200000 100000"}});
  machine["/proc/self/mountinfo"] = "30 23 0:26 / /mnt/my\\040cgroups\\134 rw - cgroup2 cgroup2 rw\n";
  CHECK(cores(16, machine) == 2);
  CHECK(weft::detail::unescape_octal("\\") == "\\");
  CHECK(weft::detail::unescape_octal("a\\04") == "a\\04");
  CHECK(weft::detail::unescape_octal("\\049\\101") == "\\049A");
}

TEST_CASE("colons in a group's path belong to it") {
  CHECK(cores(16, v2_machine("/a:b", {{"/sys/fs/cgroup/a:b/cpu.max", "200000 100000"}})) == 2);
}

TEST_CASE("a controller whose name merely begins with cpu has no CPU quota") {
  auto const paths = weft::detail::parse_cgroup_paths("3:cpuset:/a\n2:cpuacct:/b\n1:name=cpu:/c\n");
  CHECK_FALSE(paths.v1.has_value());
  CHECK_FALSE(paths.v2.has_value());
}

TEST_CASE("one missing file in /proc does not hide a quota") {
  files const no_mountinfo{{"/proc/self/cgroup", "4:cpu:/a\n0::/b\n"},
                           {"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "200000"},
                           {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000"}};
  CHECK(cores(16, no_mountinfo) == 2);
  files const no_paths{{"/proc/self/mountinfo", v2_mount}, {"/sys/fs/cgroup/cpu.max", "300000 100000"}};
  CHECK(cores(16, no_paths) == 3);
  files const neither{{"/sys/fs/cgroup/cpu.max", "400000 100000"}};
  CHECK(cores(16, neither) == 4);
}

TEST_CASE("garbage in /proc is ignored") {
  for (auto const* garbage :
       {"", "\n\n\n", "0::", "0::relative", ":::", "30", "30 23", " - ", "30 23 0:26 / / rw - ",
        "30 23 0:26 relative /x rw - cgroup2 a b", "30 23 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw"}) {
    INFO(garbage);
    CHECK(cores(8, {{"/proc/self/cgroup", garbage}, {"/proc/self/mountinfo", garbage}}) == 8);
  }
}

TEST_CASE("WEFT_THREADS narrows the count and never widens it") {
  auto const machine = v2_machine("/", {{"/sys/fs/cgroup/cpu.max", "400000 100000"}});
  auto const found = detect(16, machine, "2");
  CHECK(found.limit.cores == 2);
  CHECK(found.limit.source == limit_source::environment);
  CHECK(found.limit.explanation == "WEFT_THREADS is 2");
  CHECK(found.complaints.empty());
  CHECK(cores(16, machine, "100") == 4);
  CHECK(cores(16, machine, "4294967295") == 4);
  CHECK(detect(16, machine, "").complaints.empty());
  CHECK(cores(16, machine, "") == 4);
}

TEST_CASE("a WEFT_THREADS that is no count is named in one line and ignored") {
  for (std::string const value :
       {"abc", "0", "00", "-1", "+2", " 2", "2 ", "2x", "1.5", "0x2", "4294967296", "99999999999999999999999"}) {
    auto const found = detect(3, {}, value.c_str());
    INFO(value);
    CHECK(found.limit.cores == 3);
    REQUIRE(found.complaints.size() == 1);
    CHECK(found.complaints[0] == "weft: WEFT_THREADS=\"" + value +
                                     "\" is ignored: expected a whole number, 1 or more; using 3 "
                                     "(the affinity mask allows 3)\n");
  }
}

TEST_CASE("a WEFT_THREADS with line breaks or of any length is still one short line") {
  auto const line = detect(3, {}, ("a\nb\x1b[31m" + std::string(10'000, 'x')).c_str()).complaints.at(0);
  CHECK(line.find("\"a?b?[31mxxx") != std::string::npos);
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.size() < 250);
}

TEST_CASE("a group whose directory's name has line breaks leaves the line about WEFT_THREADS one line") {
  auto const mount = "30 23 0:26 / /a\\012\\033[2J rw - cgroup2 cgroup2 rw\n";  // as mountinfo writes them
  auto const machine =
      files{{"/proc/self/cgroup", "0::/\n"}, {"/proc/self/mountinfo", mount}, {"/a\n\x1b[2J/cpu.max", "100000 100000"}};
  auto const found = detect(3, machine, "abc");
  CHECK(found.limit.cores == 1);
  CHECK(found.limit.explanation == "/a??[2J/cpu.max allows 100000 us of CPU time in 100000 us");
  REQUIRE(found.complaints.size() == 1);
  CHECK(found.complaints[0].find_first_of("\n\x1b") == found.complaints[0].size() - 1);
}

TEST_CASE("the line about WEFT_THREADS is written once per process") {
  auto const report = in_child([] {
    ::setenv("WEFT_THREADS", "abc", 1);
    auto const first = weft::usable_cores();
    return first >= 1 && weft::usable_cores() == first ? 0 : 1;
  });
  CHECK(report.status == 0);
  auto const start = std::string_view("weft: WEFT_THREADS=\"abc\" is ignored");
  CHECK(std::string_view(report.standard_error).substr(0, start.size()) == start);
  CHECK(report.standard_error.find('\n') == report.standard_error.size() - 1);
}

TEST_CASE("usable_cores sees a change of the affinity mask at once") {
  auto const report = in_child([] {
    ::unsetenv("WEFT_THREADS");
    cpu_set_t first_cpu;
    CPU_ZERO(&first_cpu);
    auto const cpus = weft::detail::allowed_cpus();
    if (weft::usable_cores() > cpus.size()) return 1;
    CPU_SET(cpus.front(), &first_cpu);
    if (::sched_setaffinity(0, sizeof first_cpu, &first_cpu) != 0) return 2;
    return weft::usable_cores() == 1 && weft::detail::allowed_cpus().size() == 1 ? 0 : 3;
  });
  CHECK(report.status == 0);
  CHECK(report.standard_error.empty());
}

TEST_CASE("usable_cores is at least one and at most the affinity mask") {
  auto const limit = weft::detail::current_cpu_limit();
  CHECK(limit.cores >= 1);
  CHECK(limit.cores <= weft::detail::allowed_cpus().size());
  CHECK_FALSE(limit.explanation.empty());
}

TEST_CASE("affinity masks of more than 1024 CPUs are read whole") {
  constexpr std::size_t kernel_cpus = 5000;
  int calls = 0;
  auto const kernel = [&](unsigned long* mask, std::size_t bytes) {
    ++calls;
    if (bytes * 8 < kernel_cpus) return EINVAL;
    for (std::size_t const cpu : {0u, 63u, 64u, 1024u, 4999u}) {
      mask[cpu / weft::detail::bits_per_mask_word] |= 1ul << (cpu % weft::detail::bits_per_mask_word);
    }
    return 0;
  };
  CHECK(weft::detail::cpus_in_mask(kernel, EINVAL) == std::vector<unsigned>{0, 63, 64, 1024, 4999});
  CHECK(calls == 4);
}

TEST_CASE("a system that refuses to tell the affinity mask is asked no further") {
  int calls = 0;
  auto const refuse = [&](int error) {
    calls = 0;
    auto const answer = [&](unsigned long*, std::size_t) { return ++calls, error; };
    return weft::detail::cpus_in_mask(answer, EINVAL).size();
  };
  CHECK(refuse(EPERM) == 0);
  CHECK(calls == 1);
  CHECK(refuse(EINVAL) == 0);
  CHECK(calls < 20);
}

TEST_CASE("a file is read whole, and what cannot be read is nothing") {
  std::string path = "/tmp/weft-text-file-XXXXXX";
  auto const descriptor = ::mkstemp(path.data());
  REQUIRE(descriptor >= 0);
  std::string const text(10'000, 'x');
  CHECK(::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(descriptor);
  CHECK(weft::detail::read_text_file(path) == text);
  ::unlink(path.c_str());
  CHECK_FALSE(weft::detail::read_text_file(path).has_value());
  CHECK_FALSE(weft::detail::read_text_file("/").has_value());
}
