// Sorting: ten million 32-bit numbers, random, of a hundred values, by a comparison that no library knows, and in patterns; pairs by a
// key; two million strings. Stable sorting, selection and merging of the same numbers. Each run sorts a fresh copy.
// bench_smoke: --benchmark_filter=100k
#pragma once

#include "support/bench.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace bench::sort {

inline constexpr std::size_t few = 100'000, many = 10'000'000, strings = 2'000'000;

struct pair {
  std::uint32_t key, value;
};
/// A comparison as a user writes it: no library can tell that it is that of numbers.
struct by_value {
  bool operator()(std::uint32_t a, std::uint32_t b) const noexcept { return a < b; }
};
struct by_key {
  bool operator()(pair const& a, pair const& b) const noexcept { return a.key < b.key; }
};

template <std::size_t Size>
std::vector<std::uint32_t> const& random_numbers() {
  static auto const made = [] {
    std::mt19937 random(1);
    std::vector<std::uint32_t> v(Size);
    for (auto& x : v) x = static_cast<std::uint32_t>(random());
    return v;
  }();
  return made;
}

/// A hundred values, spread over the whole range.
template <std::size_t Size>
std::vector<std::uint32_t> const& few_values() {
  static auto const made = [] {
    auto v = random_numbers<Size>();
    for (auto& x : v) x = x % 100 * 42'000'000u;
    return v;
  }();
  return made;
}

/// Up, then down.
template <std::size_t Size>
std::vector<std::uint32_t> const& organ_pipe() {
  static auto const made = [] {
    std::vector<std::uint32_t> v(Size);
    for (std::size_t i = 0; i < Size; ++i) v[i] = static_cast<std::uint32_t>(std::min(i, Size - i));
    return v;
  }();
  return made;
}

template <std::size_t Size>
std::vector<double> const& random_doubles() {
  static auto const made = [] {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    std::vector<double> v(Size);
    for (auto& x : v) x = normal(random);
    return v;
  }();
  return made;
}

template <std::size_t Size>
std::vector<pair> const& random_pairs() {
  static auto const made = [] {
    std::vector<pair> v;
    for (auto const x : random_numbers<Size>()) v.push_back({x, static_cast<std::uint32_t>(v.size())});
    return v;
  }();
  return made;
}

/// 8 to 23 letters: about half fit into the string object of this standard library, the others are on the heap.
template <std::size_t Size>
std::vector<std::string> const& random_strings() {
  static auto const made = [] {
    std::mt19937 random(1);
    std::vector<std::string> v(Size);
    for (auto& s : v) {
      s.resize(8 + random() % 16);
      for (auto& c : s) c = static_cast<char>('a' + random() % 26);
    }
    return v;
  }();
  return made;
}

/// Strings that share a long beginning, as paths and names do.
template <std::size_t Size>
std::vector<std::string> const& alike_strings() {
  static auto const made = [] {
    std::mt19937 random(1);
    std::vector<std::string> v(Size);
    for (auto& s : v) s = "/home/user/project/file_" + std::to_string(random() % 1'000'000) + ".txt";
    return v;
  }();
  return made;
}

inline std::uint64_t fingerprint(std::uint32_t x) { return (x + 1) * 0x9E3779B97F4A7C15u; }
inline std::uint64_t fingerprint(double x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof(bits));
  return (bits ^ bits >> 29) * 0x9E3779B97F4A7C15u;
}
inline std::uint64_t fingerprint(pair const& x) { return fingerprint(x.key) ^ fingerprint(x.value) >> 7; }
inline std::uint64_t fingerprint(std::string const& x) { return std::hash<std::string_view>{}(x); }

/// The same for the same elements in another order.
template <class T>
std::uint64_t sum_of(std::vector<T> const& values) {
  std::uint64_t sum = 0;
  for (auto const& x : values) sum += fingerprint(x);
  return sum;
}

/// A number of /proc/self/status, in bytes; 0 where it cannot be had.
inline double status_bytes(char const* name) {
  double kib = 0;
  if (std::FILE* const f = std::fopen("/proc/self/status", "r")) {
    char line[256];
    auto const length = std::strlen(name);
    while (std::fgets(line, sizeof(line), f))
      if (std::strncmp(line, name, length) == 0) kib = std::atof(line + length);
    std::fclose(f);
  }
  return kib * 1024;
}

/// Memory that was in RAM at some time since this was made and is not in what was there then, in bytes.
class peak_memory {
 public:
  peak_memory() {
    if (std::FILE* const f = std::fopen("/proc/self/clear_refs", "w")) {
      std::fputs("5", f);
      std::fclose(f);
    }
    before_ = status_bytes("VmRSS:");
  }
  [[nodiscard]] double extra() const { return std::max(0.0, status_bytes("VmHWM:") - before_); }

 private:
  double before_;
};

/// Sorts a copy of the input in every iteration; copying and checking are not part of the time. The counter: memory beside the input at
/// the peak, in parts of the input.
template <class T, class Sort, class Less = std::less<>>
void measure(benchmark::State& state, std::vector<T> const& input, Sort&& sort, Less less = {}) {
  auto const expected = sum_of(input);
  double extra = 0;
  std::vector<T> values;
  for (auto _ : state) {
    state.PauseTiming();
    values = input;
    peak_memory const memory;
    state.ResumeTiming();
    sort(values);
    state.PauseTiming();
    extra = std::max(extra, memory.extra());
    expect(std::is_sorted(values.begin(), values.end(), less), true);
    expect(sum_of(values), expected);
    state.ResumeTiming();
  }
  state.counters["extra"] = extra / static_cast<double>(input.size() * sizeof(T));
}

/// Every case, with a function object that sorts: with(name, run) registers run(state) as case `name`.
template <class Sort, class With>
void sort_cases(Sort sort, With with) {
  with("sort_100k_u32", [=](benchmark::State& s) { measure(s, random_numbers<few>(), sort); });
  with("sort_100k_strings", [=](benchmark::State& s) { measure(s, random_strings<few>(), sort); });
  with("sort_10M_u32", [=](benchmark::State& s) { measure(s, random_numbers<many>(), sort); });
  with("sort_10M_few", [=](benchmark::State& s) { measure(s, few_values<many>(), sort); });
  with("sort_10M_organ_pipe", [=](benchmark::State& s) { measure(s, organ_pipe<many>(), sort); });
  with("sort_10M_lambda",
       [=](benchmark::State& s) { measure(s, random_numbers<many>(), [=](auto& v) { sort(v, by_value{}); }); });
  with("sort_10M_double", [=](benchmark::State& s) { measure(s, random_doubles<many>(), sort); });
  with("sort_10M_pairs",
       [=](benchmark::State& s) { measure(s, random_pairs<many>(), [=](auto& v) { sort(v, by_key{}); }, by_key{}); });
  with("sort_2M_strings", [=](benchmark::State& s) { measure(s, random_strings<strings>(), sort); });
  with("sort_2M_alike_strings", [=](benchmark::State& s) { measure(s, alike_strings<strings>(), sort); });
}

template <class Sort, class With>
void stable_sort_cases(Sort sort, With with) {
  with("stable_sort_10M_pairs",
       [=](benchmark::State& s) { measure(s, random_pairs<many>(), [=](auto& v) { sort(v, by_key{}); }, by_key{}); });
  with("stable_sort_2M_strings",
       [=](benchmark::State& s) { measure(s, random_strings<strings>(), [=](auto& v) { sort(v, std::less<>{}); }); });
}

template <class Select, class With>
void nth_element_cases(Select select, With with) {
  with("nth_element_10M", [=](benchmark::State& state) {
    auto const& input = random_numbers<many>();
    static std::uint32_t const answer = [&] {
      auto v = input;
      std::nth_element(v.begin(), v.begin() + many / 3, v.end());
      return v[many / 3];
    }();
    std::vector<std::uint32_t> values;
    for (auto _ : state) {
      state.PauseTiming();
      values = input;
      state.ResumeTiming();
      select(values, values.begin() + many / 3);
      expect(values[many / 3], answer);
    }
  });
}

template <class Merge, class With>
void merge_cases(Merge merge, With with) {
  with("merge_2x5M", [=](benchmark::State& state) {
    static auto const halves = [] {
      auto all = random_numbers<many>();
      std::sort(all.begin(), all.begin() + many / 2);
      std::sort(all.begin() + many / 2, all.end());
      return all;
    }();
    std::vector<std::uint32_t> out(many);
    auto const* const middle = halves.data() + many / 2;
    for (auto _ : state) {
      merge(halves.data(), middle, middle, halves.data() + many, out.data());
      benchmark::ClobberMemory();
    }
    expect(std::is_sorted(out.begin(), out.end()), true);
  });
}

/// with() for a library that uses threads, and for one that does not.
struct with_workers {
  char const* library;
  template <class Run>
  void operator()(std::string const& name, Run run) const {
    benchmark::RegisterBenchmark((name + "/" + library).c_str(), run)->Apply(each_worker_count);
  }
};
struct without_workers {
  char const* library;
  template <class Run>
  void operator()(std::string const& name, Run run) const {
    benchmark::RegisterBenchmark((name + "/" + library).c_str(), run)->UseRealTime()->MeasureProcessCPUTime();
  }
};

}  // namespace bench::sort
