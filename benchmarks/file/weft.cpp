#include "support/weft.hpp"

#include "file/problem.hpp"

#include <memory>

namespace {

using namespace bench::file;
using weft::io_backend;
using weft::task;

// How a page is read: by weft::file; or by a blocking call or by the ring without a look into memory first, as designs to compare with.
enum class how { by_file, by_blocking, by_ring };

template <how How>
task<> read_page(weft::file const& f, int descriptor, std::uint64_t offset, std::span<std::byte> into) {
  if constexpr (How == how::by_file) {
    static_cast<void>(co_await f.read_at(offset, into));
  } else if constexpr (How == how::by_blocking) {
    auto call =
        weft::blocking([=] { return ::pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset)); });
    static_cast<void>(co_await std::move(call));
  } else {
    auto const got = co_await weft::detail::ring_operation::read(descriptor, offset, into);
    if (!got) std::_Exit(EXIT_FAILURE);  // there is no io_uring here
  }
  co_return;
}

template <how How>
task<std::uint64_t> some_pages(weft::file const& f, int descriptor, int first) {
  alignas(64) std::byte buffer[page];
  std::uint64_t sum = 0;
  for (int i = first; i < reads; i += in_flight) {
    co_await read_page<How>(f, descriptor, offset_of(static_cast<std::uint64_t>(i)), buffer);
    sum += on_disk::number_of(buffer);
  }
  co_return sum;
}

template <how How>
task<> all_pages(weft::file const& f, int descriptor) {
  std::vector<task<std::uint64_t>> parts;
  for (int i = 0; i < in_flight; ++i) parts.push_back(some_pages<How>(f, descriptor, i));
  auto all = weft::when_all(std::move(parts));
  auto const sums = co_await std::move(all);
  std::uint64_t sum = 0;
  for (auto const s : sums) sum += s;
  bench::expect(sum, answer());
}

weft::file open(weft::pool& pool, std::string const& path, weft::file_mode mode) {
  return pool.run(
      [](std::string p, weft::file_mode m) -> task<weft::file> { co_return co_await weft::file::open(p, m); }, path,
      mode);
}

template <how How, io_backend Io, memory M>
void random_pages(benchmark::State& state) {
  auto const& files = on_disk::it();
  prepare(M);
  weft::pool pool{{.workers = bench::workers(state), .io = Io}};
  auto const from = open(pool, files.path, weft::file_mode::read);
  auto const descriptor = weft::detail::file_handle::open(files.path, O_RDONLY);
  for (auto _ : state) {
    begin(state, M);
    pool.run(all_pages<How>(from, descriptor.get()));
  }
  bench::count_items(state, reads);
}
BENCHMARK(random_pages<how::by_file, io_backend::epoll, memory::has_it>)
    ->Name("file_random_cached/weft")
    ->Apply(bench::each_worker_count);
BENCHMARK(random_pages<how::by_file, io_backend::io_uring, memory::has_it>)
    ->Name("file_random_cached/weft io_uring")
    ->Apply(bench::each_worker_count);
BENCHMARK(random_pages<how::by_blocking, io_backend::epoll, memory::has_it>)
    ->Name("file_random_cached/weft blocking calls")
    ->Apply(bench::each_worker_count);
BENCHMARK(random_pages<how::by_ring, io_backend::io_uring, memory::has_it>)
    ->Name("file_random_cached/weft ring calls")
    ->Apply(bench::each_worker_count);
BENCHMARK(random_pages<how::by_file, io_backend::epoll, memory::has_nothing>)
    ->Name("file_random_disk/weft")
    ->Apply(bench::each_worker_count);
BENCHMARK(random_pages<how::by_file, io_backend::io_uring, memory::has_nothing>)
    ->Name("file_random_disk/weft io_uring")
    ->Apply(bench::each_worker_count);

constexpr int copies_in_flight = 4;

task<> copy_part(weft::file const& from, weft::file const& to, std::size_t first) {
  auto const buffer = std::make_unique<std::byte[]>(portion);
  std::span<std::byte> const bytes(buffer.get(), portion);
  for (std::size_t at = first * portion; at < size; at += copies_in_flight * portion) {
    static_cast<void>(co_await from.read_at(at, bytes));
    co_await to.write_at(at, bytes);
  }
}

template <io_backend Io>
void copy(benchmark::State& state) {
  auto const& files = on_disk::it();
  prepare(memory::has_it);
  weft::pool pool{{.workers = bench::workers(state), .io = Io}};
  auto const from = open(pool, files.path, weft::file_mode::read);
  for (auto _ : state) {
    auto const to = open(pool, files.copy, weft::file_mode::write);
    pool.run([&]() -> task<> {
      std::vector<task<>> parts;
      for (std::size_t i = 0; i < copies_in_flight; ++i) parts.push_back(copy_part(from, to, i));
      auto all = weft::when_all(std::move(parts));
      co_await std::move(all);
    });
  }
  check_copy();
}
BENCHMARK(copy<io_backend::epoll>)->Name("file_copy_64M/weft")->Apply(bench::each_worker_count);
BENCHMARK(copy<io_backend::io_uring>)->Name("file_copy_64M/weft io_uring")->Apply(bench::each_worker_count);

}  // namespace
