// graph: functions that wait for each other's results, run as often as wanted, as much at the same time as their edges allow.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/graph/node.hpp>
#include <weft/os/brief_wait.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/external.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/open_join.hpp>
#include <weft/sched/overdue.hpp>
#include <weft/sched/scheduler.hpp>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

//   a node   not ready ── its last predecessor has ended ──▶ ready: in the deque of whoever ended that, or gone on with at once ──▶ called ──▶ ended
//
// Whoever ends a node lowers the counts of those after it, goes on with the first that is ready, and pushes the others on its deque, where thieves
// take the oldest. A run ends when as many nodes have ended as there are; whoever runs several in a row counts them together. After a failure
// or a stop the nodes that are left end without having been called, so that all counts stand as before the run.
//
// The deque of a worker holds ready nodes of a graph while it runs one, and none afterwards: what it did not run itself was taken. They all descend
// from what the worker runs, so they may be helped with (open_join.hpp).
/// The run of a graph, without types. Nodes know it; one run at a time.
class graph_core : pinned {
 public:
  ~graph_core() { WEFT_ASSERT(!running_, "a graph is destroyed while it runs"); }

  void require_idle() const {
    if (running_) throw std::logic_error("weft::graph: it is running");
  }

  [[nodiscard]] bool empty() const noexcept { return nodes_.empty(); }

  /// On a worker: as a part of whatever that one runs. Throws the failure.
  void run_here(worker& self) {
    begin(self.current ? self.current->stop : nullptr, self.home, &self, nullptr);
    auto* const outer = std::exchange(self.current, &*context_);
    auto const ended = work_from_roots(self);
    if (!join_.end_here(ended)) join_.wait(self);
    self.current = outer;
    finish();
  }

  /// For a task: `task` is fired at the end.
  void begin(stop_state* parent, scheduler& home, worker* waiter, suspension* task) noexcept {
    running_ = true;
    stop_.emplace(parent);
    context_.emplace(context{.stop = &*stop_, .home = &home, .locals = ambient_locals()});
    task_ = task;
    join_.begin(nodes_.size(), waiter);
  }

  /// The first job of a run for a task.
  void run_roots_as_job(worker& self) noexcept {
    auto* const outer = std::exchange(self.current, &*context_);
    auto const ended = work_from_roots(self);
    self.current = outer;
    end(ended);  // Past here *this may be gone.
  }

  /// After the end. Throws the failure.
  void finish() {
    stop_->leave_parent();
    running_ = false;
    if (auto failure = std::exchange(failure_, nullptr)) [[unlikely]]
      std::rethrow_exception(std::move(failure));
  }

 private:
  friend class graph_node;
  friend class weft::graph;

  /// How quick nodes are, and a look after what is overdue every few microseconds.
  class pace : pinned {
   public:
    explicit pace(worker& self) noexcept : watch_(self), last_(ticks()) {}
    /// May nodes take long, for all that is known? Then what is ready should be there for others before the next begins: one who asks for
    /// work during a long call is not heard.
    [[nodiscard]] bool slow() const noexcept { return every_ < quick; }
    void step() noexcept {
      if (++steps_ < every_) return;
      auto const now = ticks();
      auto const took = now - last_;
      if (took < ticks_per_microsecond) every_ = std::min(2 * every_, quick);
      else if (took > 4 * ticks_per_microsecond) every_ = every_ / 2 + (every_ == 1 ? 1 : 0);
      steps_ = 0;
      last_ = now;
      watch_.look(now);
    }

   private:
    static constexpr unsigned quick = 16;
    overdue_watch watch_;
    std::uint64_t last_;
    unsigned steps_ = 0, every_ = 1;
  };

  void add(std::unique_ptr<graph_node> n, std::size_t edges) {
    n->index_ = nodes_.size();
    if (edges != 0) return nodes_.push_back(std::move(n));
    roots_.push_back(n.get());
    try {
      nodes_.push_back(std::move(n));
    } catch (...) {
      roots_.pop_back();
      throw;
    }
  }

  // ── running: each returns how many nodes have ended here, uncounted ──

  std::size_t work_from_roots(worker& self) noexcept {
    std::size_t ended = 0;
    pace rate(self);
    auto const mark = self.deque.mark();
    for (std::size_t i = roots_.size(); i-- > 1;) push(self, *roots_[i]);
    self.home.share(self);
    work(self, roots_[0], mark, rate, ended);
    return ended;
  }

  // Runs n and what becomes ready here, until this worker's deque has none of it.
  void work(worker& self, graph_node* n, split_deque<job>::position mark, pace& rate, std::size_t& ended) noexcept {
    for (;;) {
      while (n) {
        if (self.deque.wanted()) [[unlikely]]
          self.home.share(self);
        n = step(self, *n, rate, ended);
        rate.step();
      }
      if (self.deque.mark() == mark) return;
      if (!self.deque.pop()) break;
      n = static_cast<graph_node*>(static_cast<ready_job*>(self.deque.item_at(self.deque.mark())));
    }
    // The youngest was taken, and so all were; the last thief is between its exchange and its store of null, or past that.
    for (brief_wait its_store;; its_store.pause()) {
      self.deque.settle(mark);
      if (self.deque.mark() == mark) return;
    }
  }

  // The next one to run, or null.
  graph_node* step(worker& self, graph_node& n, pace const& rate, std::size_t& ended) noexcept {
    n.missing_.store(n.predecessors_, memory_order_relaxed);  // for the next run; nobody else knows of n now
    ++ended;
    if (stop_->stop_requested()) [[unlikely]] {
      skip(n);
    } else if (n.may_wait()) {
      // It counts its own end; the one counted here keeps the run alive until this worker is through with it.
      join_.expect();
      n.call(self);
      return nullptr;
    } else {
      n.call(self);
    }
    graph_node* const next = release(n, [&](graph_node& ready) { push(self, ready); });
    if (rate.slow() && next) self.home.share(self);
    return next;
  }

  [[gnu::noinline, gnu::cold]] void skip(graph_node& n) noexcept {
    n.clear();
    small_lock const guard(lock_);
    if (!failure_) {
      failure_ = std::make_exception_ptr(stopped{});
      failure_is_stop_ = true;
    }
  }

  // n has ended. The first that is ready now, or null; the others go to `rest`.
  template <class Rest>
  static graph_node* release(graph_node& n, Rest&& rest) noexcept {
    graph_node* first = nullptr;
    for (graph_edge* e = n.first_; e;) {
      graph_node& after = *e->to;
      e = e->next;
      // acquire and release: node E1. A single predecessor needs no count: what hands the node over publishes its result.
      if (after.predecessors_ != 1 && after.missing_.fetch_sub(1, memory_order_acq_rel) != 1) continue;
      if (!first) first = &after;
      else rest(after);
    }
    return first;
  }

  void push(worker& self, graph_node& n) noexcept {
    if (!self.home.push_looking_up(self, &n)) [[unlikely]]
      self.home.submit(&n);
  }

  void end(std::size_t nodes) noexcept {
    suspension* const task = task_;
    if (join_.end(nodes) && task) task->fire();
  }

  [[gnu::noinline, gnu::cold]] void failed(std::size_t index, std::exception_ptr failure) noexcept {
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
    stop_->request_stop();
  }

  std::vector<std::unique_ptr<graph_node>> nodes_;
  std::vector<graph_node*> roots_;  // those without predecessors
  bool running_ = false;
  std::optional<stop_state> stop_;
  std::optional<context> context_;
  suspension* task_ = nullptr;
  open_join join_;
  small_mutex lock_;
  std::exception_ptr failure_;    // guarded by lock_
  std::size_t failed_index_ = 0;  // guarded by lock_
  bool failure_is_stop_ = false;  // guarded by lock_
};

inline void graph_node::act_as_job(job* j, worker& self, job_order order) noexcept {
  auto& n = *static_cast<graph_node*>(static_cast<ready_job*>(j));
  if (order == job_order::give_back) return self.home.submit(&n);
  graph_core& core = n.core_;
  auto* const outer = std::exchange(self.current, &*core.context_);
  std::size_t ended = 0;
  {
    open_join::part const shown(core.join_, self);
    graph_core::pace rate(self);
    core.work(self, &n, self.deque.mark(), rate, ended);
  }
  self.current = outer;
  core.end(ended);  // Past here the graph may be gone.
}

inline void graph_node::failed(std::exception_ptr failure) noexcept { core_.failed(index_, std::move(failure)); }

inline void graph_node::ended_after_wait(worker& self) noexcept {
  graph_core& core = core_;
  // Not on this stack: this is the end of a resumption, which may stand on plain frames.
  if (graph_node* const first = graph_core::release(*this, [&](graph_node& n) { self.home.submit(&n); }))
    self.home.submit(first);
  core.end(1);  // Past here the graph may be gone.
}

class graph_awaiter : public native_awaiter, public suspension {
 public:
  explicit graph_awaiter(graph_core& g) noexcept : core_(g), first_(g) {}

  [[nodiscard]] bool await_ready() const {
    core_.require_idle();
    return core_.empty();
  }

  template <weft_promise Promise>
  bool await_suspend(std::coroutine_handle<Promise> task) {
    this->suspension::begin(task);
    core_.begin(this->ambient->stop, *this->ambient->home, nullptr, this);
    begun_ = true;
    this->ambient->home->submit_woken(&first_);
    return this->arm();
  }

  void await_resume() {
    if (begun_) core_.finish();
  }

 private:
  struct first_job : ready_job {
    explicit first_job(graph_core& g) noexcept
        : ready_job([](job* j, worker& self, job_order) noexcept {
            static_cast<first_job*>(static_cast<ready_job*>(j))->core.run_roots_as_job(self);
          }),
          core(g) {}
    graph_core& core;
  };

  graph_core& core_;
  first_job first_;
  bool begun_ = false;
};

class [[nodiscard]] graph_operation {
 public:
  explicit graph_operation(graph_core& g) noexcept : core_(&g) {}
  auto operator co_await() const noexcept { return graph_awaiter(*core_); }

 private:
  graph_core* core_;
};

}  // namespace detail

/// Functions with edges between them, made once and run any number of times:
///
///   graph g;
///   auto a = g.add([] { return load(); });
///   auto b = g.add(parse, a);                                            // called with a's result, as T const&
///   auto c = g.add([](tree const& t, std::string const& s) { … }, b, a);
///   g.run();                                                             // a plain call; co_await g.run_async() in a task
///   use(c.get());
///
/// An edge goes from a node to one that is added later, so there are no cycles. Nodes that do not depend on each other may run at the same time, and
/// may run one after the other: those that compute must not wait for each other. A function may give something to await, as in when_all.
/// One thread at a time adds and runs; the graph stays where it is.
class graph : detail::pinned {
 public:
  /// Adds f, to be called with the results of its predecessors in each run, once all of them have ended. Each is a node of this graph, whose result
  /// f gets as T const& (T& for one that returned a reference), nothing for void; or a range of nodes of one type, whose results f gets as a
  /// node_results<T>, nothing for void. An f that takes nothing is only called after them. f is moved in, and called once in each run. Returns the node, whose result is what f returns, or
  /// what awaiting that gives. Throws std::invalid_argument for a node that is empty or another graph's, std::logic_error during a run, std::bad_alloc;
  /// then nothing was added. Cost: two allocations, and two for a range.
  template <class F, class... P>
  auto add(F&& f, P&&... predecessors) {
    static_assert((detail::predecessors_of_node<P> && ...), "the predecessors of a node are nodes, or ranges of nodes");
    if constexpr ((detail::predecessors_of_node<P> && ...)) {
      using call = detail::node_call<std::decay_t<F>, decltype(source_of(predecessors))...>;
      static_assert(call::possible, "this function cannot be called with the results of these predecessors");
      if constexpr (call::possible) {
        core_.require_idle();
        using result = detail::node_result<typename call::result>;
        using kind = detail::node_of<result, std::decay_t<F>, decltype(source_of(predecessors))...>;
        auto made = std::make_unique<kind>(core_, std::forward<F>(f), source_of(predecessors)...);
        kind& n = *made;
        std::size_t edges = 0;
        n.for_each_edge([&edges](detail::graph_node&, detail::graph_edge&) { ++edges; });
        core_.add(std::move(made), edges);
        n.for_each_edge([&n](detail::graph_node& before, detail::graph_edge& e) { before.link(e, n); });
        return node<result>(n);
      }
    }
  }

  /// Calls every function once, in an order that the edges allow, and returns when all have ended. From any thread, which takes part; inside any task.
  /// Results of a run before are replaced. While it waits for what others have taken, the thread runs nothing but parts of this graph.
  ///
  /// Throws what a function threw, of several that of the node that was added first: those that have not begun are not called, those that
  /// run are asked to stop and waited for. Honours the ambient stop token between nodes: throws weft::stopped. std::logic_error where the
  /// graph is running already. Complexity: O(nodes + edges); no allocation where no function waits.
  void run() {
    core_.require_idle();
    if (core_.empty()) return;
    if (detail::worker* const self = detail::current_worker_inline()) return core_.run_here(*self);
    detail::result_slot<void> slot;
    auto const keep = [&]() noexcept { detail::settle_with(slot, [&] { core_.run_here(*detail::current_worker()); }); };
    detail::join_default_pool(keep);
    slot.take();
  }

  /// co_await g.run_async();
  ///   completes   when all functions have ended
  ///   result      none: nodes have theirs
  ///   on error    as run
  ///   on stop     functions that wait inherit it, no more are called; when those that run have ended, throws weft::stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto run_async() noexcept { return detail::graph_operation(core_); }

  /// Nodes.
  [[nodiscard]] std::size_t size() const noexcept { return core_.nodes_.size(); }

 private:
  template <class T>
  detail::result_node<T>& checked(node<T> const& n) const {
    if (!n.node_) throw std::invalid_argument("weft::graph::add: a predecessor is empty: it was not made by add");
    if (&n.node_->core() != &core_) throw std::invalid_argument("weft::graph::add: a predecessor is another graph's");
    return *n.node_;
  }

  template <class T>
  detail::one_source<T> source_of(node<T> const& n) const {
    return detail::one_source<T>(checked(n));
  }
  template <detail::several_predecessors R>
  auto source_of(R&& range) const {
    return many_of(range, static_cast<std::remove_cvref_t<std::ranges::range_value_t<R>>*>(nullptr));
  }
  template <class R, class T>
  detail::many_sources<T> many_of(R&& range, node<T>*) const {
    std::vector<detail::result_node<T> const*> nodes;
    for (auto const& n : range) nodes.push_back(&checked<T>(n));
    return detail::many_sources<T>(std::move(nodes));
  }

  detail::graph_core core_;
};

}  // namespace weft
