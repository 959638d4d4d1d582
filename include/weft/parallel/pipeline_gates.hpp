// Who may go on in a pipeline: the items on their way, and a gate before each position, which lets them in in order, or so many at a time.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/intrusive.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::detail {

/// A few consecutive items on their way through a pipeline. Positions: 0 is the source, then the stages, then the sink.
/// Belongs to whoever moves it; while it is parked, to its gate.
struct flow_token {
  std::size_t number = 0;    // of the token, in the order of the source
  std::size_t first = 0;     // the index of its first item
  std::size_t count = 0;     // of its items; 0: it holds none
  std::size_t position = 0;  // where its items are to go next
  std::size_t failed = 0;    // after a step that has thrown: the index of the item
  bool parked = false;       // before the gate of its position
  bool last = false;         // the source has ended with it
  std::uint64_t spent = 0;   // ticks, of those tokens that are timed
  std::byte* items = nullptr;
  std::byte* others = nullptr;      // room for what the next position makes of them
  flow_token* following = nullptr;  // in a queue of a gate, or of those that are ready
};

using flow_queue = intrusive_queue<flow_token, &flow_token::following>;

//   ordered gate   turn: the number of the token that may go in. It moves on when that one leaves; the next, if it is parked already, goes in.
//   wide gate      inside: tokens that have gone in and not left, at most width; the others wait, the first to come first.
//
// Numbers on their way lie within a window that is as long as the ring, because tokens end in order: a number's place in the ring is its own.
/// The gates of one pipeline. Its user's lock guards it.
class flow_gates {
 public:
  /// With the source alone, which is not entered.
  explicit flow_gates(std::size_t window) : gates_(1), ring_(window, nullptr) {}

  void add_ordered() { gates_.push_back({.ordered = true}); }
  void add_wide(std::size_t width) { gates_.push_back({.ordered = false, .width = width}); }

  /// Any number of those there are may go in.
  void add_open() { gates_.push_back({.ordered = false, .width = SIZE_MAX}); }

  /// True: nobody need ask before going in, or tell when leaving. Never changes.
  [[nodiscard]] bool open(std::size_t position) const noexcept { return gates_[position].width == SIZE_MAX; }

  /// A token has got its number.
  void begin(flow_token& t) noexcept { ring_[t.number % ring_.size()] = &t; }

  /// True: it may go in. False: it is parked, and the gate's.
  [[nodiscard]] bool enter(flow_token& t) noexcept {
    gate& g = gates_[t.position];
    if (open(t.position)) return true;
    if (g.ordered ? t.number == g.turn : g.inside < g.width) {
      ++g.inside;
      return true;
    }
    t.parked = true;
    if (!g.ordered) g.waiting.push(&t);
    return false;
  }

  /// A token has passed a position. The one that may go in now, or null.
  [[nodiscard]] flow_token* leave(flow_token const& t, std::size_t position) noexcept {
    if (open(position)) return nullptr;
    if (position + 1 == gates_.size()) ring_[t.number % ring_.size()] = nullptr;
    gate& g = gates_[position];
    --g.inside;
    flow_token* next = nullptr;
    if (g.ordered) {
      ++g.turn;
      next = ring_[g.turn % ring_.size()];
      // What is not parked belongs to somebody else, who may be writing to it.
      if (!next || !next->parked || next->number != g.turn || next->position != position) return nullptr;
    } else {
      next = g.waiting.pop();
      if (!next) return nullptr;
    }
    ++g.inside;
    next->parked = false;
    return next;
  }

  /// Calls f(token) for each parked one, and forgets them: nobody goes in any more.
  template <class F>
  void release_all(F&& f) {
    for (gate& g : gates_)
      while (g.waiting.pop()) {
      }
    for (flow_token* t : ring_)
      if (t && t->parked) {
        t->parked = false;
        f(*t);
      }
  }

 private:
  struct gate {
    bool ordered = true;
    std::size_t width = 1;
    std::size_t inside = 0;
    std::size_t turn = 0;
    flow_queue waiting{};
  };

  std::vector<gate> gates_;
  std::vector<flow_token*> ring_;
};

}  // namespace weft::detail
