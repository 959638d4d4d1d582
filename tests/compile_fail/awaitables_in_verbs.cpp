// expect-success
// Whatever is awaitable can be handed to any verb, as it comes or as what a function returns.
#include <weft/weft.hpp>

#include <chrono>
#include <utility>

using namespace std::chrono_literals;

weft::task<> all_verbs() {
  auto const f = [] { return 1; };
  int const one = co_await weft::timeout(1s, weft::blocking(f));
  co_await weft::timeout(1s, weft::sleep_for(1ms));
  co_await weft::timeout(1s, [] { return weft::sleep_for(1ms); });
  co_await weft::timeout(1s, weft::this_task::yield());
  auto [nothing, two] = co_await weft::when_all(weft::sleep_until(weft::clock::now()), weft::blocking(f));
  auto body = [f](weft::scope& s) {
    s.spawn(weft::sleep_for(1ms));
    s.spawn(weft::blocking(f));
    s.spawn(weft::this_task::checkpoint());
  };
  co_await weft::with_scope(std::move(body));
  auto const first = co_await weft::when_any(weft::sleep_for(1h), weft::blocking(f), weft::this_task::yield());
  auto [how, other] = co_await weft::when_all_settled(weft::sleep_for(1ms), weft::blocking(f));
  int const raced = co_await weft::race(weft::blocking(f), [f] { return weft::blocking(f); });
  int const shielded = co_await weft::shield(weft::blocking(f));
  int const retried = co_await weft::retry({}, [f] { return weft::blocking(f); });
  static_cast<void>(first.index);
  static_cast<void>(how.has_value() && other.value() == 1);
  static_cast<void>(one + two + raced + shielded + retried);
  static_cast<void>(nothing);
}

int main() {
  weft::run(all_verbs());
  weft::run(weft::sleep_for(1ms));
  weft::run([] { return weft::sleep_for(1ms); });
  return weft::spawn(weft::blocking([] { return 1; })).get() + weft::run(weft::blocking([] { return 1; }));
}
