// A pipeline with something in it that waits: carriers, each of which takes an item from the source to the sink, then the next.
#pragma once

#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/parallel/in_flight.hpp>
#include <weft/parallel/pipeline_flow.hpp>
#include <weft/parallel/pipeline_gates.hpp>
#include <weft/parallel/pipeline_run.hpp>
#include <weft/scope/scope.hpp>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace weft::detail {

//   a carrier   at the source ──▶ before a gate ──▶ past it … ──▶ past the sink ──▶ at the source
//               idle: the turn at the source is somebody else's
//
// Everything that says who may do what stands under lock_. A carrier that may not go on leaves its suspension there; whoever lets it go on takes
// it out under the lock and fires it after unlock. Whoever has got an item passes the turn at the source on: to an idle carrier, else to a new
// one, as long as there are fewer than items may be in flight. After a failure, a stop or the source's end everybody who waits is let go, and ends.
/// Lives in the frame of the awaiting task until all carriers have ended.
template <class Flow>
class pipeline_carriers : pinned {
 public:
  pipeline_carriers(Flow& flow, pipeline_options const& o) : flow_(flow), limit_(limit_of(flow, o)), gates_(limit_) {
    flow.for_each_stage([this](stage_order order, std::size_t width) {
      if (order == stage_order::serial) gates_.add_ordered();
      else gates_.add_wide(width_of(width));
    });
    gates_.add_ordered();
  }

  /// In a scope's body: the first carrier.
  void begin(scope& s) {
    scope_ = &s;
    source_taken_ = true;
    carriers_ = 1;
    s.spawn([this] { return carry(); });
  }

  /// Any thread: nobody goes on any more.
  void close() noexcept {
    flow_queue let_go;
    {
      small_lock const guard(lock_);
      if (closed_) return;
      closed_ = true;
      gates_.release_all([&](flow_token& t) { let_go.push(&t); });
      while (flow_token* const t = idle_.pop()) let_go.push(t);
    }
    fire_all(let_go);
  }

  /// After all carriers have ended.
  void rethrow_failure() {
    if (failure_) std::rethrow_exception(std::move(failure_));
  }

 private:
  struct parking;

  /// An item on its way, in the frame of its carrier.
  struct carried : flow_token {
    explicit carried(pipeline_carriers& p) : pipeline(p) {
      auto* const room = ::operator new(2 * Flow::stride, std::align_val_t{Flow::item_alignment});
      items = room_ = static_cast<std::byte*>(room);
      others = items + Flow::stride;
    }
    carried(carried const&) = delete;
    carried& operator=(carried const&) = delete;
    ~carried() {
      pipeline.flow_.destroy(*this);
      ::operator delete(room_, std::align_val_t{Flow::item_alignment});
    }
    pipeline_carriers& pipeline;
    parking* parked_in = nullptr;  // guarded by the lock

   private:
    std::byte* room_;
  };

  /// co_await: until the item may go on. False: nobody goes on any more.
  struct parking : native_awaiter, suspension {
    enum class place { source, gate };
    parking(carried& t, place p) noexcept : token(t), at_source(p == place::source) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <weft_promise Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) noexcept {
      pipeline_carriers& p = token.pipeline;
      this->begin(task);
      {
        small_lock const guard(p.lock_);
        if (p.closed_) return false;
        if (at_source) {
          if (p.ended_) return false;
          if (!p.source_taken_) {
            p.source_taken_ = true;
            return false;
          }
          p.idle_.push(&token);
        } else if (p.gates_.enter(token)) {
          return false;
        }
        token.parked_in = this;
      }
      return this->arm();
    }
    [[nodiscard]] bool await_resume() const noexcept {
      pipeline_carriers& p = token.pipeline;
      small_lock const guard(p.lock_);
      return !p.closed_ && !(at_source && p.ended_);
    }
    using suspension::fire;
    carried& token;
    bool const at_source;
  };

  /// The gates have a place for each item on its way.
  static constexpr std::size_t most_in_flight = std::size_t{1} << 20;

  static std::size_t width_of(std::size_t width) noexcept {
    return width == 0 ? default_in_flight : std::min(width, most_in_flight);
  }

  static std::size_t limit_of(Flow const& flow, pipeline_options const& o) noexcept {
    if (o.in_flight != 0) return std::min(o.in_flight, most_in_flight);
    std::size_t width = 2;  // the source and the sink
    flow.for_each_stage(
        [&](stage_order order, std::size_t w) { width += order == stage_order::serial ? 1 : width_of(w); });
    return std::min(2 * width, most_in_flight);
  }

  static void fire(flow_token* t) noexcept {
    if (t) static_cast<carried*>(t)->parked_in->fire();
  }
  static void fire_all(flow_queue& all) noexcept {
    while (flow_token* const t = all.pop()) fire(t);
  }

  task<> carry() {
    std::optional<carried> mine;
    std::exception_ptr failure;
    try {
      carried& t = mine.emplace(*this);
      // A carrier begins with the turn at the source.
      for (bool turn = true; turn;) {
        this_task::stop_token().throw_if_stopped();
        t.first = t.number = next_;
        bool more = false;
        if constexpr (Flow::source_waits) {
          auto pulling = flow_.pull_waiting(t);
          more = co_await std::move(pulling);
          if (more) t.count = 1;
        } else {
          more = flow_.pull(t, 1);
        }
        leave_source(t, more);
        if (!more) break;
        while (t.count != 0) {
          parking gate(t, parking::place::gate);
          bool const in = co_await gate;
          if (!in) break;
          this_task::stop_token().throw_if_stopped();
          auto const position = t.position;
          if (auto const waiting = flow_.waiting_at(position)) {
            auto passing = (flow_.*waiting)(t);
            co_await std::move(passing);
          } else {
            flow_.step(t);
          }
          leave_gate(t, position);
        }
        if (t.count != 0) break;
        parking idle(t, parking::place::source);
        turn = co_await idle;
      }
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) failed(mine ? mine->number : SIZE_MAX, std::move(failure));
  }

  void leave_source(carried& t, bool more) {
    flow_queue let_go;
    bool spawn_one = false;
    {
      small_lock const guard(lock_);
      if (more) {
        ++next_;
        gates_.begin(t);
        if (flow_token* const other = idle_.pop()) let_go.push(other);  // the turn is its own
        else if (carriers_ < limit_) spawn_one = true, ++carriers_;
        else source_taken_ = false;
      } else {
        ended_ = true;
        while (flow_token* const other = idle_.pop()) let_go.push(other);
      }
    }
    fire_all(let_go);
    if (spawn_one) scope_->spawn([this] { return carry(); });
  }

  void leave_gate(flow_token const& t, std::size_t position) noexcept {
    flow_token* next = nullptr;
    {
      small_lock const guard(lock_);
      if (!closed_) next = gates_.leave(t, position);
    }
    fire(next);
  }

  void failed(std::size_t index, std::exception_ptr failure) noexcept {
    bool const stop_only = is_stopped(failure);
    {
      small_lock const guard(lock_);
      // Being stopped is not a failure where there is another one.
      if (!failure_ || (failure_is_stop_ && !stop_only) || (failure_is_stop_ == stop_only && index < failed_index_)) {
        std::swap(failure_, failure);
        failed_index_ = index;
        failure_is_stop_ = stop_only;
      }
    }
    close();
    scope_->stop();
  }

  Flow& flow_;
  std::size_t const limit_;
  scope* scope_ = nullptr;
  small_mutex lock_;
  flow_gates gates_;                           // guarded by lock_
  flow_queue idle_;                            // guarded by lock_
  std::size_t next_ = 0;                       // guarded by lock_, and by the turn at the source
  std::size_t carriers_ = 0;                   // guarded by lock_
  bool source_taken_ = false, ended_ = false;  // guarded by lock_
  bool closed_ = false;                        // guarded by lock_
  std::exception_ptr failure_;                 // guarded by lock_
  std::size_t failed_index_ = 0;               // guarded by lock_
  bool failure_is_stop_ = false;               // guarded by lock_
};

/// Closes a pipeline when the task that awaits it is asked to stop.
template <class Pipeline>
struct close_on_stop {
  Pipeline* pipeline;
  void operator()() const noexcept { pipeline->close(); }
};

template <class Flow>
task<> run_waiting(Flow flow, pipeline_options options) {
  pipeline_carriers<Flow> carriers(flow, options);
  bool stopped_from_outside = false;
  {
    stop_callback const on_stop(this_task::stop_token(), close_on_stop<pipeline_carriers<Flow>>{&carriers});
    auto body = [&carriers](scope& s) { carriers.begin(s); };
    auto all = with_scope(body);
    try {
      co_await std::move(all);
    } catch (stopped const&) {
      stopped_from_outside = true;
    }
  }
  carriers.rethrow_failure();
  if (stopped_from_outside) throw stopped{};
}

}  // namespace weft::detail
