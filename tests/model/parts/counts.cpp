// What lives as long as somebody counts on it, and what is handed over by a flag alone: no pool, one model for each such word.
#include <weft/future/from_callback.hpp>
#include <weft/future/shared_future.hpp>
#include <weft/parallel/unique.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sync/event.hpp>

#include <functional>
#include <model/model.hpp>
#include <utility>
#include <vector>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

class state : public future_state<int> {
 public:
  state() : future_state(2, nullptr) {}
  void keep(int value) noexcept {
    this->result().set_value(value);
    complete();
    release();
  }
};

// shared_future E1: who drops the last copy frees what the others have read.
void shared_result() {
  auto* const s = new state;
  s->keep(7);
  auto a = shared_access::make(shared_state<int>::make(state_pointer<int>(s)));
  auto b = a;
  auto const reads = [](weft::shared_future<int>& f) {
    auto const mine = std::move(f);
    expect(mine.get() == 7, "the result is there");
  };
  together([&] { reads(a); }, [&] { reads(b); });
}
weft_model::part const p1("counts: the copies of a shared_future", shared_result, {4, 4});

// locals E1: who lets go of a chain last frees all of it.
struct binding : local_binding {
  explicit binding(int v) noexcept
      : local_binding(&key, [](local_binding* b) noexcept { delete static_cast<binding*>(b); }), value(v) {}
  static constexpr int key = 0;
  int value;
};
void chain_of_locals() {
  auto* const outer = new binding(1);
  auto* const inner = new binding(2);
  inner->link(outer);
  local_binding::release(outer);
  inner->add_reference();
  auto const reads = [inner, outer] {
    expect(inner->value + outer->value == 3, "both bindings are there");
    local_binding::release(inner);
  };
  together(reads, reads);
}
weft_model::part const p2("counts: a chain of task-locals", chain_of_locals, {4, 4});

// from_callback E1: the copy that goes last knows whether another was called.
void callback_copies() {
  auto* const s = new callback_state<int>;
  s->add_callback();
  together([s] { s->succeed(7), s->drop_callback(); }, [s] { s->drop_callback(); });
  expect(s->ready() && s->result().take() == 7, "it was called once");
  s->release();
}
weft_model::part const p3("counts: the copies of a callback", callback_copies, {4, 4});

// event E1, by way of what takes a set() back.
void taken_back() {
  weft::auto_event e;
  int plain = 0;
  together([&] { plain = 1, e.set(); },
           [&] {
             if (e.try_wait()) expect(plain == 1, "what was done before the set is seen");
           });
}
weft_model::part const p4("counts: an auto_event is used up", taken_back, {4, 4});

// Not copied as bytes, which nobody would watch.
struct number {
  number(int v) noexcept : value(v) {}
  number(number const& other) noexcept : value(other.value) {}
  number& operator=(number const& other) noexcept {
    value = other.value;
    return *this;
  }
  friend bool operator==(number const& a, number const& b) noexcept { return a.value == b.value; }
  int value;
};

// unique E1 and E2: two compact a block each, and one of them moves both, or each moves its own.
void compacted_and_moved() {
  std::vector<number> numbers{0, 1, 2, 3};
  blocks const all{.count = 4, .length = 2};
  indexed<std::vector<number>> const elements(numbers);
  std::ranges::equal_to equal;
  std::identity projection;
  unique_work<std::vector<number>, std::ranges::equal_to, std::identity> work(all, elements, equal, projection);
  weft::unit none;
  // Nobody has looked at the borders, so the first element of each block counts as equal to the one before it.
  together([&] { work.run(none, 0, 2); }, [&] { work.run(none, 2, 4); });
  expect(work.close() == 2 && numbers[0].value == 1 && numbers[1].value == 3, "what stays is in front");
}
weft_model::part const p5("counts: blocks are compacted and moved", compacted_and_moved, {4, 3});

}  // namespace
