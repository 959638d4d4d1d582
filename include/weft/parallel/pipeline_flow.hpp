// What flows through a pipeline: what each stage makes of an item, where it ends, and the items of a token in memory meanwhile.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/pipeline_gates.hpp>
#include <weft/parallel/pipeline_source.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// What a stage is called with: the item, moved, or where the stage wants that, as an lvalue.
template <class F, class Item>
concept takes_moved = std::invocable<F&, Item&&>;
template <class F, class Item>
concept takes_item = takes_moved<F, Item> || std::invocable<F&, std::remove_reference_t<Item>&>;

template <class F, class Item>
decltype(auto) apply_stage(F& f, Item&& item) {
  if constexpr (takes_moved<F, Item>) return std::invoke(f, static_cast<Item&&>(item));
  else return std::invoke(f, item);
}

template <class F, class Item>
using stage_call = decltype(apply_stage<F, Item>(std::declval<F&>(), std::declval<Item&&>()));

/// What a stage gives in the end. An rvalue reference is taken as the value that it refers to.
template <class R>
using settled_item = std::conditional_t<std::is_rvalue_reference_v<typename settled<R>::type>,
                                        std::remove_cvref_t<typename settled<R>::type>, typename settled<R>::type>;

template <class F, class Item>
inline constexpr bool stage_waits = awaitable<stage_call<F, Item>>;

enum class stage_order { serial, free };

template <class F, stage_order Order>
struct stage {
  static constexpr stage_order order = Order;
  F f;
  std::size_t width;  // free: at most so many at a time; 0: see most_at_a_time
};

template <class S, class Item>
concept container_for = !takes_item<S, Item> && requires(S& s, Item&& item) { s.push_back(static_cast<Item&&>(item)); };

template <class S>
struct sink_of {
  S sink;

  template <class Item>
  decltype(auto) operator()(Item&& item) {
    if constexpr (takes_item<std::remove_reference_t<S>, Item>) return apply_stage(sink, static_cast<Item&&>(item));
    else sink.push_back(static_cast<Item&&>(item));
  }
};

/// The types of items before each stage and before the sink.
template <class... Items>
struct item_list {
  template <std::size_t I>
  using at = std::tuple_element_t<I, std::tuple<Items...>>;
};
template <class List, class Item, class... Stages>
struct item_chain;
template <class... Before, class Item>
struct item_chain<item_list<Before...>, Item> {
  using type = item_list<Before..., Item>;
  using last = Item;
};
template <class... Before, class Item, class First, class... Rest>
struct item_chain<item_list<Before...>, Item, First, Rest...>
    : item_chain<item_list<Before..., Item>, settled_item<stage_call<decltype(First::f), Item>>, Rest...> {};

/// How whoever moves tokens sees a pipeline.
class any_flow {
 public:
  /// Fills an empty token with up to `most` items. False: the source has ended. Throws what the source threw; then the token is empty and
  /// its `failed` set, as in step.
  virtual bool pull(flow_token& t, std::size_t most) = 0;
  /// Takes all items of a token past its position.
  virtual void step(flow_token& t) = 0;
  /// Destroys the items of a token.
  virtual void destroy(flow_token& t) noexcept = 0;

 protected:
  ~any_flow() = default;
};

template <class Source, class Sink, class... Stages>
class flow final : public any_flow {
  using chain = item_chain<item_list<>, typename Source::item, Stages...>;
  template <std::size_t I>
  using item = typename chain::type::template at<I>;  // before stage I, or the sink
  template <std::size_t I>
  struct held_choice {
    using type = held<item<I>>;
  };
  template <std::size_t I>
    requires(I == 0)
  struct held_choice<I> {
    using type = typename Source::held_item;
  };
  template <std::size_t I>
  using held_at = typename held_choice<I>::type;

 public:
  static constexpr std::size_t stage_count = sizeof...(Stages);
  template <std::size_t I>
  using stage_at = std::tuple_element_t<I, std::tuple<Stages...>>;

  static constexpr bool source_waits = Source::waits;
  static constexpr bool sink_waits = awaitable<decltype(std::declval<Sink&>()(std::declval<item<stage_count>>()))>;
  template <std::size_t I>
  static constexpr bool waits_at = [] {
    if constexpr (I == stage_count) return sink_waits;
    else return stage_waits<decltype(stage_at<I>::f), item<I>>;
  }();
  static constexpr bool waits = []<std::size_t... I>(std::index_sequence<I...>) {
    return Source::waits || (waits_at<I> || ...);
  }(std::make_index_sequence<stage_count + 1>{});

  flow(Source&& source, std::tuple<Stages...>&& stages, Sink&& sink)
      : source_(std::move(source)), stages_(std::move(stages)), sink_(std::move(sink)) {}

  /// Calls f(order, width) for each stage.
  template <class F>
  void for_each_stage(F&& f) const {
    std::apply([&](Stages const&... s) { (f(Stages::order, s.width), ...); }, stages_);
  }

  /// One item from the source to the sink, through nothing but calls. False: the source has ended.
  bool run_one()
    requires(!waits)
  {
    return source_.next([this]<class Item>(Item&& i) { this->template through<0>(static_cast<Item&&>(i)); });
  }

  // ── items in tokens ──

  static constexpr std::size_t item_bytes = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::max({sizeof(held_at<I>)...});
  }(std::make_index_sequence<stage_count + 1>{});
  static constexpr std::size_t item_alignment = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::max({alignof(held_at<I>)...});
  }(std::make_index_sequence<stage_count + 1>{});
  /// From one item to the next.
  static constexpr std::size_t stride = (item_bytes + item_alignment - 1) / item_alignment * item_alignment;

  bool pull(flow_token& t, std::size_t most) override {
    if constexpr (!Source::waits) {
      t.position = 1;
      auto const begun = most > 1 ? ticks() : 0;
      while (t.count < most) {
        try {
          if (!source_.pull(t.items + t.count * stride)) return false;
        } catch (...) {
          t.failed = t.first + t.count;
          destroy(t);
          throw;
        }
        ++t.count;
        if (most > 1 && ticks() - begun > 5 * ticks_per_microsecond)
          break;  // those that are there are not kept waiting
      }
    }
    return true;
  }

  /// The same for a source that waits, of one item.
  task<bool> pull_waiting(flow_token& t)
    requires(Source::waits)
  {
    t.position = 1;
    return source_.pull_waiting(t.items);
  }

  void step(flow_token& t) override { (this->*steps[t.position - 1])(t); }

  /// Null: the position computes. Of a token of one item.
  using waiting_step = task<> (flow::*)(flow_token&);
  [[nodiscard]] waiting_step waiting_at(std::size_t position) const noexcept { return waiting_steps[position - 1]; }

  void destroy(flow_token& t) noexcept override {
    if (t.count != 0) (this->*destroyers[t.position - 1])(t, 0, t.count);
    t.count = 0;
  }

 private:
  template <std::size_t I>
  static held_at<I>& held_in(std::byte* items, std::size_t index) noexcept {
    return *std::launder(reinterpret_cast<held_at<I>*>(items + index * stride));
  }

  template <std::size_t I, class Item>
  void through(Item&& i) {
    if constexpr (I == stage_count) static_cast<void>(sink_(static_cast<Item&&>(i)));
    else through<I + 1>(apply_stage<decltype(stage_at<I>::f), Item>(std::get<I>(stages_).f, static_cast<Item&&>(i)));
  }

  template <std::size_t I>
  void step_at(flow_token& t) {
    if constexpr (!waits_at<I>) {
      std::size_t index = 0;
      try {
        for (; index < t.count; ++index) {
          auto& in = held_in<I>(t.items, index);
          if constexpr (I == stage_count) {
            static_cast<void>(sink_(in.take()));
          } else {
            auto& f = std::get<I>(stages_).f;
            ::new (static_cast<void*>(t.others + index * stride))
                held_at<I + 1>{apply_stage<decltype(stage_at<I>::f), item<I>>(f, in.take())};
          }
          std::destroy_at(std::addressof(in));
        }
      } catch (...) {
        t.failed = t.first + index;
        destroy_at<I>(t, index, t.count);
        if constexpr (I < stage_count) {
          std::swap(t.items, t.others);
          destroy_at<I + 1>(t, 0, index);
        }
        t.count = 0;
        throw;
      }
      if constexpr (I == stage_count) t.count = 0;
      else std::swap(t.items, t.others);
      ++t.position;
    }
  }

  template <std::size_t I>
  task<> wait_at(flow_token& t) {
    auto& in = held_in<I>(t.items, 0);
    if constexpr (!waits_at<I>) {
      co_return;
    } else if constexpr (I == stage_count) {
      decltype(auto) operation = sink_(in.take());
      co_await std::forward<decltype(operation)>(operation);
      destroy(t);
    } else {
      using operation_type = stage_call<decltype(stage_at<I>::f), item<I>>;
      operation_type operation = apply_stage<decltype(stage_at<I>::f), item<I>>(std::get<I>(stages_).f, in.take());
      // Named, and moved once more: g++ 12 does not take an aggregate around a co_await.
      decltype(auto) result = co_await std::forward<operation_type>(operation);
      ::new (static_cast<void*>(t.others)) held_at<I + 1>{static_cast<decltype(result)&&>(result)};
      std::destroy_at(std::addressof(in));
      std::swap(t.items, t.others);
      ++t.position;
    }
  }

  template <std::size_t I>
  void destroy_at(flow_token& t, std::size_t first, std::size_t last) noexcept {
    for (; first < last; ++first) std::destroy_at(std::addressof(held_in<I>(t.items, first)));
  }

  using plain_step = void (flow::*)(flow_token&);
  using destroyer = void (flow::*)(flow_token&, std::size_t, std::size_t) noexcept;
  static constexpr auto positions = std::make_index_sequence<stage_count + 1>{};
  static constexpr auto steps = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<plain_step, stage_count + 1>{&flow::step_at<I>...};
  }(positions);
  static constexpr auto destroyers = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<destroyer, stage_count + 1>{&flow::destroy_at<I>...};
  }(positions);
  static constexpr auto waiting_steps = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<waiting_step, stage_count + 1>{(waits_at<I> ? &flow::wait_at<I> : nullptr)...};
  }(positions);

  Source source_;
  std::tuple<Stages...> stages_;
  Sink sink_;
};

}  // namespace weft::detail
