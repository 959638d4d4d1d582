// Random programs. A node of one is a task that waits, splits, locks, sends, fails or is stopped, and its children are nodes; its seed
// makes it what it is, so a program is had again from its seed, if not its interleaving. Whatever happens, the books balance: who has begun
// has ended, what was made is gone, what was sent was received or is left, and one at a time has been in the lock.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/one_core.hpp"
#include "support/print_workers.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/channel/channel.hpp>
#include <weft/combine/race.hpp>
#include <weft/combine/retry.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/shield.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_all_settled.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/local.hpp>
#include <weft/coro/resume_on.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using weft::task;

struct books {
  std::atomic<long> begun{0}, ended{0}, alive{0}, sent{0}, received{0}, left{0}, wrong{0};
  std::atomic<int> inside{0};
};

/// Something that is moved about and destroyed once.
class token {
 public:
  explicit token(books& b) noexcept : books_(&b) { ++books_->alive; }
  token(token&& other) noexcept : books_(std::exchange(other.books_, nullptr)) {}
  token& operator=(token&& other) noexcept {
    std::swap(books_, other.books_);
    return *this;
  }
  ~token() {
    if (books_) --books_->alive;
  }

 private:
  books* books_;
};

class entry {
 public:
  explicit entry(books& b) noexcept : books_(b) { ++books_.begun; }
  entry(entry const&) = delete;
  entry& operator=(entry const&) = delete;
  ~entry() { ++books_.ended; }

 private:
  books& books_;
};

/// A channel; what nobody has taken out of it when it goes is counted.
struct station {
  station(books& b, std::size_t capacity) : books_(b), c(capacity) {}
  station(station const&) = delete;
  station& operator=(station const&) = delete;
  ~station() {
    while (c.try_receive()) ++books_.left;
  }

  books& books_;
  weft::channel<token> c;
  std::atomic<int> senders{0};
};

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What all nodes of a program share.
struct place {
  books accounts;
  weft::mutex lock;
  weft::pool* home = nullptr;
  weft::pool* other = nullptr;
};

/// Where a node draws its choices from.
class choices {
 public:
  explicit choices(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {  // splitmix64: Steele, Lea, Flood, 2014
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  int below(int bound) noexcept { return static_cast<int>(next() % static_cast<std::uint64_t>(bound)); }
  weft::clock::duration short_time() noexcept { return std::chrono::microseconds(below(300)); }

 private:
  std::uint64_t state_;
};

task<int> node(place& p, std::uint64_t seed, int depth, token);

void compute(choices& c) {
  auto const until = weft::clock::now() + std::chrono::microseconds(c.below(30));
  while (weft::clock::now() < until) {
  }
}

task<int> in_lock(place& p, choices c) {
  auto const l = co_await p.lock.lock();
  if (p.accounts.inside.fetch_add(1) != 0) ++p.accounts.wrong;
  // Also when a stop ends it inside.
  struct leaver {
    std::atomic<int>& inside;
    ~leaver() { --inside; }
  } const leaves{p.accounts.inside};
  if (c.below(2) != 0) co_await weft::this_task::yield();
  if (c.below(8) == 0) co_await weft::sleep_for(c.short_time());
  co_return 1;
}

task<> sender(station& s, int count) {
  // The last one closes the channel, however it ends.
  struct closer {
    station& s;
    ~closer() {
      if (--s.senders == 0) s.c.close();
    }
  } const closes{s};
  for (int i = 0; i < count; ++i) {
    bool const taken = co_await s.c.send(token(s.books_));
    if (!taken) co_return;
    ++s.books_.sent;
  }
}

task<> receiver(station& s, bool with_select) {
  for (;;) {
    bool open = true;
    if (with_select) {
      auto const got = [&](std::optional<token> t) {
        if (t) ++s.books_.received;
        else open = false;
      };
      auto const late = [] {};
      auto operation = weft::select(weft::on(s.c.receive(), got), weft::on(weft::sleep_for(200us), late));
      co_await std::move(operation);
    } else if (auto const t = co_await s.c.receive()) {
      ++s.books_.received;
    } else {
      open = false;
    }
    if (!open) co_return;
  }
}

task<int> messages(place& p, choices c) {
  station s(p.accounts, static_cast<std::size_t>(c.below(4)));
  std::vector<task<>> all;
  int const senders = 1 + c.below(3), receivers = 1 + c.below(3);
  s.senders = senders;
  for (int i = 0; i < senders; ++i) all.push_back(sender(s, c.below(12)));
  for (int i = 0; i < receivers; ++i) all.push_back(receiver(s, c.below(3) == 0));
  auto operation = weft::when_all(std::move(all));
  co_await std::move(operation);
  co_return 1;
}

task<int> split(place& p, choices c, int depth) {
  std::atomic<int> sum{0};
  int const n = c.below(200);
  switch (c.below(4)) {
    case 0: weft::parallel_for(0, n, [&](int) { sum.fetch_add(1, std::memory_order_relaxed); }); break;
    case 1:
      weft::fork_join([&] { weft::parallel_for(0, n, [&](int) { sum.fetch_add(1, std::memory_order_relaxed); }); },
                      [&] { compute(c); });
      break;
    case 2: {
      // A plain frame in a split waits for a task.
      auto const seed = c.next();
      weft::fork_join([&] { sum = n; },
                      [&] {
                        try {
                          static_cast<void>(weft::spawn(node, std::ref(p), seed, depth - 1, token(p.accounts)).get());
                        } catch (failure const&) {
                        }
                      });
      break;
    }
    default: {
      auto body = [&](int) -> task<> {
        co_await weft::this_task::yield();
        sum.fetch_add(1, std::memory_order_relaxed);
      };
      weft::loop_options const few{.limit = 3};
      auto operation = weft::parallel_for(0, n, body, few);
      co_await std::move(operation);
    }
  }
  if (sum != n) ++p.accounts.wrong;
  co_return 1;
}

task<int> children(place& p, choices c, int depth) {
  auto const child = [&] { return node(p, c.next(), depth - 1, token(p.accounts)); };
  switch (c.below(7)) {
    case 0: {
      auto operation = weft::when_all(child(), child());
      auto const [a, b] = co_await std::move(operation);
      co_return a + b;
    }
    case 1: {
      std::vector<task<int>> some;
      for (int i = c.below(5); i >= 0; --i) some.push_back(child());
      auto operation = weft::when_all(std::move(some));
      int sum = 0;
      for (int const one : co_await std::move(operation)) sum += one;
      co_return sum;
    }
    case 2: {
      auto operation = weft::when_any(child(), child(), child());
      auto const first = co_await std::move(operation);
      if (first.index > 2) ++p.accounts.wrong;
      co_return 1;
    }
    case 3: {
      auto operation = weft::race(child(), child());
      static_cast<void>(co_await std::move(operation));
      co_return 1;
    }
    case 4: {
      auto operation = weft::when_all_settled(child(), child());
      static_cast<void>(co_await std::move(operation));
      co_return 1;
    }
    case 5: {
      auto operation = weft::timeout(c.short_time(), child());
      co_return co_await std::move(operation);
    }
    default: {
      auto operation = weft::shield(child());
      co_return co_await std::move(operation);
    }
  }
}

task<int> in_scope(place& p, choices c, int depth) {
  int const count = 1 + c.below(6);
  auto body = [&](weft::scope& s) -> task<> {
    for (int i = 0; i < count; ++i) s.spawn(node, std::ref(p), c.next(), depth - 1, token(p.accounts));
    if (c.below(3) == 0) co_await weft::this_task::yield();
    if (c.below(4) == 0) s.stop();
  };
  weft::scope_options const options{.limit = static_cast<std::size_t>(c.below(3))};
  auto operation = weft::with_scope(body, options);
  co_await std::move(operation);
  co_return 1;
}

task<int> futures(place& p, choices c, int depth) {
  auto f = p.home->spawn(node, std::ref(p), c.next(), depth - 1, token(p.accounts));
  auto g = p.home->spawn(node, std::ref(p), c.next(), depth - 1, token(p.accounts));
  switch (c.below(4)) {
    case 0: break;  // both are dropped
    case 1: g.stop(); break;
    case 2: {
      auto h = std::move(f).then([t = token(p.accounts)](int v) { return v; });
      co_return co_await std::move(h);
    }
    default: f.stop(); co_return co_await std::move(g);
  }
  co_return 1;
}

task<int> elsewhere(place& p, choices c, int depth) {
  switch (c.below(4)) {
    case 0: {
      auto f = p.other->spawn(node, std::ref(p), c.next(), depth - 1, token(p.accounts));
      co_return co_await std::move(f);
    }
    case 1:
      co_await weft::this_task::resume_on(*p.other);
      co_await weft::this_task::yield();
      co_await weft::this_task::resume_on(*p.home);
      co_return 1;
    case 2: {
      // Blocks the thread it is on: there are others for the child.
      auto f = p.other->spawn(node, std::ref(p), c.next(), depth - 1, token(p.accounts));
      co_return f.get();
    }
    default: {
      weft::pool small{{.workers = 1}};
      auto f = small.spawn(weft::sleep_for(c.short_time()));
      co_await std::move(f);
      co_return 1;
    }
  }
}

task<int> simple(place& p, choices c) {
  switch (c.below(8)) {
    case 0: co_await weft::this_task::yield(); break;
    case 1: co_await weft::this_task::checkpoint(); break;
    case 2: co_await weft::sleep_for(c.short_time()); break;
    case 3: compute(c); break;
    case 4: {
      auto operation = weft::blocking([] { std::this_thread::sleep_for(20us); });
      co_await std::move(operation);
      break;
    }
    case 5: {
      auto operation = in_lock(p, choices(c.next()));
      co_return co_await std::move(operation);
    }
    case 6: {
      auto operation = messages(p, choices(c.next()));
      co_return co_await std::move(operation);
    }
    default: throw failure("as planned");
  }
  co_return 1;
}

/// What it does may fail as planned, be stopped, or take too long.
task<int> does(place& p, std::uint64_t seed, int depth) {
  choices c(seed);
  choices const of_child(c.next());
  switch (depth <= 0 ? 0 : c.below(10)) {
    case 0:
    case 1: return simple(p, of_child);
    case 2:
    case 3:
    case 4: return children(p, of_child, depth);
    case 5: return in_scope(p, of_child, depth);
    case 6: return futures(p, of_child, depth);
    case 7: return elsewhere(p, of_child, depth);
    default: return split(p, of_child, depth);
  }
}

task<int> node(place& p, std::uint64_t seed, int depth, token) {
  entry const counted(p.accounts);
  int result = 0;
  try {
    auto operation = does(p, seed, depth);
    result = co_await std::move(operation);
  } catch (weft::timed_out const&) {
  } catch (failure const&) {
    if (seed % 3 == 0) throw;
  }
  co_return result;
}

/// So long a run of one test is, on each number of workers: WEFT_STRESS_SECONDS, or a second and a half.
std::chrono::nanoseconds length_of_a_run() {
  if (char const* const text = std::getenv("WEFT_STRESS_SECONDS"))
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(std::strtod(text, nullptr)));
  return 1500ms;
}

/// One program, and perhaps a stop in its midst.
void run_program(std::uint64_t seed, unsigned workers) {
  place p;
  {
    weft_test::balance const balance;
    auto const ignore = [](std::exception_ptr) noexcept {};
    weft::pool home{{.workers = workers, .on_failure = ignore}}, other{{.workers = 1, .on_failure = ignore}};
    weft_test::watchdog const dog("program " + std::to_string(seed) + " on " + std::to_string(workers) + " workers",
                                  20s, [&] {
                                    weft_test::print_workers(home);
                                    weft_test::print_workers(other);
                                  });
    p.home = &home;
    p.other = &other;
    choices c(seed);
    std::vector<weft::future<int>> roots;
    for (int i = 1 + c.below(4); i > 0; --i)
      roots.push_back(home.spawn(node, std::ref(p), c.next(), 1 + c.below(5), token(p.accounts)));
    if (c.below(3) == 0) {
      std::this_thread::sleep_for(c.short_time());
      for (auto& f : roots) f.stop();
    }
    for (auto& f : roots) {
      try {
        static_cast<void>(f.get());
      } catch (weft::stopped const&) {
      } catch (failure const&) {
      }
    }
    // What was dropped may start more in either pool: all of it ends before they do.
    while (p.accounts.alive != 0) std::this_thread::yield();
    home.shutdown(weft::drain_or_stop::drain);
    other.shutdown(weft::drain_or_stop::drain);
  }
  auto const& b = p.accounts;
  INFO("program " << seed << ", workers " << workers);
  if (b.begun != b.ended || b.alive != 0 || b.sent != b.received + b.left || b.wrong != 0 || b.inside != 0) {
    CHECK(b.begun == b.ended);
    CHECK(b.alive == 0);
    CHECK(b.sent == b.received + b.left);
    CHECK(b.wrong == 0);
    CHECK(b.inside == 0);
  }
}

void run_programs(weft_test::seeded& random, unsigned workers) {
  auto const end = std::chrono::steady_clock::now() + length_of_a_run();
  do {
    run_program(random(), workers);
  } while (std::chrono::steady_clock::now() < end);
}

}  // namespace

TEST_CASE("random programs lose nothing and end, on few workers and on many") {
  auto const workers = GENERATE(1u, 2u, 3u, 8u, 64u);
  weft_test::seeded random;
  run_programs(random, workers);
}

TEST_CASE("random programs lose nothing and end on one core") {
  auto const workers = GENERATE(1u, 2u, 8u);
  weft_test::seeded random;
  weft_test::one_core const bound;
  run_programs(random, workers);
}
