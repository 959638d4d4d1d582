// asyncio.gather, a queue with workers, and the same in weft; there they share one thread, here every worker of the pool.
//
//   async def factorial(name, number):                                                       |  Output:
//     f = 1                                                                                  |  [2, 6, 24]
//     for i in range(2, number + 1):                                                         |  2 done, 1 failed: no
//       await asyncio.sleep(0.001)                                                           |  20 jobs by 3 workers
//       f *= i
//     return f
//   async def fails():
//     raise ValueError("no")
//   async def main():
//     print(await asyncio.gather(factorial("A", 2), factorial("B", 3), factorial("C", 4)))
//     r = await asyncio.gather(factorial("A", 2), fails(), factorial("B", 3), return_exceptions=True)
//     …
//     queue = asyncio.Queue()
//     for i in range(20): queue.put_nowait(i)
//     workers = [asyncio.create_task(worker(queue)) for _ in range(3)]
//     await queue.join()
//     for w in workers: w.cancel()
//     await asyncio.gather(*workers, return_exceptions=True)
//     print(f"{done} jobs by {len(workers)} workers")
//   asyncio.run(main())
#include <weft/weft.hpp>

#include <atomic>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

weft::task<int> factorial(int number) {
  int f = 1;
  for (int i = 2; i <= number; ++i) {
    co_await weft::sleep_for(1ms);
    f *= i;
  }
  co_return f;
}

weft::task<int> fails() {
  int const answer = 0;
  if (answer == 0) throw std::runtime_error("no");
  co_return answer;
}

weft::task<> gather() {
  auto [a, b, c] = co_await weft::when_all(factorial(2), factorial(3), factorial(4));
  std::printf("[%d, %d, %d]\n", a, b, c);
}

// return_exceptions=True: each is told apart by its future.
weft::task<> gather_with_failures() {
  std::vector<weft::future<int>> all;
  all.push_back(weft::spawn(factorial, 2));
  all.push_back(weft::spawn(fails));
  all.push_back(weft::spawn(factorial, 3));
  int done = 0, failed = 0;
  std::string why;
  for (auto& f : all) {
    try {
      co_await std::move(f);
      ++done;
    } catch (std::exception const& e) {
      ++failed;
      why = e.what();
    }
  }
  std::printf("%d done, %d failed: %s\n", done, failed, why.c_str());
}

weft::task<> worker(weft::channel<int>& queue, std::atomic<int>& done) {
  int mine = 0;
  for (; co_await queue.receive(); ++mine) co_await weft::sleep_for(1ms);
  done += mine;
}

// The end of the queue ends its workers: nothing is to be cancelled.
weft::task<> queue_and_workers() {
  weft::channel<int> queue{weft::unbounded};
  for (int i = 0; i < 20; ++i) co_await queue.send(i);
  queue.close();
  std::atomic<int> done{0};
  co_await weft::when_all(worker(queue, done), worker(queue, done), worker(queue, done));
  std::printf("%d jobs by 3 workers\n", done.load());
}

}  // namespace

int main() {
  weft::run(gather);
  weft::run(gather_with_failures);
  weft::run(queue_and_workers);
}

// Output:
// [2, 6, 24]
// 2 done, 1 failed: no
// 20 jobs by 3 workers
