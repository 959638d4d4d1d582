// Python's threading and multiprocessing, and the same in weft. Threads there take turns under one lock of the interpreter, and processes
// copy what they exchange; here tasks run on all cores and share memory.
//
//   counter, lock = 0, threading.Lock()                                                      |  Output:
//   def add():                                                                               |  counter: 40000
//     global counter                                                                         |  produced 10, consumed 10
//     for _ in range(10_000):                                                                |  [0, 1, 4, 9, 16]
//       with lock: counter += 1                                                              |  sum: 332833500
//   threads = [threading.Thread(target=add) for _ in range(4)]                               |  42 from the child
//   for t in threads: t.start()
//   for t in threads: t.join()
//   print("counter:", counter)
//   q = queue.Queue(maxsize=3)
//   … a producer thread puts 10 items and None, a consumer gets until None …
//   with multiprocessing.Pool() as pool:
//     print(pool.map(square, range(5)))
//     print("sum:", sum(pool.map(square, range(1000))))
//   here, there = multiprocessing.Pipe()
//   p = multiprocessing.Process(target=child, args=(there,))
//   p.start(); print(here.recv()); p.join()
#include <weft/weft.hpp>

#include <cstdio>
#include <functional>
#include <numeric>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

namespace {

weft::task<> add(weft::mutex& lock, long& counter) {
  for (int i = 0; i < 10'000; ++i) {
    auto const held = co_await lock.lock();
    ++counter;
  }
}

weft::task<> four_threads() {
  weft::mutex lock;
  long counter = 0;
  co_await weft::when_all(add(lock, counter), add(lock, counter), add(lock, counter), add(lock, counter));
  std::printf("counter: %ld\n", counter);
}

weft::task<> queue() {
  weft::channel<int> q{3};
  int consumed = 0, produced = 0;
  auto producer = [&]() -> weft::task<> {
    for (; produced < 10; ++produced) co_await q.send(produced);
    q.close();
  };
  auto consumer = [&]() -> weft::task<> {
    while (co_await q.receive()) ++consumed;
  };
  co_await weft::when_all(producer, consumer);
  std::printf("produced %d, consumed %d\n", produced, consumed);
}

// Computing needs no task: these are plain calls.
void map() {
  auto square = [](int n) { return n * n; };
  auto const five = weft::parallel_map(std::views::iota(0, 5), square);
  std::printf("[%d, %d, %d, %d, %d]\n", five[0], five[1], five[2], five[3], five[4]);
  auto const all = weft::parallel_map(std::views::iota(0, 1000), square);
  std::printf("sum: %d\n", weft::parallel_reduce(all, 0));
}

weft::task<> child() {
  weft::oneshot<std::string> there;
  auto process = weft::spawn([&there] { return there.send("42 from the child"); });
  auto const said = co_await there.receive();
  std::printf("%s\n", said->c_str());
  co_await std::move(process);
}

}  // namespace

int main() {
  weft::run(four_threads);
  weft::run(queue);
  map();
  weft::run(child);
}

// Output:
// counter: 40000
// produced 10, consumed 10
// [0, 1, 4, 9, 16]
// sum: 332833500
// 42 from the child
