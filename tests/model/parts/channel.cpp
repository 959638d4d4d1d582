// The channel: who learns that it is closed may destroy it.
#include <weft/channel/channel.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>

#include <memory>
#include <model/model.hpp>
#include <model/parts/pool.hpp>

namespace {

using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

task<int> sum_of_all(weft::channel<int>& c) {
  int sum = 0;
  while (auto const v = co_await c.receive()) sum += *v;
  co_return sum;
}

void closed_and_received() {
  small_pool p(1);
  auto c = std::make_unique<weft::channel<int>>(1);
  expect(c->try_send(7), "there is room");
  together([&] { c->close(); },
           [&, mine = c.get()] {
             expect(p.run(sum_of_all(*mine)) == 7, "what was sent before is received");
             c.reset();
           });
}
weft_model::part const p1("channel: a receiver that is told of the end destroys it", closed_and_received, {2, 1});

template <class Closed>
void closed_and_seen(Closed sees) {
  int before = 0;
  auto c = std::make_unique<weft::channel<int>>(1);
  together(
      [&, closer = c.get()] {
        before = 1;
        closer->close();
      },
      [&] {
        while (!sees(*c)) weft::detail::relax();
        expect(before == 1, "what the closer did before is seen");
        c.reset();
      });
}
weft_model::part const p2("channel: who sees that it is closed destroys it",
                          [] { closed_and_seen([](auto& c) { return c.is_closed(); }); }, {4, 3});

}  // namespace
