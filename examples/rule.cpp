// The rule of the API: computing is a plain call, waiting is co_await, and whatever is callable or awaitable can be handed to
// any verb. The README shows the part between the marks.
#include <weft/weft.hpp>

#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Stands for a request to a server.
weft::task<std::string> fetch(std::string host) {
  std::string page = "words of " + host;
  co_await weft::sleep_for(5ms);
  co_return page;
}

std::size_t count_words(std::string const& page) {
  std::size_t words = 1;
  for (char const c : page) words += c == ' ';
  return words;
}

// [rule]
long fib(int n) {
  if (n < 2) return n;
  auto [a, b] = weft::fork_join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

// Waits: a coroutine. The same verbs; a body that waits makes the call awaitable.
weft::task<std::size_t> crawl(std::vector<std::string> hosts) {
  auto pages = co_await weft::parallel_map(hosts, fetch, {.limit = 64});  // fetch returns task<std::string>
  auto words = weft::parallel_map(pages, count_words);                    // count_words computes
  co_return weft::parallel_reduce(words, std::size_t{0});
}

// Both at once, on the same pool, under one deadline.
weft::task<double> page_and_sum(std::string host, std::vector<double> const& v) {
  auto both = weft::when_all(fetch(host), [&] { return weft::parallel_reduce(v, 0.0); });
  auto [page, sum] = co_await weft::timeout(2s, std::move(both));
  co_return sum + static_cast<double>(page.size());
}

}  // namespace

int main() {
  // CPU split: a plain call, valid on any thread and inside any task. Returns when done.
  std::vector<double> v(1000);
  weft::parallel_for(0, 1000, [&](int i) { v[static_cast<std::size_t>(i)] = i; });
  double sum = weft::parallel_reduce(v, 0.0);

  std::vector<std::string> hosts{"alpha", "beta", "gamma"};
  std::size_t words = weft::run(crawl(hosts));                    // from a plain thread
  auto answer = weft::spawn(page_and_sum, "delta", std::ref(v));  // or: start now, a future:
  double total = answer.get();                                    // .get(), co_await answer, or answer.then(f)
  // [rule]
  std::printf("sum %.0f, %zu words, total %.0f, fib(20) %ld\n", sum, words, total, fib(20));
}

// Output:
// sum 499500, 9 words, total 499514, fib(20) 6765
