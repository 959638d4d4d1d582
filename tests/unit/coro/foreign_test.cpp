#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::task;
using weft_test::counted;

namespace {

/// Somebody else's executor: one thread that resumes handles.
class other_executor {
 public:
  other_executor() : thread_([this] { serve(); }) {}
  ~other_executor() {
    {
      std::lock_guard const lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void post(std::coroutine_handle<> h) {
    // Under the lock: the posted one may end the executor.
    std::lock_guard const lock(mutex_);
    queue_.push_back(h);
    changed_.notify_one();
  }
  std::thread::id id() const { return thread_.get_id(); }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto const h = queue_.front();
      queue_.pop_front();
      lock.unlock();
      h.resume();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> queue_;  // guarded by mutex_
  bool ending_ = false;                        // guarded by mutex_
  std::thread thread_;
};

struct hop_void {
  explicit hop_void(other_executor& e, int v = 1) : to(e), value(v) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) { to.post(h); }
  int await_resume() const { return value; }
  other_executor& to;
  int value;
};
struct hop_bool {
  explicit hop_bool(other_executor& e) : to(e) {}
  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> h) {
    to.post(h);
    return true;
  }
  int await_resume() const { return 10; }
  other_executor& to;
};
struct hop_handle {
  explicit hop_handle(other_executor& e) : to(e) {}
  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) {
    to.post(h);
    return std::noop_coroutine();
  }
  int await_resume() const { return 100; }
  other_executor& to;
};

struct declines {
  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<>) const { return false; }
  int await_resume() const { return 2; }
};
struct transfers_back {
  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) const { return h; }
  int await_resume() const { return 3; }
};
struct resumes_inline {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) const { h.resume(); }
  int await_resume() const { return 4; }
};
/// Takes the handle of a promise that it knows nothing of.
struct takes_any_promise {
  bool await_ready() const { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise>) const {
    return false;
  }
  int await_resume() const { return 5; }
};
struct ready {
  bool await_ready() const { return true; }
  void await_suspend(std::coroutine_handle<>) const {}
  int await_resume() const { return 6; }
};

struct throws_at {
  enum class where { ready, suspend, resume };
  explicit throws_at(where w) : place(w) {}
  bool await_ready() const {
    if (place == where::ready) throw std::runtime_error("ready");
    return false;
  }
  bool await_suspend(std::coroutine_handle<>) const {
    if (place == where::suspend) throw std::runtime_error("suspend");
    return false;
  }
  void await_resume() const {
    if (place == where::resume) throw std::runtime_error("resume");
  }
  where place;
};

struct by_operator {
  explicit by_operator(other_executor& e) : to(e) {}
  hop_void operator co_await() && { return hop_void(to, 7); }
  other_executor& to;
  counted content{1};
};
struct by_free_operator {
  explicit by_free_operator(other_executor& e) : to(e) {}
  other_executor& to;
};
hop_void operator co_await(by_free_operator const& b) { return hop_void(b.to, 8); }

/// Owned by the awaiting expression; pinned.
struct pinned_hop {
  explicit pinned_hop(other_executor& e) : to(e) {}
  pinned_hop(pinned_hop const&) = delete;
  pinned_hop& operator=(pinned_hop const&) = delete;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) { to.post(h); }
  pinned_hop& await_resume() { return *this; }
  other_executor& to;
};

/// Somebody else's coroutine: starts at once, ends on its own, and symmetrically transfers to whoever awaits it.
class eager {
 public:
  struct promise_type {
    eager get_return_object() { return eager(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct to_continuation {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
          return h.promise().continuation;
        }
        void await_resume() const noexcept {}
      };
      return to_continuation{};
    }
    void return_value(std::string v) { value = std::move(v); }
    void unhandled_exception() { failure = std::current_exception(); }
    std::coroutine_handle<> continuation;
    std::string value;
    std::exception_ptr failure;
  };
  explicit eager(std::coroutine_handle<promise_type> h) : handle_(h) {}
  eager(eager&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  eager& operator=(eager&&) = delete;
  ~eager() {
    if (handle_) handle_.destroy();
  }
  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) {
    handle_.promise().continuation = h;
    return handle_;
  }
  std::string await_resume() {
    if (handle_.promise().failure) std::rethrow_exception(handle_.promise().failure);
    return std::move(handle_.promise().value);
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

eager greets(other_executor& e, std::string name) {
  int const v = co_await hop_void(e);
  co_return "hello " + name + std::to_string(v);
}
eager fails(other_executor& e) {
  int const v = co_await hop_void(e);
  if (v == 1) throw std::runtime_error("not ours");
  co_return "";
}

}  // namespace

TEST_CASE("a task that awaits what resumes on another thread comes home to its pool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("foreign_test: comes home");
  weft_test::balance const balance;
  other_executor other;
  weft::pool pool{{.workers = workers}};
  int strangers = 0;
  int const sum = pool.run([&]() -> task<int> {
    auto const token = weft::this_task::stop_token();
    int total = 0;
    for (int i = 0; i < 50; ++i) {
      total += co_await hop_void(other);
      total += co_await hop_bool(other);
      total += co_await hop_handle(other);
      if (weft::pool::current() != &pool || !(weft::this_task::stop_token() == token)) ++strangers;
    }
    co_return total;
  });
  CHECK(sum == 50 * 111);
  CHECK(strangers == 0);
}

TEST_CASE("a foreign awaitable that does not suspend goes on in place") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("foreign_test: in place");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    int total = 0;
    total += co_await declines{};
    total += co_await transfers_back{};
    total += co_await resumes_inline{};
    total += co_await takes_any_promise{};
    total += co_await ready{};
    co_return total;
  });
  CHECK(sum == 2 + 3 + 4 + 5 + 6);
}

TEST_CASE("a foreign awaitable that resumes inline a thousand times in a row ends") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("foreign_test: inline in a loop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    int total = 0;
    for (int i = 0; i < 1000; ++i) total += co_await resumes_inline{};
    co_return total;
  });
  CHECK(sum == 4000);
}

TEST_CASE("std::suspend_never is awaited like anything else") {
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run([]() -> task<int> {
    co_await std::suspend_never{};
    co_return 1;
  }) == 1);
}

TEST_CASE("an exception from any member of a foreign awaiter arrives in the task that awaits it") {
  weft_test::watchdog const guard("foreign_test: exceptions");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  using where = throws_at::where;
  auto what = [](where w) -> task<std::string> {
    std::string got;
    try {
      co_await throws_at(w);
    } catch (std::runtime_error const& e) {
      got = e.what();
    }
    co_return got;
  };
  CHECK(pool.run(what(where::ready)) == "ready");
  CHECK(pool.run(what(where::suspend)) == "suspend");
  CHECK(pool.run(what(where::resume)) == "resume");
}

TEST_CASE("of two foreign awaitables in one expression the first may fail once both have resumed") {
  weft_test::watchdog const guard("foreign_test: two in an expression");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  other_executor e;
  struct fails : hop_void {
    using hop_void::hop_void;
    int await_resume() const { throw std::runtime_error("first"); }
  };
  auto both = [&e]() -> task<int> { co_return co_await fails(e) + co_await hop_void(e); };
  for (int i = 0; i < 100; ++i) CHECK_THROWS_WITH(pool.run(both()), "first");
}

TEST_CASE("operator co_await is found as a member and as a free function") {
  weft_test::watchdog const guard("foreign_test: operators");
  counted::reset();
  weft_test::balance const balance;
  other_executor other;
  weft::pool pool{{.workers = 1}};
  int const sum = pool.run([&other]() -> task<int> {
    int const first = co_await by_operator(other);
    by_free_operator const named(other);
    int const second = co_await named;
    co_return first + second;
  });
  CHECK(sum == 15);
  CHECK(counted::live() == 0);
}

TEST_CASE("a pinned awaiter is awaited where it stands") {
  weft_test::watchdog const guard("foreign_test: pinned");
  weft_test::balance const balance;
  other_executor other;
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([&other]() -> task<bool> {
    pinned_hop hop(other);
    auto& same = co_await hop;
    co_return &same == &hop;
  }));
}

TEST_CASE("a coroutine type of another library is awaited by symmetric transfer both ways") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("foreign_test: another library's coroutine");
  weft_test::balance const balance;
  other_executor other;
  weft::pool pool{{.workers = workers}};
  bool home = false;
  auto const text = pool.run([&]() -> task<std::string> {
    auto greeting = greets(other, "weft");
    auto got = co_await std::move(greeting);
    home = weft::pool::current() == &pool;
    co_return got;
  });
  CHECK(text == "hello weft1");
  CHECK(home);
  CHECK_THROWS_WITH(pool.run([&] { return fails(other); }), "not ours");
}

TEST_CASE("foreign awaitables can be handed to run and when_all as they are") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("foreign_test: in verbs");
  weft_test::balance const balance;
  other_executor other;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(hop_void(other, 3)) == 3);
  int const sum = pool.run([&other]() -> task<int> {
    auto [a, b, c] = co_await weft::when_all(hop_void(other, 1), hop_bool(other), [] { return 1000; });
    co_return a + b + c;
  });
  CHECK(sum == 1011);
}

TEST_CASE("many tasks hop to another thread and back at the same time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("foreign_test: many");
  weft_test::balance const balance;
  other_executor other;
  weft::pool pool{{.workers = workers}};
  auto hops = [&other](int n) -> task<int> {
    int total = 0;
    for (int i = 0; i < n; ++i) total += co_await hop_void(other);
    co_return total;
  };
  int const sum = pool.run([&]() -> task<int> {
    std::vector<task<int>> all;
    for (int i = 0; i < 200; ++i) all.push_back(hops(10));
    auto operation = weft::when_all(std::move(all));
    auto const each = co_await std::move(operation);
    int total = 0;
    for (int const n : each) total += n;
    co_return total;
  });
  CHECK(sum == 2000);
}
