// A program with a race that shows once in a while, and its test: weft::sim runs it under a thousand seeds, finds one that loses money,
// and runs that one again, step by step the same. Then the program with the race taken out.
#include <weft/sim/sim.hpp>
#include <weft/weft.hpp>

#include <cstdio>
#include <functional>
#include <stdexcept>

namespace {

struct account {
  int balance = 100;
  int paid_out = 0;
  weft::mutex lock;
};

using ledger = weft::channel<int>;

weft::task<> withdraw_carelessly(account& from, int amount, ledger& entries) {
  int const before = from.balance;
  if (before < amount) co_return;
  co_await entries.send(amount);  // others may withdraw meanwhile
  from.balance = before - amount;
  from.paid_out += amount;
}

weft::task<> withdraw(account& from, int amount, ledger& entries) {
  auto const own = co_await from.lock.lock();
  if (from.balance < amount) co_return;
  co_await entries.send(amount);
  from.balance -= amount;
  from.paid_out += amount;
}

weft::task<> keep_books(ledger& entries) {
  while (auto const amount = co_await entries.receive()) co_await weft::sleep_for(std::chrono::milliseconds(*amount));
}

/// Three customers and one account; no money may be made.
template <class Withdraw>
auto test_of(Withdraw withdraw_somehow) {
  return [withdraw_somehow](weft::sim& world) {
    account shared;
    auto const customers = [&]() -> weft::task<> {
      ledger entries{1};
      auto books = weft::spawn(keep_books, std::ref(entries));
      co_await weft::when_all(withdraw_somehow(shared, 30, entries), withdraw_somehow(shared, 40, entries),
                              withdraw_somehow(shared, 50, entries));
      entries.close();
      co_await std::move(books);
    };
    world.run(customers);
    if (shared.balance + shared.paid_out != 100) throw std::logic_error("money out of nothing");
  };
}

}  // namespace

int main() {
  auto const test = test_of(withdraw_carelessly);
  auto const found = weft::sim::find_failure({.count = 1000}, test);
  if (!found) return 1;
  std::printf("a seed makes money\n");

  int same = 0;
  for (int i = 0; i != 100; ++i) {
    auto const again = weft::sim::find_failure({.count = 1, .first = found->seed}, test);
    same += again && again->trace_hash == found->trace_hash;
  }
  std::printf("again, step by step the same: %d times of 100\n", same);

  auto const none = weft::sim::find_failure({.count = 1000}, test_of(withdraw));
  std::printf("with a lock: %s\n", none ? "a seed makes money" : "no seed of 1000");
}

// Output:
// a seed makes money
// again, step by step the same: 100 times of 100
// with a lock: no seed of 1000
