// Asking to stop: each callback runs once or not at all, is gone when its registration is, and states may die as their contract says.
#include <weft/cancel/stop_token.hpp>

#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft::stop_callback;
using weft::stop_source;
using weft_model::expect;
using weft_model::together;

void asked_and_seen() {
  stop_source source;
  int data = 0;
  together([&] { data = 1, source.request_stop(); },
           [&] {
             if (source.get_token().stop_requested()) expect(data == 1, "what the asker wrote before is seen");
           });
}
weft_model::part const p1("stop_token: what the asker wrote is seen", asked_and_seen, {4, 4});

void first_asker() {
  stop_source source;
  int first = 0, calls = 0;
  stop_callback const callback(source.get_token(), [&] { ++calls; });
  atomic<int> wins{0};
  auto const ask = [&] {
    if (source.request_stop()) wins.fetch_add(1, memory_order_relaxed), ++first;
  };
  together(ask, ask);
  expect(wins.load(memory_order_relaxed) == 1 && first == 1, "one asker is the first");
  expect(calls == 1, "the callback is called once");
}
weft_model::part const p2("stop_token: two askers", first_asker, {3, 2});

// The registration is a plain object on a frame: nobody touches it, or what the callback uses, after its destructor.
void taken_out_meanwhile() {
  stop_source source;
  together([&] { source.request_stop(); },
           [&] {
             auto* const used = new int(0);
             {
               stop_callback const callback(source.get_token(), [used] { ++*used; });
             }
             expect(*used <= 1, "called at most once");
             delete used;
           });
}
weft_model::part const p3("stop_token: a callback is taken out meanwhile", taken_out_meanwhile, {4, 3});

void two_callbacks() {
  stop_source source;
  together([&] { source.request_stop(); },
           [&] {
             auto *const one = new int(0), *const other = new int(0);
             {
               stop_callback const first(source.get_token(), [one] { ++*one; });
               stop_callback const second(source.get_token(), [other] { ++*other; });
             }
             expect(*one <= 1 && *other <= 1, "each called at most once");
             delete one;
             delete other;
           });
}
weft_model::part const p4("stop_token: two callbacks are taken out", two_callbacks, {3, 2});

void two_who_register() {
  stop_source source;
  auto const use = [&] {
    int calls = 0;
    {
      stop_callback const callback(source.get_token(), [&] { ++calls; });
    }
    expect(calls <= 1, "called at most once");
  };
  together(use, use, [&] { source.request_stop(); });
}
weft_model::part const p5("stop_token: two who register, one who asks", two_who_register);

void late_registration_is_called() {
  stop_source source;
  int calls = 0;
  together([&] { source.request_stop(); },
           [&] {
             stop_callback const callback(source.get_token(), [&] { ++calls; });
             while (!source.stop_requested()) relax();
           });
  expect(calls == 1, "registered before or after, the callback is called");
}
weft_model::part const p6("stop_token: registered while a stop is asked for", late_registration_is_called, {3, 2});

// In two halves, by a thread that runs no callbacks at once.
void said_first() {
  stop_state state;
  int data = 0, calls = 0;
  struct counting : stop_registration {
    explicit counting(int& n)
        : stop_registration([](stop_registration* r) noexcept { ++static_cast<counting*>(r)->count; }), count(n) {}
    int& count;
  };
  counting c(calls);
  expect(state.add(c), "nobody has asked yet");
  together(
      [&] {
        data = 1;
        if (state.say_stop() == stop_state::said::first_with_callbacks) state.call_back();
      },
      [&] {
        if (state.stop_requested()) expect(data == 1, "what the asker wrote before is seen");
      },
      [&] { state.remove(c); });
  expect(calls <= 1, "called at most once");
}
weft_model::part const p11("stop_token: said first, called back after", said_first, {3, 2});

// A callback takes its own registration out, and frees it.
void inside_itself() {
  int calls = 0;
  struct freeing : stop_registration {
    explicit freeing(stop_state& s, int& n)
        : stop_registration([](stop_registration* r) noexcept {
            auto* const self = static_cast<freeing*>(r);
            ++self->count;
            self->state.remove(*self);
            delete self;
          }),
          state(s),
          count(n) {}
    stop_state& state;
    int& count;
  };
  stop_state state;
  auto* const f = new freeing(state, calls);
  if (!state.add(*f)) delete f;
  together([&] { state.request_stop(); }, [&] { state.request_stop(); });
  expect(calls == 1, "called once");
}
weft_model::part const p7("stop_token: a callback frees itself", inside_itself, {3, 2});

// A child links itself into its parent when something registers with it, and goes before the parent.
void child_and_parent() {
  stop_source parent;
  together([&] { parent.request_stop(); },
           [&] {
             int calls = 0;
             {
               stop_source child(parent.get_token());
               stop_callback const callback(child.get_token(), [&] { ++calls; });
             }
             expect(calls <= 1, "called at most once");
           });
}
weft_model::part const p8("stop_token: a child dies while its parent is asked", child_and_parent, {3, 2});

void child_is_asked_too() {
  stop_source parent;
  together([&] { parent.request_stop(); },
           [&] {
             int calls = 0;
             stop_source child(parent.get_token());
             {
               stop_callback const callback(child.get_token(), [&] { ++calls; });
               child.request_stop();
             }
             expect(calls == 1, "asked by both, called once, and back when its registration is gone");
           });
}
weft_model::part const p9("stop_token: parent and child are asked", child_is_asked_too, {3, 2});

// Only the callback's own thread may destroy the state inside it.
void state_dies_inside() {
  auto* const state = new stop_state;
  int calls = 0;
  struct ending : stop_registration {
    ending(stop_state* s, int& n)
        : stop_registration([](stop_registration* r) noexcept {
            auto* const self = static_cast<ending*>(r);
            ++self->count;
            delete self->state;
          }),
          state(s),
          count(n) {}
    stop_state* state;
    int& count;
  };
  ending e(state, calls);
  expect(state->add(e), "nobody has asked yet");
  together([&] { state->request_stop(); }, [] {});
  expect(calls == 1, "called once");
}
weft_model::part const p10("stop_token: a state dies inside its callback", state_dies_inside, {3, 2});

}  // namespace

// A state is spread while somebody registers, and another asks: a stop is missed by nobody, wherever it registered.
void spread_meanwhile() {
  stop_state state;
  stop_stripes stripes(state);
  atomic<int> calls{0};
  struct counting : stop_registration {
    explicit counting(atomic<int>& n)
        : stop_registration([](stop_registration* r) noexcept {
            static_cast<counting*>(r)->calls.fetch_add(1, memory_order_relaxed);
          }),
          calls(n) {}
    atomic<int>& calls;
  };
  int seen = 0;
  together([&] { state.request_stop(); }, [&] { state.spread(stripes); },
           [&] {
             counting mine(calls);
             auto const place = state.is_spread() ? stop_state::place_for(1) : stop_state::place{0};
             if (state.at(place).add(mine)) {
               while (!state.stop_requested()) relax();
               state.at(place).remove(mine);
             } else {
               seen = 1;
             }
           });
  expect(calls.load(memory_order_relaxed) + seen <= 1, "told once at most");
}
weft_model::part const p_spread("stop_token: spread while others register and ask", spread_meanwhile, {2, 2});
