// A worker with messages both ways, as in Node's worker_threads. There it is a second interpreter in a thread of its own, and each message
// is copied between two heaps; here it is a task, and messages are moved.
//
//   const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");      |  Output:
//   if (isMainThread) {                                                                      |  main: ready
//     const worker = new Worker(__filename, { workerData: 10 });                             |  main: fib(20) = 6765
//     worker.on("message", (m) => {                                                          |  main: fib(25) = 75025
//       console.log("main:", m.text);                                                        |  main: fib(30) = 832040
//       if (m.done) worker.postMessage(null);                                                |  main: worker ended
//     });
//     worker.on("exit", () => console.log("main: worker ended"));
//     for (const n of [20, 25, 30]) worker.postMessage(n);
//   } else {
//     parentPort.postMessage({ text: "ready" });
//     let left = 3;
//     parentPort.on("message", (n) => {
//       if (n === null) return process.exit();
//       parentPort.postMessage({ text: `fib(${n}) = ${fib(n)}`, done: --left === 0 });
//     });
//   }
#include <weft/weft.hpp>

#include <cstdio>
#include <string>
#include <utility>

namespace {

long fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

/// What new Worker gives: somewhere to post to, somewhere to hear from, and an end.
template <class In, class Out>
struct worker {
  weft::channel<In> in{16};
  weft::channel<Out> out{16};
};

weft::task<> body(worker<int, std::string>& port) {
  co_await port.out.send("ready");
  while (auto n = co_await port.in.receive()) {
    std::string answer = "fib(" + std::to_string(*n) + ") = " + std::to_string(fib(*n));
    co_await port.out.send(std::move(answer));
  }
  port.out.close();
}

weft::task<> start() {
  worker<int, std::string> w;
  auto end = weft::spawn(body, std::ref(w));
  for (int const n : {20, 25, 30}) co_await w.in.send(n);
  w.in.close();
  while (auto text = co_await w.out.receive()) std::printf("main: %s\n", text->c_str());
  co_await std::move(end);
  std::printf("main: worker ended\n");
}

}  // namespace

int main() { weft::run(start()); }

// Output:
// main: ready
// main: fib(20) = 6765
// main: fib(25) = 75025
// main: fib(30) = 832040
// main: worker ended
