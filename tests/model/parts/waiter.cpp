// Waiting in queues: channels, a oneshot, locks and selects, between tasks of a real pool. A message is received once or kept.
#include <weft/channel/channel.hpp>
#include <weft/channel/oneshot.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>

#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <optional>

namespace {

using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

task<> send(weft::channel<int>& c, int v) {
  bool const sent = co_await c.send(v);
  expect(sent, "the channel is open");
}
task<int> receive(weft::channel<int>& c) {
  std::optional<int> const v = co_await c.receive();
  expect(v.has_value(), "a message comes");
  co_return *v;
}

void rendezvous() {
  small_pool p(1);
  weft::channel<int> c(0);
  int got = 0;
  together([&] { p.run(send(c, 7)); }, [&] { got = p.run(receive(c)); });
  expect(got == 7, "the message arrives");
}
weft_model::part const c1("waiter: a channel, rendezvous", rendezvous, {1, 0});

void two_workers() {
  small_pool p(2);
  weft::channel<int> c(0);
  int got = 0;
  together([&] { p.run(send(c, 7)); }, [&] { got = p.run(receive(c)); });
  expect(got == 7, "the message arrives");
}
weft_model::part const c2("waiter: a channel, rendezvous on two workers", two_workers, {1, 0});

void kept() {
  small_pool p(2);
  weft::channel<int> c(1);
  int sum = 0;
  together([&] { p.run(send(c, 1)), p.run(send(c, 2)); }, [&] { sum = p.run(receive(c)), sum += p.run(receive(c)); });
  expect(sum == 3, "both messages arrive");
}
weft_model::part const c3("waiter: a channel with room for one", kept, {1, 0});

task<> send_unless_closed(weft::channel<int>& c, bool& sent) {
  bool const taken = co_await c.send(7);
  sent = taken;
}
task<> receive_all(weft::channel<int>& c, int& count) {
  int received = 0;
  while (std::optional<int> const v = co_await c.receive()) ++received;
  count = received;
}

void closed_meanwhile() {
  small_pool p(2);
  weft::channel<int> c(0);
  bool sent = false;
  int received = 0;
  together([&] { p.run(send_unless_closed(c, sent)); }, [&] { p.run(receive_all(c, received)); }, [&] { c.close(); });
  expect(received == (sent ? 1 : 0), "what was sent is received, and nothing else");
}
weft_model::part const c4("waiter: a channel is closed meanwhile", closed_meanwhile, {1, 0});

// Who finds it closed sees what was done before that, without a lock.
task<> finds_it_closed(weft::channel<int>& c) {
  std::optional<int> const v = co_await c.receive();
  expect(!v.has_value(), "nothing was sent");
}
void closed_for_a_receiver() {
  small_pool p(1);
  weft::channel<int> c(1);
  int plain = 0;
  together([&] { plain = 1, c.close(); },
           [&] {
             p.run(finds_it_closed(c));
             expect(plain == 1, "what was done before the close is seen");
           });
}
weft_model::part const c6("waiter: a receiver finds a channel closed", closed_for_a_receiver, {1, 0});

task<> sends_until_closed(weft::channel<int>& c) {
  for (bool open = true; open;) {
    bool const sent = co_await c.send(7);
    open = sent;
  }
}
void closed_for_a_sender() {
  small_pool p(1);
  weft::channel<int> c(1);
  int plain = 0;
  together([&] { plain = 1, c.close(); },
           [&] {
             p.run(sends_until_closed(c));
             expect(plain == 1, "what was done before the close is seen");
           });
}
weft_model::part const c7("waiter: a sender finds a channel closed", closed_for_a_sender, {1, 0});

void looked_at() {
  weft::channel<int> c(1);
  int plain = 0;
  together([&] { plain = 1, c.close(); },
           [&] {
             if (c.is_closed()) expect(plain == 1, "what was done before the close is seen");
           });
}
weft_model::part const c14("waiter: a channel is looked at whether it is closed", looked_at, {4, 4});

// A stop and a message: the message is delivered, or it stays.
void stopped_or_received() {
  small_pool p(1);
  weft::channel<int> c(1);
  auto f = p.spawn(receive, std::ref(c));
  int got = 0;
  together([&] { f.stop(); }, [&] { expect(c.try_send(7), "there is room"); });
  try {
    got = f.get();
  } catch (weft::stopped const&) {
    auto const left = c.try_receive();
    expect(left.has_value() && *left == 7, "who was stopped has left the message");
    got = *left;
  }
  expect(got == 7, "the message is not lost");
}
weft_model::part const c5("waiter: a receive is stopped while a message comes", stopped_or_received, {1, 0});

// A sender that waits is stopped while somebody comes for its message: taken and sent, or neither.
void stopped_or_sent() {
  small_pool p(1);
  weft::channel<int> c(0);
  bool sent = false, got = false;
  auto f = p.spawn(send_unless_closed, std::ref(c), std::ref(sent));
  together([&] { f.stop(); }, [&] { got = c.try_receive().has_value(); });
  try {
    f.get();
  } catch (weft::stopped const&) {
    expect(!sent, "who was stopped has not sent");
  }
  expect(sent == got, "the message is taken and sent, or neither");
}
weft_model::part const c12("waiter: a send is stopped while somebody receives", stopped_or_sent, {1, 0});

// The same from a select, which claims both: an otherwise ends it where the sender is not there.
task<bool> receive_of_two(weft::channel<int>& a, weft::channel<int>& b) {
  bool got = false;
  auto from_a = weft::on(a.receive(), [&](std::optional<int> v) { got = v.has_value(); });
  auto from_b = weft::on(b.receive(), [&](std::optional<int> v) { got = v.has_value(); });
  auto neither = weft::otherwise([] {});
  co_await weft::select(std::move(from_a), std::move(from_b), std::move(neither));
  co_return got;
}
void stopped_or_selected() {
  small_pool p(1);
  weft::channel<int> c(0), unused(0);
  bool sent = false, got = false;
  auto f = p.spawn(send_unless_closed, std::ref(c), std::ref(sent));
  together([&] { f.stop(); }, [&] { got = p.run(receive_of_two(c, unused)); });
  try {
    f.get();
  } catch (weft::stopped const&) {
    expect(!sent, "who was stopped has not sent");
  }
  expect(sent == got, "the message is taken and sent, or neither");
}
weft_model::part const c13("waiter: a send is stopped while a select receives", stopped_or_selected, {1, 0});

// Closed or stopped, whichever comes first: it goes on once, and then everything is destroyed.
void closed_and_stopped() {
  small_pool p(1);
  auto* const c = new weft::channel<int>(0);
  int received = 0;
  auto f = p.spawn(receive_all, std::ref(*c), std::ref(received));
  together([&] { f.stop(); },
           [&] {
             c->close();
             f.wait();
             delete c;
           });
  try {
    f.get();
  } catch (weft::stopped const&) {
  }
  expect(received == 0, "there was nothing");
}
weft_model::part const c8("waiter: a channel is closed while its receiver is stopped", closed_and_stopped, {1, 0});

task<int> receive_one(weft::oneshot<int>& o) {
  std::optional<int> const v = co_await o.receive();
  co_return v.value_or(0);
}

void one_message() {
  small_pool p(1);
  weft::oneshot<int> o;
  int got = 0;
  bool sent = false;
  together([&] { sent = o.send(7); }, [&] { got = p.run(receive_one(o)); }, [&] { o.close(); });
  expect(got == (sent ? 7 : 0), "what was sent arrives");
}
weft_model::part const o1("waiter: a oneshot is sent, closed and received", one_message, {1, 0});

// The receiver destroys what has given it the message.
void destroyed_by_the_receiver() {
  small_pool p(1);
  auto* const o = new weft::oneshot<int>;
  together([&] { static_cast<void>(o->send(7)); },
           [&] {
             expect(p.run(receive_one(*o)) == 7, "it arrives");
             delete o;
           });
}
weft_model::part const o2("waiter: a oneshot dies when its message has arrived", destroyed_by_the_receiver, {2, 0});

task<> locked(weft::mutex& m, int& inside) {
  auto const held = co_await m.lock();
  ++inside;
}

void handed_over() {
  small_pool p(2);
  weft::mutex m;
  int inside = 0;
  together([&] { p.run(locked(m, inside)); }, [&] { p.run(locked(m, inside)); });
  expect(inside == 2, "both have been inside");
}
weft_model::part const l1("waiter: a mutex on two workers", handed_over, {1, 0});

task<> wait_for(weft::event& e) {
  int one_local = 0;
  static_cast<void>(one_local);
  co_await e.wait();
}

void event_is_set() {
  small_pool p(1);
  auto* const e = new weft::event;
  together([&] { e->set(); },
           [&] {
             p.run(wait_for(*e));
             delete e;
           });
}
weft_model::part const e1("waiter: an event dies when it has been waited for", event_is_set, {2, 0});

// A continuation, begun by a worker that waits for it as soon as it may be.
void continued() {
  small_pool p(2);
  int plain = 0;
  auto f = p.spawn([&] { return ++plain; });
  auto g = std::move(f).then([&](int v) { return v + plain; });
  int const got = p.run([&] { return g.get(); });
  expect(got == 2, "it has what came before");
}
weft_model::part const f1("waiter: a continuation is waited for by a worker", continued, {1, 0});

// E3: a future and a channel are ready at the same moment. Who comes too late has touched its waiter before the task goes on and destroys it.
task<int> first_of(weft::future<int>& f, weft::channel<int>& c) {
  int got = 0;
  auto from_f = weft::on(f, [&](int v) { got = v; });
  auto from_c = weft::on(c.receive(), [&](std::optional<int> v) { got = *v; });
  co_await weft::select(std::move(from_f), std::move(from_c));
  co_return got;
}
template <unsigned Workers>
void too_late() {
  small_pool p(Workers);
  weft::channel<int> c(1);
  weft::promise<int> kept;
  auto f = kept.get_future();
  int got = 0;
  together([&] { kept.set_value(1); }, [&] { expect(c.try_send(2), "there is room"); },
           [&] { got = p.run(first_of(f, c)); });
  expect(got == 1 || got == 2, "one of the two");
}
weft_model::part const s2("waiter: a select of a future and a channel", too_late<1>, {2, 1});
weft_model::part const s3("waiter: a select of a future and a channel, two workers", too_late<2>, {1, 1});

// The same from the worker itself: the message comes from a task, which wins or loses against the future.
void too_late_for_a_worker() {
  small_pool p(1);
  weft::promise<int> kept;
  weft::channel<int> c(0);
  auto f = kept.get_future();
  int got = 0;
  bool sent = false;
  auto g = p.spawn(send_unless_closed, std::ref(c), std::ref(sent));
  together([&] { kept.set_value(1); }, [&] { got = p.run(first_of(f, c)); });
  c.close();
  g.get();
  expect(got == (sent ? 7 : 1), "one of the two");
}
weft_model::part const s4("waiter: a select of a future and a sender", too_late_for_a_worker, {1, 1});

// Two cases borrow one future, which is kept meanwhile: the second finds a sibling that listens, or the result.
task<int> either_of(weft::future<int>& f) {
  int got = 0;
  auto one = weft::on(f, [&](int v) { got = v; });
  auto other = weft::on(f, [&](int v) { got = v; });
  co_await weft::select(std::move(one), std::move(other));
  co_return got;
}
void borrowed_twice() {
  small_pool p(1);
  weft::promise<int> kept;
  auto f = kept.get_future();
  int got = 0;
  together([&] { kept.set_value(1); }, [&] { got = p.run(either_of(f)); });
  expect(got == 1, "the result arrives");
}
weft_model::part const s5("waiter: a select of one future twice", borrowed_twice, {2, 1});

// Two selects that meet from both sides: each may send or receive on either channel.
task<int> send_or_receive(weft::channel<int>& to, weft::channel<int>& from, int v) {
  int received = 0;
  auto sending = weft::on(to.send(v), [](bool) {});
  auto receiving = weft::on(from.receive(), [&](std::optional<int> got) { received = *got; });
  co_await weft::select(std::move(sending), std::move(receiving));
  co_return received;
}

void selects_meet() {
  small_pool p(2);
  weft::channel<int> a(0), b(0);
  int first = 0, second = 0;
  together([&] { first = p.run(send_or_receive(a, b, 1)); }, [&] { second = p.run(send_or_receive(b, a, 2)); });
  expect((first == 2 && second == 0) || (first == 0 && second == 1), "one of the two has sent to the other");
}
weft_model::part const s1("waiter: two selects meet from both sides", selects_meet, {1, 0});

}  // namespace
