// Which of the CPUs this process may use share a core, a last-level cache, a memory node, a package.
// Thieves look near before far, and pinned workers spread over cores before they share one.
#pragma once

#include <weft/os/affinity.hpp>
#include <weft/os/text_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::detail {

/// Where one CPU is. All but `id` count from 0 within the topology, without gaps, in the order of the CPUs' ids.
struct cpu_place {
  unsigned id;       ///< the system's number, as in affinity masks
  unsigned package;  ///< the socket
  unsigned node;     ///< the NUMA node
  unsigned cache;    ///< CPUs with the same number share a last-level cache
  unsigned core;     ///< CPUs with the same number are hardware threads of one core
  unsigned thread;   ///< 0 for the first of its core's hardware threads, 1 for the next, …
};

struct topology {
  std::vector<cpu_place> cpus;  ///< ascending by id
  unsigned packages;
  unsigned nodes;
  unsigned caches;
  unsigned cores;
};

/// The topology of these CPUs as /sys/devices/system tells it. Where it does not: one package, one node, one cache per
/// package, one core per CPU. O(cpus × cores) and a few small files per CPU: ask once per pool.
[[nodiscard]] topology topology_of(std::vector<unsigned> const& cpus, file_reader read);

/// The topology of the CPUs in the calling thread's affinity mask, on this machine.
[[nodiscard]] topology detect_topology();

/// CPUs `first` to `last`, both included.
struct cpu_range {
  unsigned first;
  unsigned last;
};

/// A list of the kernel's, "0-3,8,10-11". Nothing where it is not one; the empty list is one.
[[nodiscard]] inline std::optional<std::vector<cpu_range>> parse_cpu_list(std::string_view text) {
  std::vector<cpu_range> ranges;
  for (auto rest = trimmed(text); !rest.empty();) {
    auto last = cut(rest, ',');
    auto const is_range = last.find('-') != std::string_view::npos;
    auto const first = whole_number<unsigned>(is_range ? cut(last, '-') : last);
    auto const end = whole_number<unsigned>(last);
    if (!first || !end || *first > *end) return std::nullopt;
    ranges.push_back({*first, *end});
  }
  return ranges;
}

/// Numbers keys 0, 1, 2, … in the order in which they first appear.
class dense_numbers {
 public:
  unsigned of(std::uint64_t key) {
    auto const found = std::find(keys_.begin(), keys_.end(), key);
    auto const number = static_cast<unsigned>(found - keys_.begin());
    if (found == keys_.end()) keys_.push_back(key);
    return number;
  }

  [[nodiscard]] unsigned count() const noexcept { return static_cast<unsigned>(keys_.size()); }

 private:
  std::vector<std::uint64_t> keys_;
};

/// Reads what /sys tells about one CPU. A group of CPUs is known by its lowest member.
class cpu_facts {
 public:
  cpu_facts(unsigned cpu, file_reader read)
      : read_(read), directory_("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/") {}

  [[nodiscard]] std::optional<unsigned> package() const {
    auto const text = read_(directory_ + "topology/physical_package_id");  // -1 where the firmware does not know
    return text ? whole_number<unsigned>(trimmed(*text)) : std::nullopt;
  }

  [[nodiscard]] std::optional<unsigned> core() const { return lowest_in("topology/thread_siblings_list"); }

  [[nodiscard]] std::optional<unsigned> last_level_cache() const {
    constexpr unsigned most_caches = 16;
    std::optional<unsigned> group;
    unsigned highest_level = 0;
    for (unsigned i = 0; i < most_caches; ++i) {
      auto const cache = "cache/index" + std::to_string(i) + "/";
      auto const level = read_(directory_ + cache + "level");
      if (!level) break;
      auto const type = read_(directory_ + cache + "type");
      auto const height = whole_number<unsigned>(trimmed(*level)).value_or(0);
      if (height <= highest_level || (type && trimmed(*type) == "Instruction")) continue;
      if (auto const lowest = lowest_in(cache + "shared_cpu_list")) {
        group = lowest;
        highest_level = height;
      }
    }
    return group;
  }

 private:
  [[nodiscard]] std::optional<unsigned> lowest_in(std::string const& list) const {
    auto const text = read_(directory_ + list);
    auto const ranges = text ? parse_cpu_list(*text) : std::nullopt;
    if (!ranges || ranges->empty()) return std::nullopt;
    return ranges->front().first;
  }

  file_reader read_;
  std::string directory_;
};

/// The CPUs of each NUMA node that is online.
class node_map {
 public:
  explicit node_map(file_reader read) {
    constexpr unsigned most_nodes = 1024;  // the kernel's own bound
    std::string const directory = "/sys/devices/system/node/";
    auto const online = read(directory + "online");
    auto const ranges = online ? parse_cpu_list(*online) : std::nullopt;
    if (!ranges) return;
    for (auto const [first, last] : *ranges) {
      for (unsigned id = first; id <= std::min(last, most_nodes - 1); ++id) {
        auto const text = read(directory + "node" + std::to_string(id) + "/cpulist");
        auto cpus = text ? parse_cpu_list(*text) : std::nullopt;
        if (cpus) nodes_.push_back({id, std::move(*cpus)});
      }
    }
  }

  [[nodiscard]] std::optional<unsigned> node_of(unsigned cpu) const noexcept {
    for (auto const& node : nodes_) {
      for (auto const [first, last] : node.cpus) {
        if (first <= cpu && cpu <= last) return node.id;
      }
    }
    return std::nullopt;
  }

 private:
  struct node_cpus {
    unsigned id;
    std::vector<cpu_range> cpus;
  };
  std::vector<node_cpus> nodes_;
};

inline topology topology_of(std::vector<unsigned> const& cpus, file_reader read) {
  constexpr std::uint64_t stand_in = std::uint64_t{1} << 32;  // above every number that /sys can tell
  auto const known_or = [](std::optional<unsigned> known, unsigned otherwise) {
    return known ? std::uint64_t{*known} : stand_in + otherwise;
  };

  topology found{};
  node_map const map(read);
  dense_numbers packages, nodes, caches, cores;
  std::vector<unsigned> threads_in_core;
  for (auto const id : cpus) {
    cpu_facts const facts(id, read);
    cpu_place place{};
    place.id = id;
    place.package = packages.of(known_or(facts.package(), 0));
    place.node = nodes.of(known_or(map.node_of(id), 0));
    place.cache = caches.of(known_or(facts.last_level_cache(), place.package));
    place.core = cores.of(known_or(facts.core(), id));
    threads_in_core.resize(cores.count());
    place.thread = threads_in_core[place.core]++;
    found.cpus.push_back(place);
  }
  found.packages = packages.count();
  found.nodes = nodes.count();
  found.caches = caches.count();
  found.cores = cores.count();
  return found;
}

inline topology detect_topology() {
  auto const read = [](std::string const& path) { return read_text_file(path); };
  return topology_of(allowed_cpus(), read);
}

}  // namespace weft::detail
