// then: what is chained to a future runs once, or is stopped once, and whoever keeps the promise touches no pool that has ended.
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>

#include <memory>
#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <stdexcept>
#include <utility>

namespace {

using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

// A waiter begins the continuation, and ends its pool, while the plain thread that has kept the promise is still at it.
task<int> result_of(weft::future<int>& f) {
  [[maybe_unused]] int const keeps_gcc_12_sane = 0;
  co_return co_await std::move(f);
}
void kept_by_a_plain_thread() {
  weft::promise<int> promise;
  auto first = promise.get_future();
  auto p = std::make_unique<small_pool>(1);
  weft::future<int> second;
  p->run([&] { second = first.then([](int v) { return v + 1; }); });
  together([&] { promise.set_value(1); },
           [&] {
             expect(p->run(result_of(second)) == 2, "the continuation has run");
             p.reset();
           });
}
weft_model::part const p1("continuation: a plain thread keeps the promise, and the pool ends", kept_by_a_plain_thread,
                          {2, 1});

// State E4: a stop comes while the listener is being attached.
class chain final : weft::detail::listener, weft::detail::stop_registration {
 public:
  struct state final : weft::detail::future_state<int> {
    state() : future_state(1, nullptr) {}
  };

  chain(state& before, weft::detail::stop_state& stop)
      : listener([](listener* l) noexcept { static_cast<chain&>(*l).go(); }),
        stop_registration(&chain::give_up),
        before_(before),
        stop_(stop) {}
  ~chain() { stop_.remove(*this); }

  void start() {
    static_cast<void>(stop_.add(*this));
    if (!before_.attach(*this)) go();
    else if (stop_.stop_requested()) give_up(this);
  }
  [[nodiscard]] int gone() const { return gone_.load(weft::detail::memory_order_relaxed); }

 private:
  static void give_up(stop_registration* r) noexcept {
    auto& me = static_cast<chain&>(*r);
    if (me.before_.detach(me)) me.go();
  }
  void go() noexcept { gone_.fetch_add(1, weft::detail::memory_order_relaxed); }

  state& before_;
  weft::detail::stop_state& stop_;
  weft::detail::atomic<int> gone_{0};
};

void stopped_while_attached() {
  auto* const before = new chain::state;
  {
    weft::detail::stop_state stop;
    chain c(*before, stop);
    together([&] { c.start(); }, [&] { stop.request_stop(); });
    expect(c.gone() == 1, "it goes on once");
  }
  before->release();
}
weft_model::part const p2("continuation: it is stopped while it is attached", stopped_while_attached, {3, 3});

// The same through a whole pool, whose end is the stop.
void pool_ends_meanwhile() {
  weft::promise<int> never;
  auto first = never.get_future();
  {
    small_pool p(1);
    weft::future<int> second;
    together(
        [&] {
          try {
            p.run([&] { second = first.then([](int v) { return v; }); });
          } catch (std::logic_error const&) {  // the pool refuses
          }
        },
        [&] { p.shutdown(weft::drain_or_stop::stop); });
  }
}
weft_model::part const p3("continuation: the pool ends while it is made", pool_ends_meanwhile, {1, 3});

}  // namespace
