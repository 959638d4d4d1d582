// A file of 64 MiB: 10,000 pages of it read at random, from memory and from the disk, and the whole of it copied.
// bench_smoke: --benchmark_filter=file_random_cached
#pragma once

#include "support/bench.hpp"

#include <weft/os/file_handle.hpp>

#include <fcntl.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <vector>

namespace bench::file {

inline constexpr std::size_t page = 4096, size = std::size_t{64} << 20, pages = size / page;
inline constexpr int reads = 10'000, in_flight = 64;
inline constexpr std::size_t portion = std::size_t{1} << 20;

/// Where the pages to be read are: the same in every run.
inline std::uint64_t offset_of(std::uint64_t read) {
  read = (read + 1) * 0x9E3779B97F4A7C15u;
  return (read ^ read >> 29) % pages * page;
}

/// The file, and room for a copy of it; both are gone at the end of the process. Each page begins with its number.
class on_disk {
 public:
  static on_disk const& it() {
    static on_disk const made;
    return made;
  }
  on_disk(on_disk const&) = delete;
  on_disk& operator=(on_disk const&) = delete;
  ~on_disk() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path, copy;

  /// Of a page that has been read.
  static std::uint64_t number_of(std::byte const* content) {
    std::uint64_t number;
    std::memcpy(&number, content, sizeof number);
    return number;
  }

  /// Nothing of it is in memory then.
  void forget() const {
    auto const handle = weft::detail::file_handle::open(path, O_RDONLY);
    handle.sync(path);
    ::posix_fadvise(handle.get(), 0, 0, POSIX_FADV_DONTNEED);
    ::posix_fadvise(handle.get(), 0, 0, POSIX_FADV_RANDOM);
  }

 private:
  on_disk() {
    folder_ = (std::filesystem::temp_directory_path() / "weft-bench-file-XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) {
      std::cerr << "no folder for temporary files\n";
      std::_Exit(EXIT_FAILURE);
    }
    path = folder_ + "/file";
    copy = folder_ + "/copy";
    std::vector<std::byte> content(size);
    for (std::uint64_t i = 0; i < pages; ++i) std::memcpy(content.data() + i * page, &i, sizeof i);
    auto const handle = weft::detail::file_handle::open(path, O_WRONLY | O_CREAT);
    handle.write_at(0, content, path);
    handle.sync(path);
  }
  std::string folder_;
};

/// The sum of the numbers of the pages that are read.
inline std::uint64_t answer() {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < reads; ++i) sum += offset_of(i) / page;
  return sum;
}

/// How a case begins each time.
enum class memory { has_it, has_nothing };

inline void prepare(memory m) {
  if (m == memory::has_nothing) return;
  auto const& files = on_disk::it();
  auto const handle = weft::detail::file_handle::open(files.path, O_RDONLY);
  std::vector<std::byte> content(size);
  expect(handle.read_at(0, content, files.path), size);
}

inline void begin(benchmark::State& state, memory m) {
  if (m == memory::has_it) return;
  state.PauseTiming();
  on_disk::it().forget();
  state.ResumeTiming();
}

/// The copy is the file.
inline void check_copy() {
  auto const& files = on_disk::it();
  auto const handle = weft::detail::file_handle::open(files.copy, O_RDONLY);
  std::vector<std::byte> last(page);
  expect(handle.size(files.copy), std::uint64_t{size});
  expect(handle.read_at(size - page, last, files.copy), page);
  expect(on_disk::number_of(last.data()), std::uint64_t{pages - 1});
}

}  // namespace bench::file
