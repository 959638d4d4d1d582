// The count of a scope: exactly one of those who end is the last, and what the others did came before.
#include <weft/concurrent/atomic.hpp>
#include <weft/scope/open_count.hpp>

#include <array>
#include <memory>
#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

/// A count that the last one destroys.
class counted {
 public:
  counted() : count_(std::make_unique<open_count>()) {}

  void start(int who) {
    count_->start();
    begun_[static_cast<std::size_t>(who)].store(true, memory_order_release);
  }
  void await_start(int who) {
    while (!begun_[static_cast<std::size_t>(who)].load(memory_order_acquire)) give_way();
  }
  void end(int who) {
    written_[static_cast<std::size_t>(who)] = 1;
    if (count_->end()) last();
  }
  void end_of_opener() {
    written_[0] = 1;
    if (count_->end_of_opener()) last();
  }
  void check(int all) const {
    expect(lasts_ == 1, "one is the last");
    expect(seen_ == all, "the last one sees what all have done");
  }

 private:
  void last() {
    ++lasts_;
    for (int const w : written_) seen_ += w;
    count_.reset();
  }

  std::unique_ptr<open_count> count_;
  std::array<atomic<bool>, 4> begun_{};
  std::array<int, 4> written_{};
  int lasts_ = 0, seen_ = 0;
};

void chain() {
  counted c;
  together([&] { c.start(1), c.end_of_opener(); }, [&] { c.await_start(1), c.start(2), c.end(1); },
           [&] { c.await_start(2), c.end(2); });
  c.check(3);
}
weft_model::part const p1("open_count: a child starts another", chain, {4, 4});

void siblings() {
  counted c;
  together([&] { c.start(1), c.start(2), c.end_of_opener(); }, [&] { c.await_start(1), c.end(1); },
           [&] { c.await_start(2), c.end(2); });
  c.check(3);
}
weft_model::part const p2("open_count: the opener starts two", siblings, {4, 4});

void both() {
  counted c;
  together([&] { c.start(1), c.start(2), c.end_of_opener(); }, [&] { c.await_start(1), c.start(3), c.end(1); },
           [&] { c.await_start(2), c.end(2); }, [&] { c.await_start(3), c.end(3); });
  c.check(4);
}
weft_model::part const p3("open_count: two, and one of a child's", both, {2, 2});

}  // namespace
