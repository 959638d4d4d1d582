// pipeline: items that come one after the other, pass stages at the same time, and arrive in order.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/parallel/pipeline_flow.hpp>
#include <weft/parallel/pipeline_run.hpp>
#include <weft/parallel/pipeline_wait.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

/// Where a pipeline's items come from: a callable that gives a std::optional (nullopt: the end), or something to await that gives
/// one; or a range. It is asked for one item at a time.
template <class S>
concept pipeline_source = detail::flow_source<S>;

/// A pipeline that has no sink yet: `| stage` makes a longer one, `| into(sink)` runs it.
template <class Source, class... Stages>
class [[nodiscard("a pipeline runs when it is given a sink: … | into(sink)")]] pipeline_builder;

/// pipeline(source) | serial(f) | parallel(n, g) | concurrent(n, h) | into(sink)
///
/// Takes items from the source, hands each through the stages, and gives them to the sink in the order of the source. Where nothing in it
/// waits, it is a plain call, from any thread, inside any task, and done on return. Where the source, a stage or the sink gives something
/// to await, the whole is a task<>, to be awaited:
///
///   co_await (pipeline(lines) | concurrent(64, fetch) | into(pages));
///     completes   when the sink has had the last item
///     result      none
///     on error    the first failure stops the others, and is thrown when those on the way have ended
///     on stop     takes no more items; those on the way inherit the stop; then throws weft::stopped
///     resumes on  the pool it was awaited on
///
/// The source, each serial stage and the sink run one call at a time, in order; they need no lock, and may run on different threads from
/// call to call. An item goes from stage to stage on the same worker where it can. Items are moved along; references stay
/// references: a stage may return one to what outlives the item. Stages are moved in; a source or sink that is an lvalue is borrowed.
///
/// Calls of one pipeline may run at the same time, and may run one after the other: computing ones must not wait for each other.
///
/// At most `in_flight` items are between the source's call and the end of the sink's. By itself: twice the sum of the widths, where the source,
/// the sink and a serial stage count as 1, and a computing stage of width n as n, but no more than there are workers; where
/// items are found to take less than a microsecond or two, up to 16 travel together, and it is 16 times that. While the
/// sink or a stage is slow, the source is not called. Where something waits, never more than 2^20.
///
/// Throws what a call threw, of several that of the lowest item that was begun: no more items are taken, calls that run are asked to stop and
/// waited for, the others do not begin; what is on the way is destroyed. Honours the ambient stop token between items.
/// Complexity: alone, one inlined call of each stage per item; with help, a lock for some instructions per item and stage, no allocation per
/// item. A waiting pipeline allocates for each carrier of an item once, and what the tasks of waiting stages need.
/// Source: MacDonald, Schaeffer, Szafron, "Parallel pipelines" (SPAA 2004), as in TBB: tokens that carry items through consecutive stages.
template <pipeline_source S>
[[nodiscard]] auto pipeline(S&& source, pipeline_options options = {}) {
  return pipeline_builder<detail::source_of<S>>(detail::source_of<S>(std::forward<S>(source)), {}, options);
}

/// A stage that has one item at a time, in order. f computes, or gives something to await, which is awaited before the next begins.
template <class F>
[[nodiscard]] auto serial(F&& f) {
  return detail::stage<std::decay_t<F>, detail::stage_order::serial>{std::forward<F>(f), 1};
}

/// A stage that has up to n items at a time, in no particular order; 0: as many as there are workers.
template <class F>
[[nodiscard]] auto parallel(std::size_t n, F&& f) {
  return detail::stage<std::decay_t<F>, detail::stage_order::free>{std::forward<F>(f), n};
}

/// A stage that waits: f gives something to await, a task most of the time. Up to n are in flight, in no particular order; 0: 1024.
template <class F>
[[nodiscard]] auto concurrent(std::size_t n, F&& f) {
  return detail::stage<std::decay_t<F>, detail::stage_order::free>{std::forward<F>(f), n};
}

/// Where a pipeline ends: a callable that gets each item, in order, and may give something to await; or a container, whose push_back gets them.
template <class S>
[[nodiscard]] auto into(S&& sink) {
  return detail::sink_of<S>{std::forward<S>(sink)};
}

template <class Source, class... Stages>
class pipeline_builder {
  using chain = detail::item_chain<detail::item_list<>, typename Source::item, Stages...>;

 public:
  using item = typename chain::last;  // what the next stage gets

  pipeline_builder(Source&& source, std::tuple<Stages...>&& stages, pipeline_options options)
      : source_(std::move(source)), stages_(std::move(stages)), options_(options) {}

  template <class F, detail::stage_order Order>
  friend auto operator|(pipeline_builder p, detail::stage<F, Order> s) {
    static_assert(!std::is_void_v<item>, "a stage that returns nothing can only be the last one: hand it to into()");
    if constexpr (!std::is_void_v<item>) {
      static_assert(detail::takes_item<F, item>, "this stage cannot be called with what the one before it gives");
      if constexpr (detail::takes_item<F, item>) {
        using longer = pipeline_builder<Source, Stages..., detail::stage<F, Order>>;
        return longer(std::move(p.source_),
                      std::tuple_cat(std::move(p.stages_), std::tuple<detail::stage<F, Order>>(std::move(s))),
                      p.options_);
      }
    }
  }

  template <class S>
  friend auto operator|(pipeline_builder p, detail::sink_of<S> s) {
    using sink = std::remove_reference_t<S>;
    static_assert(!std::is_void_v<item>, "a stage that returns nothing can only be the last one: hand it to into()");
    if constexpr (!std::is_void_v<item>) {
      constexpr bool called = detail::takes_item<sink, item>, filled = detail::container_for<sink, item>;
      static_assert(called || filled,
                    "into() takes something that can be called with the items, or a container of them");
      static_assert(called || std::is_lvalue_reference_v<S>,
                    "a container that into() is to fill must be there afterwards: give a variable");
      if constexpr (called || filled) {
        using flow = detail::flow<Source, detail::sink_of<S>, Stages...>;
        flow whole(std::move(p.source_), std::move(p.stages_), std::move(s));
        if constexpr (flow::waits) return detail::run_waiting(std::move(whole), p.options_);
        else detail::run_flow(whole, p.options_);
      }
    }
  }

 private:
  template <class, class...>
  friend class pipeline_builder;
  Source source_;
  std::tuple<Stages...> stages_;
  pipeline_options options_;
};

}  // namespace weft
