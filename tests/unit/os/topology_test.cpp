#include "support/catch.hpp"

#include <weft/os/affinity.hpp>
#include <weft/os/topology.hpp>

#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using files = std::map<std::string, std::string>;

weft::detail::topology topology_of(std::vector<unsigned> const& cpus, files const& machine) {
  return weft::detail::topology_of(cpus, [&](std::string const& path) -> std::optional<std::string> {
    auto const found = machine.find(path);
    if (found == machine.end()) return std::nullopt;
    return found->second;
  });
}

// Two packages of two cores of two hardware threads, numbered as firmware does: the second threads come last.
files two_packages() {
  files machine{{"/sys/devices/system/node/online", "0-1\n"},
                {"/sys/devices/system/node/node0/cpulist", "0-1,4-5\n"},
                {"/sys/devices/system/node/node1/cpulist", "2-3,6-7\n"}};
  for (unsigned cpu = 0; cpu < 8; ++cpu) {
    auto const directory = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/";
    auto const core = cpu % 4;
    auto const package = core / 2;
    machine[directory + "topology/physical_package_id"] = std::to_string(package) + "\n";
    machine[directory + "topology/thread_siblings_list"] = std::to_string(core) + "," + std::to_string(core + 4) + "\n";
    auto const of_core = machine[directory + "topology/thread_siblings_list"];
    auto const of_package = machine["/sys/devices/system/node/node" + std::to_string(package) + "/cpulist"];
    auto const cache = [&](char const* index, char const* level, char const* type, std::string const& shared_with) {
      machine[directory + "cache/" + index + "/level"] = std::string(level) + "\n";
      machine[directory + "cache/" + index + "/type"] = std::string(type) + "\n";
      machine[directory + "cache/" + index + "/shared_cpu_list"] = shared_with;
    };
    cache("index0", "1", "Data", of_core);
    cache("index1", "1", "Instruction", of_core);
    cache("index2", "2", "Unified", of_core);
    cache("index3", "3", "Unified", of_package);
  }
  return machine;
}

}  // namespace

TEST_CASE("packages, nodes, caches and cores are told apart") {
  auto const found = topology_of({0, 1, 2, 3, 4, 5, 6, 7}, two_packages());
  CHECK(found.packages == 2);
  CHECK(found.nodes == 2);
  CHECK(found.caches == 2);
  CHECK(found.cores == 4);
  REQUIRE(found.cpus.size() == 8);
  for (auto const& cpu : found.cpus) {
    INFO(cpu.id);
    CHECK(cpu.core == cpu.id % 4);
    CHECK(cpu.thread == cpu.id / 4);
    CHECK(cpu.package == cpu.id % 4 / 2);
    CHECK(cpu.node == cpu.package);
    CHECK(cpu.cache == cpu.package);
  }
}

TEST_CASE("a topology over a part of the machine counts from 0 without gaps") {
  auto const found = topology_of({3, 6, 7}, two_packages());
  CHECK(found.packages == 1);
  CHECK(found.nodes == 1);
  CHECK(found.caches == 1);
  CHECK(found.cores == 2);
  REQUIRE(found.cpus.size() == 3);
  CHECK(found.cpus[0].core == 0);
  CHECK(found.cpus[1].core == 1);
  CHECK(found.cpus[2].core == 0);
  CHECK(found.cpus[2].thread == 1);
  CHECK(found.cpus[1].package == 0);
}

TEST_CASE("without /sys there is one package of cores that share nothing else") {
  auto const found = topology_of({2, 3, 900}, {});
  CHECK(found.packages == 1);
  CHECK(found.nodes == 1);
  CHECK(found.caches == 1);
  CHECK(found.cores == 3);
  REQUIRE(found.cpus.size() == 3);
  CHECK(found.cpus[2].id == 900);
  CHECK(found.cpus[2].core == 2);
  CHECK(found.cpus[2].thread == 0);
}

TEST_CASE("where caches are not told a package is one cache group") {
  auto machine = two_packages();
  for (auto it = machine.begin(); it != machine.end();) {
    it = it->first.find("/cache/") != std::string::npos ? machine.erase(it) : std::next(it);
  }
  auto const found = topology_of({0, 1, 2, 3}, machine);
  CHECK(found.caches == 2);
  CHECK(found.cpus[1].cache == 0);
  CHECK(found.cpus[2].cache == 1);
}

TEST_CASE("files of /sys that are not understood count as missing") {
  for (auto const* garbage : {"", "-1\n", "abc\n", "3-1\n", "0-\n", ",\n", "99999999999999\n", "0-3:1/2\n"}) {
    INFO(garbage);
    auto machine = two_packages();
    for (auto& file : machine) file.second = garbage;
    auto const found = topology_of({0, 1}, machine);
    CHECK(found.packages == 1);
    CHECK(found.nodes == 1);
    CHECK(found.caches == 1);
    CHECK(found.cores == 2);
  }
}

TEST_CASE("a list of more nodes than a kernel has is cut off") {
  auto const found = topology_of({0}, {{"/sys/devices/system/node/online", "0-4294967295"}});
  CHECK(found.nodes == 1);
}

TEST_CASE("lists of CPUs are read as the kernel writes them") {
  auto const list = weft::detail::parse_cpu_list("0-3,8,10-11\n");
  REQUIRE(list.has_value());
  REQUIRE(list->size() == 3);
  CHECK((*list)[0].last == 3);
  CHECK((*list)[1].first == 8);
  CHECK((*list)[1].last == 8);
  CHECK((*list)[2].first == 10);
  CHECK(weft::detail::parse_cpu_list("\n")->empty());
  CHECK_FALSE(weft::detail::parse_cpu_list("0-1-2").has_value());
  CHECK_FALSE(weft::detail::parse_cpu_list("1, 2").has_value());
}

TEST_CASE("the topology of this machine covers the affinity mask") {
  auto const cpus = weft::detail::allowed_cpus();
  auto const found = weft::detail::detect_topology();
  REQUIRE(found.cpus.size() == cpus.size());
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    CHECK(found.cpus[i].id == cpus[i]);
    CHECK(found.cpus[i].package < found.packages);
    CHECK(found.cpus[i].node < found.nodes);
    CHECK(found.cpus[i].cache < found.caches);
    CHECK(found.cpus[i].core < found.cores);
  }
}
