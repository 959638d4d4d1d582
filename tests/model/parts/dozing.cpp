// Dozing: what was just woken is left to its worker, and one sleeper looks after all of it each millisecond. Here every worker dozes whenever
// it has nothing to do, unless another does. A root that leaves a job behind stays until that has run, asleep where the pool does not see
// it; a job that nobody looks at is a deadlock, or is taken too late.
#include <weft/coro/run.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/external.hpp>

#include <chrono>
#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using namespace weft::detail;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

class dozing_pool : public small_pool {
 public:
  explicit dozing_pool(unsigned workers) : small_pool(workers) { weft::scheduler_of(*this).doze_after(0); }
};

/// From here on nobody may sleep past the time of a few dozes. A model's search is one look: one sees the job, a later one that its worker has
/// stayed, and one that reads an old number begins anew.
void due_within_some_dozes() { weft_model::due_by((weft::clock::now() + 20ms).time_since_epoch().count()); }
/// From here on everybody goes on without the end of a doze.
void due_at_once() { weft_model::due_by(weft::clock::now().time_since_epoch().count()); }
void nothing_is_due() { weft_model::due_by(weft_model::never); }

struct left_job : ready_job {
  left_job() noexcept
      : ready_job([](job* j, worker& self, job_order) noexcept {
          auto& me = *static_cast<left_job*>(j);
          auto& home = self.home;
          ++me.runs;
          me.ran.signal();
          home.root_ended(&self);
        }) {}
  int runs = 0;
  one_end ran;
};

enum class left_in { slot, ring };

/// On a worker: leaves a job to it, as one that was woken or as one that gives way.
template <left_in Where>
void leave(left_job& j) {
  worker& self = *current_worker();
  self.home.root_started(&self);
  if constexpr (Where == left_in::slot) self.home.submit_woken(self, &j);
  else self.home.submit_behind(&j);
}

// The other worker falls asleep, dozes, or looks again.
template <unsigned Workers, left_in Where>
void left_behind() {
  dozing_pool p(Workers);
  left_job j;
  p.run([&] {
    leave<Where>(j);
    due_within_some_dozes();
    j.ran.wait();
    nothing_is_due();
  });
  expect(j.runs == 1, "it has run once");
}
weft_model::part const p1("dozing: a woken job, two workers", left_behind<2, left_in::slot>, {2, 1});
weft_model::part const p2("dozing: a woken job, three workers", left_behind<3, left_in::slot>, {1, 1});
weft_model::part const p3("dozing: a job that gives way, two workers", left_behind<2, left_in::ring>, {2, 1});
weft_model::part const p4("dozing: a job that gives way, three workers", left_behind<3, left_in::ring>, {1, 1});

// The jobs are the root's own, so that whoever takes one has it by the exchange alone. The second takes the first one's place in the slot.
template <class Pool, int Jobs>
void left_behind_by_its_maker() {
  Pool p(2);
  int runs = 0;
  p.run([&] {
    left_job first;
    leave<left_in::slot>(first);
    if constexpr (Jobs == 2) {
      left_job second;
      leave<left_in::slot>(second);
      second.ran.wait();
      runs += second.runs;
    }
    first.ran.wait();
    runs += first.runs;
  });
  expect(runs == Jobs, "each has run once");
}
weft_model::part const p12("dozing: a woken job of the root's own", left_behind_by_its_maker<dozing_pool, 1>, {2, 1});
weft_model::part const p13("dozing: two woken jobs of the root's own", left_behind_by_its_maker<dozing_pool, 2>,
                           {2, 1});
weft_model::part const p14("dozing: a woken job of the root's own, nobody dozes",
                           left_behind_by_its_maker<small_pool, 1>, {2, 1});
weft_model::part const p15("dozing: two woken jobs of the root's own, nobody dozes",
                           left_behind_by_its_maker<small_pool, 2>, {2, 1});

// A full ring: the older half goes to the injection queue.
template <unsigned Workers>
void more_than_a_ring() {
  small_pool p(Workers);
  int runs = 0;
  p.run([&] {
    left_job all[worker::ring_capacity + 1];
    worker& self = *current_worker();
    for (left_job& j : all) {
      self.home.root_started(&self);
      self.home.submit(&j);
    }
    for (left_job& j : all) {
      j.ran.wait();
      runs += j.runs;
    }
  });
  expect(runs == worker::ring_capacity + 1, "each has run once");
}
weft_model::part const p16("dozing: more jobs than a ring holds", more_than_a_ring<2>, {1, 1});

// The one who dozes is called for a root, which stays, too: it is to call another for what was left to it.
template <unsigned Workers>
void left_behind_and_called() {
  dozing_pool p(Workers);
  left_job j;
  one_end ran;
  together(
      [&] {
        p.run([&] {
          leave<left_in::slot>(j);
          j.ran.wait();
          ran.signal();
        });
      },
      [&] { p.run([&] { ran.wait(); }); });
  expect(j.runs == 1, "it has run once");
}
weft_model::part const p5("dozing: the one who dozes gets another job", left_behind_and_called<3>, {1, 1});

// A plain thread holds a sleeper until the job has run: it may be the one who dozes, or the only other.
template <unsigned Workers>
void left_behind_while_held() {
  dozing_pool p(Workers);
  left_job j;
  one_end left;
  together(
      [&] {
        external_membership const membership(weft::scheduler_of(p));
        expect(membership.joined(), "there is a place");
        left.wait();
      },
      [&] {
        p.run([&] {
          leave<left_in::slot>(j);
          due_within_some_dozes();
          j.ran.wait();
          nothing_is_due();
        });
        left.signal();
      });
  expect(j.runs == 1, "it has run once");
}
weft_model::part const p6("dozing: held, two workers", left_behind_while_held<2>, {1, 1});
weft_model::part const p7("dozing: held, three workers", left_behind_while_held<3>, {1, 1});

// It is put back while a job is left.
void put_back() {
  dozing_pool p(2);
  left_job j;
  together([&] { external_membership const membership(weft::scheduler_of(p)); },
           [&] {
             p.run([&] {
               leave<left_in::slot>(j);
               j.ran.wait();
             });
           });
  expect(j.runs == 1, "it has run once");
}
weft_model::part const p8("dozing: held and put back", put_back, {1, 1});

// Who dozes is called for what is new, and does not wait for the end of its doze.
void called_at_once() {
  dozing_pool p(2);
  due_at_once();
  int a = 0;
  p.run([&] { ++a; });
  nothing_is_due();
  expect(a == 1, "it has run once");
}
weft_model::part const p9("dozing: a root comes", called_at_once, {2, 1});

// Nor does the end of the pool.
void ends_at_once() {
  dozing_pool p(2);
  due_at_once();
  p.shutdown(weft::drain_or_stop::drain);
  nothing_is_due();
}
weft_model::part const p10("dozing: shut down", ends_at_once, {2, 1});

void ends_behind_a_root() {
  dozing_pool p(2);
  left_job j;
  bool refused = false;
  together(
      [&] {
        try {
          p.run([&] { leave<left_in::slot>(j); });
        } catch (std::logic_error const&) {
          refused = true;
        }
      },
      [&] { p.shutdown(weft::drain_or_stop::drain); });
  expect(refused ? j.runs == 0 : j.runs == 1, "what was left behind has run before the end");
}
weft_model::part const p11("dozing: shut down while a job is left behind", ends_behind_a_root, {1, 1});

}  // namespace
