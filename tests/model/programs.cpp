// Small programs made up by a number, each a few operations of three threads on two objects and a futex: `model --compare calibration: program`
// runs each schedule of them, and asks whether the reduced search has come to the same.
#include <weft/concurrent/atomic.hpp>

#include <array>
#include <model/model.hpp>
#include <string>
#include <utility>

namespace {

using namespace weft::detail;
using weft_model::together;

class program {
 public:
  explicit program(unsigned number) : state_(number * 0x9E3779B97F4A7C15u + 1) {}

  void run() {
    // Made up before they run, so that it is the same in each schedule.
    for (auto& thread : plan_)
      for (step& s : thread) s = {below(9), below(2), below(3)};
    together([&] { run(0); }, [&] { run(1); }, [&] { run(2); });
    std::string text;
    for (auto const& thread : seen_)
      for (int const v : thread) text += std::to_string(v) + ' ';
    for (auto& o : objects_) text += std::to_string(o.load(memory_order_relaxed)) + ' ';
    weft_model::outcome(text);
  }

 private:
  static constexpr std::size_t threads = 3, steps = 3;
  struct step {
    unsigned what, object, order;
  };

  unsigned below(unsigned bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<unsigned>((state_ * 0x2545F4914F6CDD1Du >> 33) % bound);
  }

  void run(std::size_t thread) {
    int const own = static_cast<int>(thread) + 1;
    for (std::size_t i = 0; i != steps; ++i) {
      step const s = plan_[thread][i];
      atomic<int>& object = objects_[s.object];
      int& seen = seen_[thread][i];
      auto const both = std::array{memory_order_relaxed, memory_order_acq_rel, memory_order_seq_cst}[s.order];
      auto const look = std::array{memory_order_relaxed, memory_order_acquire, memory_order_seq_cst}[s.order];
      auto const put = std::array{memory_order_relaxed, memory_order_release, memory_order_seq_cst}[s.order];
      switch (s.what) {
        case 0:
        case 1: seen = object.load(look); break;
        case 2:
        case 3: object.store(own, put); break;
        case 4: seen = object.fetch_add(own, both); break;
        case 5: object.compare_exchange_strong(seen, own, both, memory_order_relaxed); break;
        case 6:  // a look that is repeated once, if in vain
          seen = object.load(look);
          if (seen == 0) relax(), seen = object.load(look);
          break;
        case 7: weft_model::futex_wake(&word_, 1, weft_model::where::current()); break;
        case 8:
          weft_model::futex_wait(&word_, 0, weft_model::now() + 1'000'000 * own, weft_model::where::current());
          break;
      }
    }
  }

  std::uint64_t state_;
  std::array<std::array<step, steps>, threads> plan_{};
  std::array<std::array<int, steps>, threads> seen_{};
  std::array<atomic<int>, 2> objects_{};
  atomic<std::uint32_t> word_{0};
};

template <unsigned Number>
void made_up() {
  program(Number).run();
}

template <std::size_t... Number>
struct programs {
  std::array<std::string, sizeof...(Number)> names{"calibration: program " + std::to_string(Number)...};
  std::array<weft_model::part, sizeof...(Number)> parts{
      weft_model::part(names[Number].c_str(), made_up<static_cast<unsigned>(Number)>)...};
};
template <std::size_t... Number>
programs<Number...> numbered(std::index_sequence<Number...>);
decltype(numbered(std::make_index_sequence<32>())) const all;

}  // namespace
