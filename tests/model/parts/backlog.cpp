// The injection queue as the scheduler keeps it: a backlog under a lock, and a count outside of it that is looked at without.
#include <weft/concurrent/backlog.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/concurrent/parking.hpp>

#include <array>
#include <cstddef>
#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

struct item {
  int producer = 0, number = 0;
  int runs = 0;
  item* next = nullptr;
};

enum class memory { enough, none };

/// The steps of scheduler::inject and scheduler::take_injected.
class injection {
 public:
  static constexpr std::size_t most = 3;

  void push(item& i, memory m = memory::enough) {
    small_lock const guard(lock_);
    if (m == memory::none) {
      weft_model::no_memory const none;
      queue_.push(&i);
    } else {
      queue_.push(&i);
    }
    count_.store(count_.load(memory_order_relaxed) + 1, memory_order_seq_cst);
  }

  /// Runs what it takes; says how many.
  std::size_t take(std::size_t wanted) {
    if (count_.load(memory_order_relaxed) == 0) return 0;
    std::array<item*, most> taken{};
    std::size_t got = 0;
    {
      small_lock const guard(lock_);
      auto const count = count_.load(memory_order_relaxed);
      got = queue_.pop(taken.data(), wanted);
      expect(got == (count < wanted ? count : wanted), "as many as the count says");
      for (std::size_t k = 0; k != got; ++k) {
        item const& i = *taken[k];
        auto& last = last_[static_cast<std::size_t>(i.producer)];
        expect(i.number == last + 1, "what one has put in comes out in its order");
        last = i.number;
      }
      count_.store(count - got, memory_order_seq_cst);
    }
    for (std::size_t k = 0; k != got; ++k) ++taken[k]->runs;
    return got;
  }

  [[nodiscard]] bool looks_empty() const { return count_.load(memory_order_seq_cst) == 0; }

 private:
  small_mutex lock_;
  backlog<item, &item::next> queue_;  // guarded by lock_
  std::array<int, 2> last_{};         // guarded by lock_
  atomic<std::size_t> count_{0};      // written under lock_
};

template <std::size_t N>
std::array<item, N> numbered(int producer) {
  std::array<item, N> all{};
  for (std::size_t i = 0; i != N; ++i) all[i].producer = producer, all[i].number = static_cast<int>(i) + 1;
  return all;
}
template <std::size_t N>
void all_ran_once(std::array<item, N> const& items) {
  for (item const& i : items) expect(i.runs == 1, "each item runs once");
}

// Over the ends of two chunks of two, the spare chunk used again.
void one_and_one() {
  injection q;
  auto items = numbered<5>(0);
  together(
      [&] {
        for (item& i : items) q.push(i);
      },
      [&] { q.take(2), q.take(1), q.take(3); });
  while (q.take(injection::most) != 0) {
  }
  all_ran_once(items);
}
weft_model::part const p1("backlog: one puts in, one takes", one_and_one, {3, 2});

void two_and_two() {
  injection q;
  auto a = numbered<2>(0), b = numbered<2>(1);
  auto const put = [&](auto& items) {
    for (item& i : items) q.push(i);
  };
  together([&] { put(a); }, [&] { put(b); }, [&] { q.take(3); }, [&] { q.take(1), q.take(2); });
  while (q.take(injection::most) != 0) {
  }
  all_ran_once(a);
  all_ran_once(b);
}
weft_model::part const p2("backlog: two put in, two take", two_and_two);

// Where there is no memory for a chunk, items are linked; those that come later stay behind them.
void without_memory() {
  injection q;
  auto items = numbered<5>(0);
  together(
      [&] {
        for (std::size_t i = 0; i != items.size(); ++i)
          q.push(items[i], i == 0 || i == 3 ? memory::enough : memory::none);
      },
      [&] { q.take(1), q.take(3), q.take(2); });
  while (q.take(injection::most) != 0) {
  }
  all_ran_once(items);
}
weft_model::part const p3("backlog: no memory for a chunk", without_memory, {3, 2});

// sleep E1: the count is raised, then the producer looks for sleepers; the sleeper announces itself, then looks at the count.
void no_lost_wake_up() {
  injection q;
  auto items = numbered<1>(0);
  atomic<bool> sleeping{false};
  parker p;
  together(
      [&] {
        sleeping.store(true, memory_order_seq_cst);
        while (q.looks_empty()) p.park();
        expect(q.take(1) == 1, "it is there");
      },
      [&] {
        q.push(items[0]);
        if (sleeping.load(memory_order_seq_cst)) p.unpark();
      });
  all_ran_once(items);
}
weft_model::part const p4("backlog: what is put in is not slept through", no_lost_wake_up, {4, 3});

}  // namespace
