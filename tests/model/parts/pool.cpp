// The whole scheduler: a pool of one or two workers, plain threads outside, joins that are stolen, and the end of it.
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>

#include <model/model.hpp>

namespace {

using weft_model::expect;
using weft_model::together;

/// The monitor would hide a lost wake-up; and it asks the kernel.
class pool : public weft::pool {
 public:
  explicit pool(unsigned workers) : weft::pool(options(workers)) { weft::scheduler_of(*this).forgo_monitor(); }

 private:
  static weft::pool_options options(unsigned workers) {
    weft_model::keep_apart(reinterpret_cast<void**>(&weft::detail::this_thread_worker));
    weft::pool_options o;
    o.workers = workers;
    return o;
  }
};

void starts_and_ends() { pool const p(2); }
weft_model::part const p1("pool: starts and ends", starts_and_ends, {1, 0});

void one_root() {
  pool p(1);
  int data = 1;
  int const got = p.run([&] { return ++data; });
  expect(got == 2 && data == 2, "it has run once");
}
weft_model::part const p2("pool: one root on one worker", one_root, {1, 0});

void two_roots() {
  pool p(1);
  int a = 0, b = 0;
  together([&] { p.run([&] { ++a; }); }, [&] { p.run([&] { ++b; }); });
  expect(a == 1 && b == 1, "each has run once");
}
weft_model::part const p3("pool: two roots from two threads", two_roots, {1, 0});

void forked() {
  pool p(2);
  int a = 0, b = 0;
  p.run([&] { weft::fork_join([&] { ++a; }, [&] { ++b; }); });
  expect(a == 1 && b == 1, "each half has run once");
}
weft_model::part const p4("pool: a join on two workers", forked, {1, 0});

void forked_twice() {
  pool p(2);
  int a = 0, b = 0, c = 0, d = 0;
  p.run([&] {
    weft::fork_join([&] { weft::fork_join([&] { ++a; }, [&] { ++b; }); },
                    [&] { weft::fork_join([&] { ++c; }, [&] { ++d; }); });
  });
  expect(a == 1 && b == 1 && c == 1 && d == 1, "each part has run once");
}
weft_model::part const p5("pool: nested joins on two workers", forked_twice, {1, 0});

}  // namespace
