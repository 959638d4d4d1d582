// Connections that wait for a byte, to send it back, under weft::serve, and what the server's memory has grown by for each: [WORKERS].
// Prints the port; then, for each line it reads, one line of its own:
//
//   CONNECTIONS BYTES_OF_NEW HEAP_BYTES_IN_USE SIZE*COUNT...
//
// by a counting operator new: what it has given out and not got back, what the C library says is in use, and the live blocks by size.
#include <weft/coro/run.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>
#include <weft/sched/pool.hpp>

#include <malloc.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <span>
#include <thread>

namespace {

constexpr std::size_t step = 8, sizes = 512;  // the last one counts whatever is larger
std::array<std::atomic<long>, sizes> blocks{};
std::atomic<long> connections{0};

std::atomic<long>& blocks_like(void* p) noexcept {
  auto const size = ::malloc_usable_size(p) / step;
  return blocks[size < sizes ? size : sizes - 1];
}

void* allocate(std::size_t size, std::size_t alignment) {
  void* const p = alignment <= alignof(std::max_align_t)
                      ? std::malloc(size)
                      : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
  blocks_like(p).fetch_add(1, std::memory_order_relaxed);
  return p;
}

void release(void* p) noexcept {
  if (!p) return;
  blocks_like(p).fetch_sub(1, std::memory_order_relaxed);
  std::free(p);
}

weft::task<> echo(weft::tcp_stream s) {
  connections.fetch_add(1, std::memory_order_relaxed);
  std::byte byte;
  while (co_await s.read(std::span(&byte, 1)) != 0) co_await s.write(std::span<std::byte const>(&byte, 1));
}

void report() {
  std::array<long, sizes> now;
  long bytes = 0;
  for (std::size_t i = 0; i < sizes; ++i) {
    now[i] = blocks[i].load(std::memory_order_relaxed);
    bytes += now[i] * static_cast<long>(i * step);
  }
  auto const heap = ::mallinfo2();
  std::printf("%ld %ld %zu", connections.load(), bytes, heap.uordblks + heap.hblkhd);
  for (std::size_t i = 0; i < sizes; ++i)
    if (now[i] != 0) std::printf(" %zu*%ld", i * step, now[i]);
  std::puts("");
  std::fflush(stdout);
}

}  // namespace

void* operator new(std::size_t n) { return allocate(n, 1); }
void* operator new[](std::size_t n) { return allocate(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) { return allocate(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocate(n, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }

int main(int argc, char** argv) {
  ::alarm(120);  // whoever has started it may be gone
  weft::pool pool{{.workers = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1}};
  auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(0), {.backlog = 8192});
  std::printf("%d\n", listener.local().port());
  std::fflush(stdout);
  std::thread asked([] {
    for (int c = std::getchar(); c != EOF; c = std::getchar())
      if (c == '\n') report();
    std::_Exit(0);
  });
  pool.run(weft::serve(listener, echo, {.max_connections = 0}));
  asked.join();
}
