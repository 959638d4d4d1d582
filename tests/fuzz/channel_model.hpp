// What three channels and the tasks at them may look like, told without concurrency: queues, and rules for what happens when one operation
// comes after the other. Written from the contracts of channel.hpp, select.hpp and nothing else.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <vector>

namespace weft_fuzz {

inline constexpr std::size_t channels = 3;

/// How an operation has ended, or that it has not.
struct ending {
  enum class how { waits, sent, refused, received, ended, stopped, otherwise, done };
  how it = how::waits;
  int value = 0;  ///< received: the message
  int which = 0;  ///< of a select: the case
  friend bool operator==(ending const&, ending const&) = default;
};

struct operation {
  enum class kind { send, receive, try_send, try_receive, close, select, select_otherwise, stop };
  struct half {
    bool sends = false;
    std::size_t channel = 0;
    friend bool operator==(half const&, half const&) = default;
  };
  kind what = kind::send;
  half first, second;      // second: of a select
  bool borrows = false;    // a send of what the task keeps
  std::size_t target = 0;  // of a stop
};

/// One way in which things may stand.
class model {
 public:
  explicit model(std::array<std::size_t, channels> const& capacities) {
    for (std::size_t i = 0; i != channels; ++i) lines_[i].capacity = capacities[i];
  }

  /// Every way in which things may stand after operation number `id`, whose message, if it has one, is its number.
  [[nodiscard]] std::vector<model> after(std::size_t id, operation const& o) const {
    model next = *this;
    if (next.endings_.size() <= id) next.endings_.resize(id + 1);
    switch (o.what) {
      case operation::kind::send:
      case operation::kind::receive:
        if (!next.try_half(id, o.first, 0)) next.wait(id, o.first, 0);
        break;
      case operation::kind::try_send:
      case operation::kind::try_receive:
        if (!next.try_half(id, o.first, 0)) next.end(id, {o.first.sends ? ending::how::refused : ending::how::ended});
        break;
      case operation::kind::close: next.close(id, o.first.channel); break;
      case operation::kind::stop:
        if (o.target < next.endings_.size() && next.endings_[o.target].it == ending::how::waits)
          next.end(o.target, {ending::how::stopped});
        next.end(id, {ending::how::done});
        break;
      case operation::kind::select:
      case operation::kind::select_otherwise: return next.select(id, o);
    }
    return {next};
  }

  /// A select with an otherwise is two steps: it stands in its queues as every select, and if nobody has met it there it gives up. What is
  /// begun at once with it may come in between, so that even two that would not wait for each other meet.
  void give_up(std::size_t id) {
    if (endings_[id].it == ending::how::waits) end(id, {ending::how::otherwise});
  }

  [[nodiscard]] std::vector<ending> const& endings() const noexcept { return endings_; }
  [[nodiscard]] std::size_t kept(std::size_t channel) const { return lines_[channel].kept.size(); }
  [[nodiscard]] bool closed(std::size_t channel) const { return lines_[channel].closed; }
  friend bool operator==(model const&, model const&) = default;

 private:
  struct place {
    std::size_t id = 0;
    int which = 0;
    friend bool operator==(place const&, place const&) = default;
  };
  struct line {
    std::size_t capacity = 0;
    bool closed = false;
    std::deque<int> kept;
    std::deque<place> senders, receivers;
    friend bool operator==(line const&, line const&) = default;
  };

  void end(std::size_t id, ending e) {
    endings_[id] = e;
    auto const is_its = [id](place const& p) { return p.id == id; };
    for (auto& l : lines_) {
      std::erase_if(l.senders, is_its);
      std::erase_if(l.receivers, is_its);
    }
  }

  void wait(std::size_t id, operation::half h, int which) {
    auto& l = lines_[h.channel];
    (h.sends ? l.senders : l.receivers).push_back({id, which});
  }

  /// Whether it could happen at once; then it has.
  bool try_half(std::size_t id, operation::half h, int which) {
    auto& l = lines_[h.channel];
    if (h.sends) {
      if (l.closed) return end(id, {ending::how::refused, 0, which}), true;
      if (!l.receivers.empty()) {
        auto const to = l.receivers.front();
        end(to.id, {ending::how::received, static_cast<int>(id), to.which});
      } else if (l.kept.size() < l.capacity) {
        l.kept.push_back(static_cast<int>(id));
      } else {
        return false;
      }
      return end(id, {ending::how::sent, 0, which}), true;
    }
    if (!l.kept.empty()) {
      end(id, {ending::how::received, l.kept.front(), which});
      l.kept.pop_front();
      if (l.senders.empty()) return true;
      auto const from = l.senders.front();
      l.kept.push_back(static_cast<int>(from.id));
      end(from.id, {ending::how::sent, 0, from.which});
      return true;
    }
    if (!l.senders.empty()) {
      auto const from = l.senders.front();
      end(id, {ending::how::received, static_cast<int>(from.id), which});
      end(from.id, {ending::how::sent, 0, from.which});
      return true;
    }
    if (l.closed) return end(id, {ending::how::ended, 0, which}), true;
    return false;
  }

  void close(std::size_t id, std::size_t channel) {
    auto& l = lines_[channel];
    l.closed = true;
    while (!l.senders.empty()) end(l.senders.front().id, {ending::how::refused, 0, l.senders.front().which});
    while (!l.receivers.empty()) end(l.receivers.front().id, {ending::how::ended, 0, l.receivers.front().which});
    end(id, {ending::how::done});
  }

  [[nodiscard]] std::vector<model> select(std::size_t id, operation const& o) const {
    std::vector<model> ways;
    int which = 0;
    for (auto const h : {o.first, o.second}) {
      model way = *this;
      if (way.try_half(id, h, which++)) ways.push_back(std::move(way));
    }
    if (!ways.empty()) return ways;
    model waits = *this;
    waits.wait(id, o.first, 0);
    waits.wait(id, o.second, 1);
    return {waits};
  }

  std::array<line, channels> lines_;
  std::vector<ending> endings_;
};

/// The ways in which things may stand after these operations, begun at once, in any order, without those that stand twice in it.
inline std::vector<model> after_all(std::vector<model> const& before, std::size_t first_id,
                                    std::vector<operation> const& at_once) {
  // Numbers from at_once.size() on: that one gives up.
  auto const count = at_once.size();
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i != count; ++i) order.push_back(i);
  for (std::size_t i = 0; i != count; ++i)
    if (at_once[i].what == operation::kind::select_otherwise) order.push_back(count + i);
  auto const place = [&](std::size_t i) { return std::find(order.begin(), order.end(), i); };
  auto const is_possible = [&] {
    return std::all_of(order.begin(), order.end(),
                       [&](std::size_t i) { return i < count || place(i - count) < place(i); });
  };

  std::vector<model> all;
  do {
    if (!is_possible()) continue;
    auto ways = before;
    for (auto const i : order) {
      std::vector<model> next;
      for (auto& way : ways) {
        if (i >= count) {
          way.give_up(first_id + i - count);
          next.push_back(std::move(way));
        } else {
          for (auto& n : way.after(first_id + i, at_once[i])) next.push_back(std::move(n));
        }
      }
      ways = std::move(next);
    }
    for (auto& way : ways)
      if (std::find(all.begin(), all.end(), way) == all.end()) all.push_back(std::move(way));
  } while (std::next_permutation(order.begin(), order.end()));
  return all;
}

}  // namespace weft_fuzz
