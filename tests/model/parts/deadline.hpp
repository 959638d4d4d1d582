// A driver that is one deadline and nothing else: whoever polls it when that has come signals it.
#pragma once

#include <weft/coro/run.hpp>
#include <weft/sched/driver.hpp>

#include <chrono>
#include <memory>
#include <model/model.hpp>
#include <model/parts/pool.hpp>

namespace weft_model {

class one_deadline : public weft::detail::driver {
 public:
  static one_deadline& install(small_pool& p) {
    auto own = std::make_unique<one_deadline>();
    one_deadline& d = *own;
    weft::scheduler_of(p).install_driver(std::move(own));
    return d;
  }

  void poll(weft::detail::worker&, weft::clock::time_point now, in_use) noexcept override {
    auto seen = count_.load(weft::detail::memory_order_relaxed);
    if (seen <= now.time_since_epoch().count() &&
        count_.compare_exchange_strong(seen, never, weft::detail::memory_order_seq_cst))
      come_.signal();
  }
  [[nodiscard]] weft::clock::time_point next_deadline() const noexcept override {
    return weft::clock::time_point(weft::clock::duration(count_.load(weft::detail::memory_order_seq_cst)));
  }

  /// Earlier than before.
  void move_to(small_pool& p, weft::clock::time_point t) noexcept {
    count_.store(t.time_since_epoch().count(), weft::detail::memory_order_seq_cst);
    weft::scheduler_of(p).deadline_moved();
  }

  /// It has been set: nobody may sleep past that much from now before it has come. Blocks outside of any pool.
  void wait_for(std::chrono::nanoseconds at_most) noexcept {
    due_by((weft::clock::now() + at_most).time_since_epoch().count());
    come_.wait();
    due_by(never);
  }

  void must_come(small_pool& p, std::chrono::nanoseconds in) noexcept {
    due_by((weft::clock::now() + 2 * in).time_since_epoch().count());
    move_to(p, weft::clock::now() + in);
    come_.wait();
    due_by(never);
  }

 private:
  weft::detail::atomic<std::int64_t> count_{never};
  weft::detail::one_end come_;
};

}  // namespace weft_model
