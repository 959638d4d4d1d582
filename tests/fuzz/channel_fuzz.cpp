// Channel operations as bytes: tasks that send, receive, try, select, close and stop at three channels, in a simulated world whose seed is in
// the input, too, and which may be interrupted before every atomic operation. Up to three operations at once; then all come to rest, and how
// each has ended must be what some order of theirs makes of the queues of channel_model.hpp.
//
//   byte 0      the capacities (0, 1, some, unbounded), and one to three workers
//   byte 1      the world's seed
//   then each   bits 0-2 what, 3-4 and 5-6 which channels, 7 at once with the next; of a stop 3-7: whom, counted back
#define WEFT_CHAOS 1

#include "channel_model.hpp"
#include "fuzz.hpp"

#include <weft/channel/channel.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sim/sim.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using weft::task;
using weft_fuzz::ending;
using weft_fuzz::model;
using weft_fuzz::must;
using weft_fuzz::operation;
using kind = operation::kind;
using how = ending::how;

constexpr std::size_t most_operations = 24;

int alive = 0;

struct letter {
  int number;
  explicit letter(int n) : number(n) { ++alive; }
  letter(letter const&) = delete;
  letter& operator=(letter const&) = delete;
  ~letter() { --alive; }
};

using parcel = std::unique_ptr<letter>;
using channel = weft::channel<parcel>;

ending arrived(std::optional<parcel> v, int which = 0) {
  if (!v) return {how::ended, 0, which};
  must(*v != nullptr, "what arrives is a message");
  return {how::received, (*v)->number, which};
}
ending left(bool sent, int which = 0) { return {sent ? how::sent : how::refused, 0, which}; }

task<> sends(channel& c, int id, ending& out) {
  auto v = std::make_unique<letter>(id);
  try {
    out = left(co_await c.send(std::move(v)));
  } catch (weft::stopped const&) {
    out = {how::stopped};
  }
}

task<> lends(channel& c, int id, ending& out) {
  auto v = std::make_unique<letter>(id);
  try {
    out = left(co_await c.send(std::ref(v)));
  } catch (weft::stopped const&) {
    out = {how::stopped};
  }
  must((v == nullptr) == (out.it == how::sent), "what was lent is taken if it is sent, and only then");
}

task<> receives(channel& c, ending& out) {
  int const nothing = 0;
  static_cast<void>(nothing);
  try {
    out = arrived(co_await c.receive());
  } catch (weft::stopped const&) {
    out = {how::stopped};
  }
}

ending tries(channel& c, int id, bool send) {
  if (!send) return arrived(c.try_receive());
  auto v = std::make_unique<letter>(id);
  bool const sent = c.try_send(std::move(v));
  must((v == nullptr) == sent, "what was not sent is as it was");
  return left(sent);
}

struct selecting {
  std::array<channel, weft_fuzz::channels>& at;
  operation o;
  int id;
  ending& out;

  [[nodiscard]] channel& first() const { return at[o.first.channel]; }
  [[nodiscard]] channel& second() const { return at[o.second.channel]; }
  [[nodiscard]] bool has_otherwise() const { return o.what == kind::select_otherwise; }
};

task<> selects(selecting s) {
  using weft::on;
  using weft::receive;
  using weft::send;
  auto v = std::make_unique<letter>(s.id);
  auto& out = s.out;
  auto const got_0 = [&out](std::optional<parcel> p) { out = arrived(std::move(p), 0); };
  auto const got_1 = [&out](std::optional<parcel> p) { out = arrived(std::move(p), 1); };
  auto const sent_0 = [&out](bool sent) { out = left(sent, 0); };
  auto const sent_1 = [&out](bool sent) { out = left(sent, 1); };
  auto const otherwise = [&out] { out = {how::otherwise}; };
  try {
    if (s.o.first.sends && s.o.second.sends) {
      auto w = std::make_unique<letter>(s.id);
      auto both = weft::select(on(send(s.first(), std::move(v)), sent_0), on(send(s.second(), std::move(w)), sent_1));
      co_await std::move(both);
    } else if (s.o.second.sends) {
      if (s.has_otherwise()) {
        auto any = weft::select(on(receive(s.first()), got_0), on(send(s.second(), std::move(v)), sent_1),
                                weft::otherwise(otherwise));
        co_await std::move(any);
      } else {
        auto either = weft::select(on(receive(s.first()), got_0), on(send(s.second(), std::move(v)), sent_1));
        co_await std::move(either);
      }
    } else if (s.has_otherwise()) {
      auto any =
          weft::select(on(receive(s.first()), got_0), on(receive(s.second()), got_1), weft::otherwise(otherwise));
      co_await std::move(any);
    } else {
      auto either = weft::select(on(receive(s.first()), got_0), on(receive(s.second()), got_1));
      co_await std::move(either);
    }
  } catch (weft::stopped const&) {
    out = {how::stopped};
  }
}

/// What the bytes say.
struct program {
  std::array<std::size_t, weft_fuzz::channels> capacities{};
  unsigned workers = 1;
  std::uint64_t seed = 1;
  std::vector<std::vector<operation>> steps;

  program(std::uint8_t const* data, std::size_t size) {
    static constexpr std::size_t sets[4][weft_fuzz::channels] = {
        {0, 1, 3}, {0, 0, 1}, {1, 2, weft::unbounded}, {2, 1, 0}};
    if (size < 2) return;
    std::copy_n(sets[data[0] % 4], weft_fuzz::channels, capacities.begin());
    workers = 1 + data[0] / 4 % 3u;
    seed = 1u + data[1];
    std::size_t count = 0;
    bool with_last = false;
    for (std::size_t i = 2; i != size && count != most_operations; ++i, ++count) {
      auto const o = operation_of(data[i], count);
      if (!with_last || !may_join(steps.back(), o)) steps.emplace_back();
      steps.back().push_back(o);
      with_last = o.what != kind::stop && (data[i] & 0x80) != 0;
    }
  }

 private:
  static operation operation_of(std::uint8_t byte, std::size_t count) {
    operation o;
    std::size_t const a = (byte >> 3) % 4u % weft_fuzz::channels, b = (byte >> 5) % 4u;
    o.first.channel = a;
    o.borrows = (b & 1) != 0;
    switch (byte % 8) {
      case 0: o.what = kind::send, o.first.sends = true; break;
      case 1: o.what = kind::receive; break;
      case 2: o.what = kind::try_send, o.first.sends = true; break;
      case 3: o.what = kind::try_receive; break;
      case 4: o.what = b == 0 ? kind::close : kind::receive; break;
      // Two of three kinds of select, and whatever the other half is, it is not the same.
      case 5:
        o.what = kind::select;
        o.first.sends = b == 3;
        o.second.sends = b == 3 || b == 1;
        o.second.channel = (a + (b == 1 ? 0 : 1)) % weft_fuzz::channels;
        break;
      case 6:
        o.what = b >= 2 ? kind::select_otherwise : kind::select;
        o.second.sends = b % 2 == 0;
        o.second.channel = (a + 1 + b / 2) % weft_fuzz::channels;
        break;
      default:
        o.what = kind::stop;
        o.target = count - std::min<std::size_t>(count, 1u + byte / 8u);
        break;
    }
    return o;
  }

  /// At once: three at most, one of them a select, and nobody is stopped who may not have begun.
  static bool may_join(std::vector<operation> const& step, operation const& o) {
    auto const is_select = [](operation const& x) {
      return x.what == kind::select || x.what == kind::select_otherwise;
    };
    return step.size() < 3 && o.what != kind::stop &&
           (!is_select(o) || std::none_of(step.begin(), step.end(), is_select));
  }
};

class run {
 public:
  explicit run(program const& p)
      : at_{channel(p.capacities[0]), channel(p.capacities[1]), channel(p.capacities[2])}, may_{model(p.capacities)} {
    std::size_t count = 0;
    for (auto const& step : p.steps) count += step.size();
    endings_.resize(count);
  }

  task<> steps(program const& p) {
    for (auto const& step : p.steps) {
      auto const first = begun_.size();
      // So many ways are left open that only one after the other can be followed.
      bool const at_once = may_.size() <= 64;
      for (std::size_t i = 0; i != step.size(); ++i) {
        begun_.push_back(begin(first + i, step[i]));
        if (at_once && i + 1 != step.size()) continue;
        co_await weft::sleep_for(1ms);  // time moves when everybody waits
        if (at_once) compare(first, step);
        else compare(first + i, {step[i]});
      }
    }
    for (auto& c : at_) c.close();
    for (auto& f : begun_) co_await std::move(f);
  }

 private:
  weft::future<> begin(std::size_t index, operation const& o) {
    auto& c = at_[o.first.channel];
    auto& out = endings_[index];
    auto const id = static_cast<int>(index);
    switch (o.what) {
      case kind::send: return weft::spawn(o.borrows ? lends : sends, std::ref(c), id, std::ref(out));
      case kind::receive: return weft::spawn(receives, std::ref(c), std::ref(out));
      case kind::try_send:
      case kind::try_receive: return weft::spawn([&c, id, &out, o] { out = tries(c, id, o.first.sends); });
      case kind::close: return weft::spawn([&c, &out] { c.close(), out = {how::done}; });
      case kind::select:
      case kind::select_otherwise: return weft::spawn(selects, selecting{at_, o, id, out});
      case kind::stop: break;
    }
    if (o.target < begun_.size()) begun_[o.target].stop();
    return weft::spawn([&out] { out = {how::done}; });
  }

  void compare(std::size_t first, std::vector<operation> const& step) {
    auto ways = weft_fuzz::after_all(may_, first, step);
    auto const seen = std::vector(endings_.begin(), endings_.begin() + static_cast<std::ptrdiff_t>(begun_.size()));
    std::erase_if(ways, [&](model const& way) {
      if (way.endings() != seen) return true;
      for (std::size_t i = 0; i != weft_fuzz::channels; ++i)
        if (way.kept(i) != at_[i].size() || way.closed(i) != at_[i].is_closed()) return true;
      return false;
    });
    must(!ways.empty(), "in some order of what was begun at once it ends as it has");
    may_ = std::move(ways);
  }

  std::array<channel, weft_fuzz::channels> at_;
  std::vector<model> may_;  // as far as anybody has seen
  std::vector<ending> endings_;
  std::vector<weft::future<>> begun_;
};

// Not in the function below: GCC 12 gives a coroutine in an extern "C" function the same name twice.
void run_in_world(program const& p) {
  weft::sim world{{.seed = p.seed, .workers = p.workers, .most_steps = 1'000'000, .stack_bytes = std::size_t{1} << 18}};
  try {
    world.run([&p]() -> task<> {
      run r(p);
      co_await r.steps(p);
    });
  } catch (weft::sim::stuck const& e) {
    must(false, "a run ends", e.what());
  }
  must(alive == 0, "no message is left behind");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  program const p(data, size);
  if (!p.steps.empty()) run_in_world(p);
  return 0;
}
