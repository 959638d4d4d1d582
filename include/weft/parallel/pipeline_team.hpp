// A pipeline that computes, on several workers: tokens that carry items from position to position, and the team that carries the tokens.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/os/brief_wait.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/pipeline_cost.hpp>
#include <weft/parallel/pipeline_flow.hpp>
#include <weft/parallel/pipeline_gates.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/nested.hpp>
#include <weft/sched/overdue.hpp>
#include <weft/sched/scheduler.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace weft::detail {

// A member of the team takes a token that may go on, or the turn to fill one at the source, and carries it as far as the gates let it:
// the same worker computes consecutive positions of a token. What is parked before a gate is made ready by whoever leaves that gate.
// Everything that says who may do what stands under lock_; a token belongs to whoever has taken it, and no user code runs under the lock.
//
// The team: the owner, in whose frame it lives, is a member until everything has ended; when there is nothing to do it waits. A helper is a job
// that a member pushes on its deque when somebody is hungry and there is more to do than it does itself. A helper that finds nothing
// to do leaves, and whoever has pushed a helper that nobody took takes it back before it leaves itself. Helpers therefore never wait, and the
// owner waits for nothing but helpers that run.
//
//   a helper   free ── a member pushes it ──▶ pushed ── a thief takes it ──▶ a member ── nothing to do ──▶ free
//                                             pushed ── its pusher takes it back ──▶ free
//   hired_     helpers that are not free, under lock_. The owner ends when it is 0; a helper's last touch is its unlock.
//
// called_ hands over nothing but the call: the owner then takes lock_, under which it was set.
//
// Items that take less than a microsecond travel several in a token, so that the price of a token is shared; where even a full token is not worth
// it, helpers go home, and the owner goes on alone, without tokens.
/// Lives in the frame of the call. The owner calls run; any worker of its pool may help.
class pipeline_team : pinned {
 public:
  struct shape {
    std::size_t members;  // at most, the owner included; at least 1
    std::size_t tokens;
    std::size_t batch;  // items in a token, at most
    std::size_t stride, alignment;
  };

  pipeline_team(any_flow& flow, shape const& s, worker& owner) noexcept
      : flow_(flow),
        shape_(s),
        owner_(owner),
        stop_(owner.current ? owner.current->stop : nullptr),
        context_{.stop = &stop_, .home = &owner.home, .locals = ambient_locals()} {}

  ~pipeline_team() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) flow_.destroy(tokens_[i]);
    if (items_) ::operator delete(items_, std::align_val_t{shape_.alignment});
  }

  /// What the members run in: a failure asks it to stop.
  [[nodiscard]] context& ambient() noexcept { return context_; }

  void check_stop() const {
    if (stop_.stop_requested()) [[unlikely]]
      throw stopped{};
  }

  /// Of the items; guarded by lock_ while the team is at work.
  item_cost cost;

  /// Is it worth while to have help, by what is known of the items?
  [[nodiscard]] bool worth_helping() const noexcept { return shape_.members > 1 && cost.worth(shape_.batch); }
  /// The same of items that take `each` ticks.
  [[nodiscard]] bool worth_helping(float each) const noexcept {
    return shape_.members > 1 && item_cost::worth(each, shape_.batch);
  }
  [[nodiscard]] bool eager() const noexcept { return shape_.members > 1 && cost.is_long(); }

  enum class outcome { ended, alone };

  /// The owner, while nothing is on the way: works until the source has ended and all items are through, or until nobody helps.
  /// `add_gates` adds the gates of the positions after the source, the first time. Throws the failure.
  template <class AddGates>
  outcome run(worker& self, AddGates&& add_gates) {
    if (!gates_) prepare(add_gates);
    for (;;) {
      {
        overdue_watch watch(self);
        member me(self);
        work(me, watch, role::owner);
        take_back(me);
      }
      lock_.lock();
      if (over() ? hired_ == 0 : alone()) break;
      if (over() || !something_to_do()) wait_for_call(self);
      else lock_.unlock();
    }
    bool const ended = over();
    lock_.unlock();
    if (failure_) std::rethrow_exception(std::move(failure_));
    return ended ? outcome::ended : outcome::alone;
  }

 private:
  enum class role { owner, helper };

  struct helper : job {
    explicit helper(pipeline_team& t) noexcept : job(&helper::act_as_job), team(t) {}
    pipeline_team& team;
    helper* following = nullptr;

    static void act_as_job(job* j, worker& self, job_order order) noexcept {
      auto& me = *static_cast<helper*>(j);
      if (order == job_order::run) me.team.help(self);
      me.team.leave(me);  // Past here the team may be gone.
    }
  };

  /// A worker's part in the team.
  struct member {
    explicit member(worker& w) noexcept : self(w), mark(w.deque.mark()) {}
    worker& self;
    split_deque<job>::position mark;
    helper* pushed = nullptr;  // its slot is the first above the mark
    std::uint64_t busy = 0;    // ticks
  };

  template <class AddGates>
  void prepare(AddGates&& add_gates) {
    auto const each = shape_.batch * shape_.stride;
    items_ = static_cast<std::byte*>(::operator new(2 * shape_.tokens * each, std::align_val_t{shape_.alignment}));
    tokens_.resize(shape_.tokens);
    for (std::size_t i = 0; i < shape_.tokens; ++i) {
      tokens_[i].items = items_ + 2 * i * each;
      tokens_[i].others = tokens_[i].items + each;
    }
    helpers_.reserve(shape_.members - 1);
    for (std::size_t i = 1; i < shape_.members; ++i) helpers_.emplace_back(*this);
    flow_gates gates(shape_.tokens);
    add_gates(gates);
    gates_.emplace(std::move(gates));
    for (auto& h : helpers_) free_.push(&h);
  }

  // ── with lock_ held ──

  [[nodiscard]] bool failed() const noexcept { return failure_ != nullptr; }
  [[nodiscard]] std::size_t on_the_way() const noexcept { return next_ - passed_; }
  [[nodiscard]] bool over() const noexcept { return failed() || (ended_ && on_the_way() == 0); }
  [[nodiscard]] bool alone() const noexcept { return on_the_way() == 0 && !source_taken_ && hired_ == 0; }
  [[nodiscard]] bool source_is_free() const noexcept {
    return !ended_ && !source_taken_ && on_the_way() < tokens_.size();
  }
  [[nodiscard]] bool something_to_do() const noexcept { return !failed() && (!ready_.empty() || source_is_free()); }

  // A token that may go on, the oldest first, else the turn at the source; null: neither.
  flow_token* take(role r) noexcept {
    if (failed()) return nullptr;
    if (flow_token* const t = ready_.pop()) return t;
    if (!source_is_free() || (r == role::helper && !worth_helping())) return nullptr;
    source_taken_ = true;
    flow_token& t = tokens_[next_ % tokens_.size()];
    t.number = next_;
    t.first = items_begun_;
    t.position = 0;
    t.spent = 0;
    return &t;
  }

  // A token of `items` items has passed a position. True: it may pass the next one now.
  bool pass(flow_token& t, std::size_t position, std::size_t items) noexcept {
    if (position == 0) {
      source_taken_ = false;
      if (t.last) ended_ = true;
      if (t.count == 0) return false;
      ++next_;
      items_begun_ += t.count;
      gates_->begin(t);
      return gates_->enter(t);
    }
    if (flow_token* const other = gates_->leave(t, position)) ready_.push(other);
    if (t.count != 0) return gates_->enter(t);
    ++passed_;
    if (t.spent != 0) cost.add(static_cast<float>(t.spent) / static_cast<float>(items));
    return false;
  }

  // Tells those who look whether there is something for them. True: the owner is to be unparked, after unlock.
  [[nodiscard]] bool tell() noexcept {
    bool const due = something_to_do() || over();
    look_.store(due, memory_order_relaxed);
    if (!owner_waits_ || !(over() ? hired_ == 0 || !waits_for_end_ : due)) return false;
    owner_waits_ = false;
    called_.store(true, memory_order_relaxed);
    return true;
  }

  // ── without it ──

  void tell_and_unlock() noexcept {
    worker& owner = owner_;
    bool const call = tell();
    lock_.unlock();  // Past here a helper that has left may find the team gone.
    if (call) owner.sleep.unpark();
  }

  // Returns when there is nothing to do for this member.
  void work(member& me, overdue_watch& watch, role r) noexcept {
    lock_.lock();
    for (;;) {
      if (flow_token* const t = take(r)) {
        carry(me, watch, *t);
        if (r == role::helper) continue;
        // Nobody has come, and nobody would: alone is quicker.
        bool const nobody = on_the_way() == 0 && !source_taken_ && hired_ == (me.pushed ? 1u : 0u);
        if (!nobody || eager() || (worth_helping() && me.self.deque.wanted())) continue;
        return tell_and_unlock();
      }
      bool const leave = over() || (r == role::helper && !worth_helping());
      tell_and_unlock();
      if (leave || !look_around()) return;
      lock_.lock();
    }
  }

  // Waits for as long as it may take a worker to sleep and be woken. True: there may be something to do.
  [[nodiscard]] bool look_around() const noexcept {
    return spin([this] { return look_.load(memory_order_relaxed); });
  }

  // Whoever is awaited may be runnable and without a core, perhaps on this very one: after a moment each look gives way.
  template <class Condition>
  [[nodiscard]] static bool spin(Condition&& come) noexcept {
    auto const begun = ticks();
    for (;;) {
      if (come()) return true;
      auto const waited = ticks() - begun;
      if (waited > patience) return false;
      if (waited > patience / 10) give_way();
      else relax();
    }
  }

  // Carries a token as far as it may go. With lock_ held, before and after.
  void carry(member& me, overdue_watch& watch, flow_token& t) noexcept {
    for (;;) {
      auto const wanted = help_wanted();
      auto const most = cost.items_for_token(shape_.batch);
      tell_and_unlock();
      if (wanted != help::none) recruit(me, wanted);
      auto position = t.position;
      auto items = t.count;
      auto const begun = ticks();
      bool going = step(t, most);
      while (going && gates_->open(position) && gates_->open(position + 1)) {
        ++position;
        going = step(t, most);
      }
      auto const ended = ticks();
      me.busy += ended - begun;
      watch.look(ended);
      lock_.lock();
      if (!going || failed()) {
        if (position == 0) source_taken_ = false;
        return;  // what it holds is destroyed at the end
      }
      if (!pass(t, position, items)) return;
    }
  }

  // There may be more to do than a member does itself.
  enum class help { none, if_asked, at_hand };
  [[nodiscard]] help help_wanted() const noexcept {
    if (free_.empty() || !something_to_do() || !hiring_.open(ticks())) return help::none;
    return eager() ? help::at_hand : worth_helping() ? help::if_asked : help::none;
  }

  // User code. False: it has failed.
  [[nodiscard]] bool step(flow_token& t, std::size_t most) noexcept {
    t.failed = t.first;
    bool const timed = t.number % 4 == 0;
    auto const begun = timed ? ticks() : 0;
    try {
      check_stop();
      if (t.position == 0) t.last = !flow_.pull(t, most);
      else flow_.step(t);
    } catch (...) {
      fail(t.failed, std::current_exception());
      return false;
    }
    if (timed) t.spent += ticks() - begun;
    return true;
  }

  [[gnu::noinline, gnu::cold]] void fail(std::size_t index, std::exception_ptr failure) noexcept {
    bool const stop_only = is_stopped(failure);
    bool first = false;
    {
      small_lock const guard(lock_);
      first = !failure_;
      // Being stopped is not a failure where there is another one.
      if (first || (failure_is_stop_ && !stop_only) || (failure_is_stop_ == stop_only && index < failed_index_)) {
        std::swap(failure_, failure);
        failed_index_ = index;
        failure_is_stop_ = stop_only;
      }
    }
    if (first) stop_.request_stop();
  }

  void recruit(member& me, help wanted) noexcept {
    worker& self = me.self;
    if (me.pushed) {
      if (!self.deque.idle()) return;  // nobody has taken it yet
      drop_slot(me);
    }
    if (wanted == help::if_asked && (!self.deque.wanted() || self.deque.has_public())) return;
    {
      small_lock const guard(lock_);
      me.pushed = free_.pop();
      if (!me.pushed) return;
      ++hired_;
    }
    if (!self.home.push_looking_up(self, me.pushed)) return give_up(me);
    if (wanted == help::at_hand) self.home.share(self);
  }

  void take_back(member& me) noexcept {
    if (!me.pushed) return;
    if (me.self.deque.pop()) give_up(me);
    else drop_slot(me);
  }

  // Not the last touch: the member itself is hired, or the owner.
  void give_up(member& me) noexcept {
    small_lock const guard(lock_);
    free_.push(me.pushed);
    --hired_;
    me.pushed = nullptr;
  }

  // It was taken; its thief is between its exchange and its store of null, or past that.
  static void drop_slot(member& me) noexcept {
    me.pushed = nullptr;
    for (brief_wait its_store;; its_store.pause()) {
      me.self.deque.settle(me.mark);
      if (me.self.deque.mark() == me.mark) return;
    }
  }

  void help(worker& self) noexcept {
    auto* const outer = std::exchange(self.current, &context_);
    {
      overdue_watch watch(self);
      member me(self);
      auto const came = ticks();
      work(me, watch, role::helper);
      take_back(me);
      auto const now = ticks();
      small_lock const guard(lock_);
      hiring_.left(now, now - came, me.busy, cost);
    }
    self.current = outer;
  }

  void leave(helper& h) noexcept {
    lock_.lock();
    free_.push(&h);
    --hired_;
    tell_and_unlock();
  }

  // With lock_ held; without it after.
  void wait_for_call(worker& self) noexcept {
    owner_waits_ = true;
    waits_for_end_ = over();
    called_.store(false, memory_order_relaxed);
    lock_.unlock();
    if (spin([this] { return called_.load(memory_order_relaxed); })) return;
    block_worker(self, [this, &self](clock::time_point deadline) {
      self.sleep.park(deadline);
      return called_.load(memory_order_relaxed);
    });
  }

  static constexpr std::uint64_t patience = (small_capacities ? 1 : 20) * ticks_per_microsecond;

  any_flow& flow_;
  shape const shape_;
  worker& owner_;
  stop_state stop_;
  context context_;

  std::byte* items_ = nullptr;
  std::vector<flow_token> tokens_;
  std::vector<helper> helpers_;

  alignas(cache_line) small_mutex lock_;
  std::optional<flow_gates> gates_;                   // guarded by lock_, but for what never changes
  flow_queue ready_;                                  // guarded by lock_
  std::size_t next_ = 0, passed_ = 0;                 // guarded by lock_: tokens that were filled, and that are through
  std::size_t items_begun_ = 0;                       // guarded by lock_
  bool source_taken_ = false, ended_ = false;         // guarded by lock_
  std::size_t hired_ = 0;                             // guarded by lock_
  intrusive_queue<helper, &helper::following> free_;  // guarded by lock_
  hiring hiring_;                                     // guarded by lock_
  bool owner_waits_ = false, waits_for_end_ = false;  // guarded by lock_
  std::exception_ptr failure_;                        // guarded by lock_
  std::size_t failed_index_ = 0;                      // guarded by lock_
  bool failure_is_stop_ = false;                      // guarded by lock_
  atomic<bool> look_{false};                          // a hint: there may be something to do
  atomic<bool> called_{false};
};

}  // namespace weft::detail
