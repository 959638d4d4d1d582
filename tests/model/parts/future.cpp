// The state of a future: the result reaches whoever listens, once, and the last who holds it destroys it.
#include <weft/concurrent/parking.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/state.hpp>

#include <model/model.hpp>
#include <utility>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

struct result {
  explicit result(int v) : value(v) {}
  int value;
};

class state : public future_state<result> {
 public:
  explicit state(unsigned references) : future_state(references, nullptr) {}
  void keep(int value) noexcept {
    this->result().set_value(value);
    complete();
    release();
  }
};

struct waiting : listener {
  waiting() noexcept : listener([](listener* l) noexcept { static_cast<waiting*>(l)->end.signal(); }) {}
  one_end end;
};

void listened_to() {
  auto* const s = new state(2);
  together([s] { s->keep(7); },
           [s] {
             waiting w;
             if (s->attach(w)) w.end.wait();
             expect(s->ready() && s->result().take().value == 7, "the result is there");
             s->release();
           });
}
weft_model::part const p1("future: a listener gets the result", listened_to, {4, 3});

void looked_at() {
  auto* const s = new state(2);
  together([s] { s->keep(7); },
           [s] {
             while (!s->ready()) relax();
             expect(s->result().take().value == 7, "the result is there");
             s->release();
           });
}
weft_model::part const p2("future: a look finds the result", looked_at, {4, 4});

// The listener leaves: either it was not called and never will be, or it has to wait for the call.
void detached() {
  auto* const s = new state(2);
  together([s] { s->keep(7); },
           [s] {
             {
               waiting w;
               if (s->attach(w) && !s->detach(w)) w.end.wait();
             }
             if (s->ready()) expect(s->result().take().value == 7, "the result is there");
             s->release();
           });
}
weft_model::part const p3("future: a listener leaves", detached, {4, 3});

// Who leaves too late has the result, before the call has come back.
void detached_too_late() {
  auto* const s = new state(2);
  together([s] { s->keep(7); },
           [s] {
             waiting w;
             bool const attached = s->attach(w);
             bool const called = attached && !s->detach(w);
             if (!attached || called) expect(s->result().take().value == 7, "the result is there");
             if (called) w.end.wait();
             s->release();
           });
}
weft_model::part const p6("future: a listener leaves too late", detached_too_late, {4, 3});

void dropped() {
  auto* const s = new state(3);
  together([s] { s->keep(7); }, [s] { s->release(); }, [s] { s->release(); });
}
weft_model::part const p4("future: dropped by all", dropped, {3, 3});

// Two who wait for one end: a signal touches the word last.
void one_signal() {
  int data = 0;
  auto* const e = new one_end;
  together([&] { data = 1, e->signal(); },
           [&] {
             e->wait();
             expect(data == 1, "what was written before the signal is there");
             delete e;
           });
}
weft_model::part const p5("future: the end that a plain thread waits for", one_signal, {4, 4});

}  // namespace
