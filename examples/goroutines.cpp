// Goroutines, channels and select, and the same in weft. A send on a closed channel panics there; here it says false.
//
//   func squares(in <-chan int, out chan<- int) {                                            |  Output:
//     for n := range in { out <- n * n }                                                     |  sum of squares: 338350
//   }                                                                                        |  ping 1, pong 1
//   func main() {                                                                            |  ping 2, pong 2
//     in, out := make(chan int), make(chan int, 10)                                          |  nothing yet
//     var workers sync.WaitGroup                                                             |  got 42
//     for i := 0; i < 4; i++ {                                                               |  timeout
//       workers.Add(1)
//       go func() { defer workers.Done(); squares(in, out) }()
//     }
//     go func() { for i := 1; i <= 100; i++ { in <- i }; close(in) }()
//     go func() { workers.Wait(); close(out) }()
//     sum := 0
//     for s := range out { sum += s }
//     fmt.Println("sum of squares:", sum)
//     … ping-pong …
//     c := make(chan int)
//     select { case v := <-c: fmt.Println("got", v); default: fmt.Println("nothing yet") }
//     go func() { c <- 42 }()
//     fmt.Println("got", <-c)
//     select { case <-c: case <-time.After(5 * time.Millisecond): fmt.Println("timeout") }
//   }
#include <weft/weft.hpp>

#include <cstdio>
#include <functional>
#include <optional>
#include <utility>

using namespace std::chrono_literals;

namespace {

weft::task<> squares(weft::channel<int>& in, weft::channel<int>& out) {
  while (auto n = co_await in.receive()) co_await out.send(*n * *n);
}

weft::task<> sum_of_squares() {
  weft::channel<int> in, out{10};
  int sum = 0;
  auto produce = [&]() -> weft::task<> {
    for (int i = 1; i <= 100; ++i) co_await in.send(i);
    in.close();
  };
  auto work = [&]() -> weft::task<> {
    co_await weft::with_scope([&](weft::scope& s) -> weft::task<> {
      for (int i = 0; i < 4; ++i) s.spawn(squares, std::ref(in), std::ref(out));
      co_return;
    });
    out.close();
  };
  auto collect = [&]() -> weft::task<> {
    while (auto s = co_await out.receive()) sum += *s;
  };
  co_await weft::when_all(produce, work, collect);
  std::printf("sum of squares: %d\n", sum);
}

weft::task<> ping_pong() {
  weft::channel<int> there, back;
  auto other = weft::spawn([&]() -> weft::task<> {
    while (auto n = co_await there.receive()) co_await back.send(*n);
  });
  for (int i = 1; i <= 2; ++i) {
    co_await there.send(i);
    auto const n = co_await back.receive();
    std::printf("ping %d, pong %d\n", i, *n);
  }
  there.close();
  co_await std::move(other);
}

weft::task<> selecting() {
  weft::channel<int> c;
  auto got = [](std::optional<int> v) { std::printf("got %d\n", *v); };
  co_await weft::select(weft::on(c.receive(), got), weft::otherwise([] { std::printf("nothing yet\n"); }));
  auto sender = weft::spawn(c.send(42));
  got(co_await c.receive());
  co_await std::move(sender);
  co_await weft::select(weft::on(c.receive(), got), weft::on(weft::sleep_for(5ms), [] { std::printf("timeout\n"); }));
}

}  // namespace

int main() {
  weft::run(sum_of_squares);
  weft::run(ping_pong);
  weft::run(selecting);
}

// Output:
// sum of squares: 338350
// ping 1, pong 1
// ping 2, pong 2
// nothing yet
// got 42
// timeout
