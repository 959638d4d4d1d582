#include "file/problem.hpp"

namespace {

using namespace bench::file;
using weft::detail::file_handle;

template <memory M>
void random_pages(benchmark::State& state) {
  auto const& files = on_disk::it();
  prepare(M);
  auto const from = file_handle::open(files.path, O_RDONLY);
  std::vector<std::byte> buffer(page);
  for (auto _ : state) {
    begin(state, M);
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < reads; ++i) {
      from.read_at(offset_of(i), buffer, files.path);
      sum += on_disk::number_of(buffer.data());
    }
    bench::expect(sum, answer());
  }
  bench::count_items(state, reads);
}
BENCHMARK(random_pages<memory::has_it>)->Name("file_random_cached/serial")->UseRealTime();
BENCHMARK(random_pages<memory::has_nothing>)->Name("file_random_disk/serial")->UseRealTime();

void copy(benchmark::State& state) {
  auto const& files = on_disk::it();
  prepare(memory::has_it);
  auto const from = file_handle::open(files.path, O_RDONLY);
  std::vector<std::byte> buffer(portion);
  for (auto _ : state) {
    auto const to = file_handle::open(files.copy, O_WRONLY | O_CREAT | O_TRUNC);
    for (std::size_t at = 0; at < size; at += portion) {
      from.read_at(at, buffer, files.path);
      to.write_at(at, buffer, files.copy);
    }
  }
  check_copy();
}
BENCHMARK(copy)->Name("file_copy_64M/serial")->UseRealTime();

}  // namespace
