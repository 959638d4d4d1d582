// The nodes of a graph: a function, the results that it is called with, its own result, and who comes after it.
#pragma once

#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/root.hpp>
#include <weft/sched/nested.hpp>
#include <weft/sched/scheduler.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

class graph;
template <class T = void>
class node;

namespace detail {

class graph_core;
class graph_node;

/// From a node to one that comes after it. Stands in the one that comes after, beside the count that is lowered through it.
struct graph_edge {
  graph_node* to = nullptr;
  graph_edge* next = nullptr;  // of the same predecessor
};

//   missing_   predecessors that have not ended in this run. Whoever ends the last one owns the node until its function has ended; it sets the count
//              for the next run before anything else.
//
//   E1  a predecessor's release of missing_ → the last one's acquire   the results of all predecessors
//
/// A node without its types. A job: stands in a deque, or in a ready queue.
class graph_node : public ready_job, pinned {
 public:
  virtual ~graph_node() = default;
  [[nodiscard]] graph_core& core() const noexcept { return core_; }

 protected:
  explicit graph_node(graph_core& g) noexcept : ready_job(&graph_node::act_as_job), core_(g) {}

  /// Calls the function and keeps how it ended. Where it waits, ended_after_wait is called, perhaps before this returns.
  virtual void call(worker& self) noexcept = 0;
  [[nodiscard]] virtual bool may_wait() const noexcept = 0;
  /// Forgets the result.
  virtual void clear() noexcept = 0;

  void failed(std::exception_ptr failure) noexcept;
  void ended_after_wait(worker& self) noexcept;

 private:
  friend class graph_core;
  friend class weft::graph;

  static void act_as_job(job* j, worker& self, job_order order) noexcept;

  void link(graph_edge& e, graph_node& after) noexcept {
    e.to = &after;
    (last_ ? last_->next : first_) = &e;
    last_ = &e;
    ++after.predecessors_;
    after.missing_.store(after.predecessors_, memory_order_relaxed);
  }

  graph_core& core_;
  atomic<std::uint32_t> missing_{0};
  std::uint32_t predecessors_ = 0;
  graph_edge* first_ = nullptr;
  graph_edge* last_ = nullptr;
  std::size_t index_ = 0;  // in the order of adding
};

/// A node with its result.
template <class T>
class result_node : public graph_node {
 public:
  [[nodiscard]] decltype(auto) get() const {
    if (!result_->has_result())
      throw std::logic_error(
          "weft::graph: this node has no result: the graph has not run, or ended before the node began");
    return result_->peek();
  }
  T take() {
    static_cast<void>(get());
    return result_->take();
  }
  /// In a run, after this has ended well.
  [[nodiscard]] decltype(auto) known() const { return result_->peek(); }

 protected:
  explicit result_node(graph_core& g) noexcept : graph_node(g) { result_.emplace(); }
  result_slot<T>& result() noexcept { return *result_; }
  void clear() noexcept override {
    if (result_->has_result()) result_.emplace();
  }

 private:
  std::optional<result_slot<T>> result_;  // always there: emplaced anew for each run
};

}  // namespace detail

/// A node of a graph, as add gives it: what later nodes name as their predecessor, and where the result is after a run. A copyable handle, valid as
/// long as the graph; one that was not made by add belongs to no graph.
template <class T>
class node {
 public:
  node() noexcept = default;

  [[nodiscard]] explicit operator bool() const noexcept { return node_ != nullptr; }

  /// The result of the last run, as it stands in the graph; throws what the function threw, std::logic_error where it has not been called.
  /// Not during a run.
  [[nodiscard]] std::add_lvalue_reference_t<T const> get() const {
    if constexpr (std::is_void_v<T>) std::as_const(valid()).get();
    else return std::as_const(valid()).get();
  }

  /// The same, moved out: from then on the node holds what is left after a move, until the next run.
  T take() const { return valid().take(); }

  friend bool operator==(node, node) noexcept = default;

 private:
  friend class graph;
  explicit node(detail::result_node<T>& n) noexcept : node_(&n) {}

  [[nodiscard]] detail::result_node<T>& valid() const {
    if (!node_) throw std::logic_error("weft::graph: an empty node: it belongs to no graph");
    return *node_;
  }

  detail::result_node<T>* node_ = nullptr;
};

/// What a function gets for a range of predecessors: their results, in order, as a range of T const&.
template <class T>
class node_results {
 public:
  class iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = std::remove_cvref_t<T>;
    using difference_type = std::ptrdiff_t;
    using reference = std::add_lvalue_reference_t<T const>;
    using pointer = void;

    iterator() noexcept = default;
    explicit iterator(detail::result_node<T> const* const* at) noexcept : at_(at) {}
    reference operator*() const { return (*at_)->known(); }
    reference operator[](difference_type n) const { return at_[n]->known(); }
    iterator& operator++() noexcept { return ++at_, *this; }
    iterator& operator--() noexcept { return --at_, *this; }
    iterator operator++(int) noexcept { return iterator(at_++); }
    iterator operator--(int) noexcept { return iterator(at_--); }
    iterator& operator+=(difference_type n) noexcept { return at_ += n, *this; }
    iterator& operator-=(difference_type n) noexcept { return at_ -= n, *this; }
    friend iterator operator+(iterator i, difference_type n) noexcept { return i += n; }
    friend iterator operator+(difference_type n, iterator i) noexcept { return i += n; }
    friend iterator operator-(iterator i, difference_type n) noexcept { return i -= n; }
    friend difference_type operator-(iterator a, iterator b) noexcept { return a.at_ - b.at_; }
    friend auto operator<=>(iterator, iterator) noexcept = default;

   private:
    detail::result_node<T> const* const* at_ = nullptr;
  };

  explicit node_results(std::vector<detail::result_node<T> const*> const& nodes) noexcept
      : first_(nodes.data()), size_(nodes.size()) {}
  [[nodiscard]] iterator begin() const noexcept { return iterator(first_); }
  [[nodiscard]] iterator end() const noexcept { return iterator(first_ + size_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  std::add_lvalue_reference_t<T const> operator[](std::size_t i) const { return first_[i]->known(); }

 private:
  detail::result_node<T> const* const* first_;
  std::size_t size_;
};

namespace detail {

template <class P>
inline constexpr bool is_node = false;
template <class T>
inline constexpr bool is_node<node<T>> = true;

template <class P>
concept single_predecessor = is_node<std::remove_cvref_t<P>>;
template <class P>
concept several_predecessors =
    std::ranges::input_range<P> && is_node<std::remove_cvref_t<std::ranges::range_value_t<P>>>;
template <class P>
concept predecessors_of_node = single_predecessor<P> || several_predecessors<P>;

/// What a node keeps of one argument of add: the predecessor, or the predecessors, and the edges from them.
template <class T>
class one_source {
 public:
  explicit one_source(result_node<T>& n) noexcept : node_(n) {}
  template <class F>
  void for_each_edge(F&& f) noexcept {
    f(static_cast<graph_node&>(node_), edge_);
  }
  auto argument() const {
    if constexpr (std::is_void_v<T>) return std::tuple<>();
    else return std::tuple<std::add_lvalue_reference_t<T const>>(std::as_const(node_).known());
  }

 private:
  result_node<T>& node_;
  graph_edge edge_;
};

template <class T>
class many_sources {
 public:
  many_sources(std::vector<result_node<T> const*>&& nodes) : nodes_(std::move(nodes)), edges_(nodes_.size()) {}
  template <class F>
  void for_each_edge(F&& f) noexcept {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      f(const_cast<graph_node&>(static_cast<graph_node const&>(*nodes_[i])), edges_[i]);
  }
  auto argument() const {
    if constexpr (std::is_void_v<T>) return std::tuple<>();
    else return std::tuple<node_results<T>>(node_results<T>(nodes_));
  }

 private:
  std::vector<result_node<T> const*> nodes_;
  std::vector<graph_edge> edges_;
};

template <class Source>
using argument_of = decltype(std::declval<Source const&>().argument());

/// F, called with its predecessors' results, or, where it takes nothing, after them.
template <class F, class Arguments>
struct called_with;
template <class F, class... A>
struct called_with<F, std::tuple<A...>> {
  static constexpr bool with_results = std::invocable<F&, A...>;
  static constexpr bool possible = with_results || std::invocable<F&>;
  using result = typename std::conditional_t<with_results, std::invoke_result<F&, A...>, std::invoke_result<F&>>::type;
};

template <class F, class... Sources>
using node_call = called_with<F, decltype(std::tuple_cat(std::declval<argument_of<Sources>>()...))>;

/// An rvalue reference is kept as the value that it refers to.
template <class R>
using node_result =
    std::conditional_t<std::is_rvalue_reference_v<R>, std::remove_cvref_t<R>, typename settled<R>::type>;

template <class T, class F, class... Sources>
class node_of final : public result_node<T> {
  using call_of = node_call<F, Sources...>;
  using returned = typename call_of::result;
  static constexpr bool waits = awaitable<returned>;

 public:
  template <class G>
  node_of(graph_core& g, G&& f, Sources&&... sources)
      : result_node<T>(g), f_(std::forward<G>(f)), sources_(std::move(sources)...) {}

  template <class Each>
  void for_each_edge(Each&& each) noexcept {
    std::apply([&](Sources&... s) { (s.for_each_edge(each), ...); }, sources_);
  }

 private:
  struct nothing {};
  /// The call, as something that a root runs.
  struct bound_call {
    node_of* self;
    returned operator()() const { return self->invoke(); }
  };
  struct waiting_run : root<bound_call> {
    waiting_run(node_of& n, context const& c)
        : root<bound_call>(*c.home, c.stop, n.result(), &waiting_run::ended, bound_call{&n}), self(n) {}
    static void ended(root<bound_call>* r, worker& w) noexcept {
      auto& n = static_cast<waiting_run*>(r)->self;
      if (n.result().has_failure()) n.failed(n.result().failure());
      n.ended_after_wait(w);  // Past here n may be gone.
    }
    node_of& self;
  };

  returned invoke() {
    if constexpr (call_of::with_results) {
      return std::apply(
          [this](Sources const&... s) -> returned { return std::apply(f_, std::tuple_cat(s.argument()...)); },
          sources_);
    } else {
      return std::invoke(f_);
    }
  }

  [[nodiscard]] bool may_wait() const noexcept override { return waits; }

  void call(worker& self) noexcept override {
    this->clear();
    if constexpr (waits) {
      auto& r = running_.emplace(*this, *self.current);
      // As in run(): at once, on this stack; but a plain thread's queues are nobody's.
      if (self.kind == worker_kind::external) self.home.submit(&r);
      else run_nested(self, [&] { r.begin(self); });  // Past here *this may be gone.
    } else {
      settle_with(this->result(), [this]() -> decltype(auto) { return invoke(); });
      if (this->result().has_failure()) [[unlikely]]
        this->failed(this->result().failure());
    }
  }

  F f_;
  [[no_unique_address]] std::tuple<Sources...> sources_;
  template <bool Waits>
  struct run_of {
    using type = nothing;
  };
  template <bool Waits>
    requires Waits
  struct run_of<Waits> {
    using type = std::optional<waiting_run>;
  };
  [[no_unique_address]] typename run_of<waits>::type running_;
};

}  // namespace detail
}  // namespace weft
