#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <model/explorer.hpp>
#include <model/orders.hpp>

namespace weft_model {
namespace {

constexpr std::int64_t time_of_a_look =
    60'000;  // ns by which a look at the clock moves it: who waits for a time comes to an end

char const* file_of(where const& w) noexcept {
  char const* const slash = std::strrchr(w.file_name(), '/');
  return slash ? slash + 1 : w.file_name();
}

void* exceptions_of_this_thread() noexcept {
  static void* const p = abi::__cxa_get_globals();
  return p;
}

}  // namespace

explorer explorer::the_one_;

// ── an execution ──

explorer::result const& explorer::run(body model, strategy& by, tracing::mode trace) {
  static bool const terminate_is_wrong =
      (std::set_terminate([] {
         working const on_behalf;
         explorer::the().wrong("the program is terminated: an exception has left a function that may not throw");
       }),
       true);
  static_cast<void>(terminate_is_wrong);
  ++executions_;
  by_ = &by;
  by.begin();
  related_ = by.relates();
  auto const* const weakened = order_table::the().weakened();
  focused_ = weakened && by.focused();
  in_focus_ = true;
  model_ = model;
  result_.right = true;
  result_.what.clear();
  result_.outcome.clear();
  result_.answers.clear();
  result_.steps.clear();
  tracing_ = trace == tracing::mode::on;
  steps_ = in_a_row_ = idle_rounds_ = spurious_ = 0;
  changes_ = sleeps_ = 0;
  time_ = 1'000'000'000;
  due_ = never;
  buckets_.clear();
  count_ = 0;
  current_ = 0;
  memory_.begin_execution();
  plain_memory::begin_execution();
  // An execution that went wrong was left where it stood.
  for (void** const variable : apart_) *variable = nullptr;
  std::memset(exceptions_of_this_thread(), 0, sizeof(modelled::exceptions));
  if (related_) related_->begin();
  begin_thread(
      [](void*) -> void* {
        explorer::the().model_();
        return nullptr;
      },
      nullptr);
  fiber::change(root_, threads_[0]->stack);
  watching_ = false;
  auto left = plain_memory::end_execution();
  if (result_.right && !left.empty()) {
    result_.right = false;
    result_.what = std::move(left);
  }
  return result_;
}

explorer::modelled& explorer::begin_thread(void* (*entry)(void*), void* argument) {
  if (count_ == threads_.size()) threads_.push_back(std::make_unique<modelled>());
  modelled& t = *threads_[count_];
  if (count_ == 0) running_ = &t;
  t.view.begin(count_);
  if (count_ != 0) t.view.now = now_running().view.now;
  memory::advance(t.view);
  t.is = state::ready;
  t.entry = entry;
  t.argument = argument;
  t.deadline = never;
  t.gave_way = t.newest_only = t.waits = false;
  t.looks.clear();
  t.looks_before.clear();
  t.exceptions = {};
  t.apart.assign(apart_.size(), nullptr);
  t.stack.begin(&run_thread);
  ++count_;
  return t;
}

void explorer::run_thread() noexcept {
  modelled& self = explorer::the().now_running();
  watching_ = true;
  self.entry(self.argument);
  watching_ = false;
  explorer::the().end_thread();
}

void explorer::end_thread() noexcept {
  modelled& self = now_running();
  self.is = state::ended;
  note_change();
  if (related_) related_->uses(dependence::shared::end, current_, dependence::use::changes);
  if (tracing_) result_.steps.push_back("T" + std::to_string(current_) + "  ends");
  if (current_ == 0) {
    for (unsigned t = 1; t != count_; ++t)
      if (threads_[t]->is != state::ended) wrong("the model ends, and a thread of it has not been joined");
    leave();
  }
  for (unsigned t = 0; t != count_; ++t)
    if (threads_[t]->is == state::joining && threads_[t]->joins == current_) {
      threads_[t]->is = state::ready;
      if (related_) related_->follows(t, current_);
    }
  change_to(pick());
  std::abort();  // nobody goes on with a thread that has ended
}

void explorer::leave() {
  fiber forgotten{fiber::original{}};
  fiber::change(forgotten, root_);
  std::abort();
}

void explorer::wrong(std::string text) {
  if (count_ == 0) {
    std::fprintf(stderr, "outside of a model: %s\n", text.c_str());
    std::abort();
  }
  watching_ = false;
  result_.right = false;
  result_.what = std::move(text) + " (thread T" + std::to_string(current_) + ")";
  leave();
}

void explorer::wrong(char const* what, void const* at) {
  std::string text(what);
  if (at) text += ": " + name_of(at);
  wrong(std::move(text));
}

// ── who goes on ──

void explorer::step() {
  if (++steps_ > most_steps) wrong("it does not come to an end");
  if (++in_a_row_ > most_steps_in_a_row) {
    now_running().gave_way = true;
    now_running().gave_way_at = changes_;
  }
  reschedule();
}

void explorer::reschedule() {
  auto const next = pick();
  if (next != current_) change_to(next);
  now_running().gave_way = now_running().waits = false;
}

void explorer::change_to(unsigned next) {
  modelled& from = now_running();
  modelled& to = *threads_[next];
  in_a_row_ = 0;
  std::memcpy(from.exceptions.data(), exceptions_of_this_thread(), sizeof(from.exceptions));
  std::memcpy(exceptions_of_this_thread(), to.exceptions.data(), sizeof(to.exceptions));
  for (std::size_t i = 0; i != apart_.size(); ++i) {
    if (from.apart.size() <= i) from.apart.resize(i + 1);
    from.apart[i] = *apart_[i];
    *apart_[i] = i < to.apart.size() ? to.apart[i] : nullptr;
  }
  current_ = next;
  running_ = &to;
  fiber::change(from.stack, to.stack);
}

unsigned explorer::pick() {
  if (related_) return pick_related();
  for (;;) {
    std::array<unsigned, most_threads> able;
    unsigned count = 0;
    bool ready = false, timed = false;
    for (unsigned i = 0, next = current_; i != count_; ++i) {
      auto const id = next;
      next = next + 1 == count_ ? 0 : next + 1;
      modelled const& t = *threads_[id];
      timed = timed || (t.is == state::asleep && t.deadline != never);
      if (t.is != state::ready) continue;
      ready = true;
      if (!t.gave_way || changes_ > t.gave_way_at) able[count++] = id;
    }
    if (count == 0) {
      nobody_able(ready, timed);
      continue;
    }
    if (timed && choose(question::deadline, 2) == 1) {
      fire_deadline();
      continue;
    }
    if (count == 1) return able[0];
    auto const what = able[0] == current_ ? question::preemption : question::thread;
    auto const chosen = by_->choose_thread(what, able.data(), count);
    result_.answers.push_back({what, static_cast<std::uint16_t>(count), static_cast<std::uint16_t>(chosen)});
    return able[chosen];
  }
}

void explorer::nobody_able(bool ready, bool timed) {
  if (timed) {
    if (!ready && first_deadline()->deadline > due_) wrong("everybody sleeps past a time at which something is due");
    fire_deadline();
    return;
  }
  if (!ready) wrong(deadlock());
  if (++idle_rounds_ > most_idle_rounds)
    wrong("every thread waits in a loop, and nobody changes anything: " + deadlock());
  for (unsigned i = 0; i != count_; ++i) {
    if (threads_[i]->is != state::ready) continue;
    threads_[i]->gave_way = threads_[i]->waits = false;
    threads_[i]->newest_only = true;
  }
}

// Equivalent executions must agree on who may go on and on what a preemption is: here "somebody has changed something" is not enough, for a
// change that happens to be run before the thread gives way could be run behind that as well. So it may go on, after everybody else, unless it
// has looked at the same twice; then it waits until there is something new to be seen.
unsigned explorer::pick_related() {
  // Also where a deadline, now, is what lets it go on.
  bool const yields = now_running().gave_way || now_running().is != state::ready;
  for (;;) {
    std::array<unsigned, most_threads> able;
    unsigned count = 0;
    bool ready = false, timed = false;
    for (unsigned i = 0, next = current_; i != count_ + 1; ++i) {
      auto const id = next;
      next = next + 1 == count_ ? 0 : next + 1;
      if (i == (yields ? 0 : count_)) continue;  // who yields comes last
      modelled& t = *threads_[id];
      timed = timed || (t.is == state::asleep && t.deadline != never);
      if (t.is != state::ready) continue;
      ready = true;
      if (t.waits) t.waits = nothing_new(t);
      if (!t.waits) able[count++] = id;
    }
    if (count == 0) {
      nobody_able(ready, timed);
      continue;
    }
    bool const may_come = timed && steps_ <= steps_with_choice;
    bool const preempts = able[0] == current_ && !yields;
    auto const chosen = by_->choose_step({able.data(), count, preempts, may_come});
    if (may_come) result_.answers.push_back({question::deadline, 2, static_cast<std::uint16_t>(chosen == count)});
    if (chosen == count) {
      fire_deadline();
      continue;
    }
    if (count != 1)
      result_.answers.push_back({preempts ? question::preemption : question::thread, static_cast<std::uint16_t>(count),
                                 static_cast<std::uint16_t>(chosen)});
    related_->steps(able[chosen]);
    return able[chosen];
  }
}

bool explorer::nothing_new(modelled const& t) noexcept {
  return std::all_of(t.looks_before.begin(), t.looks_before.end(),
                     [](auto const& l) { return l.at->order.back()->value == l.value; });
}

explorer::modelled* explorer::first_deadline() noexcept {
  modelled* first = nullptr;
  for (unsigned i = 0; i != count_; ++i) {
    modelled& t = *threads_[i];
    if (t.is == state::asleep && t.deadline != never && (!first || t.deadline < first->deadline)) first = &t;
  }
  return first;
}

bool explorer::fire_deadline() {
  modelled* const first = first_deadline();
  if (!first) return false;
  if (related_) {
    using enum dependence::shared;
    related_->steps(dependence::clockwork);
    related_->uses(sleepers, static_cast<std::uint32_t>(&bucket(first->sleeps_on) - buckets_.data()),
                   dependence::use::changes);
    related_->uses(deadlines, 0, dependence::use::changes);
    related_->follows(first->view.id, dependence::clockwork);
    auto& its = related_->time_of(first->view.id);
    its = std::max(its, first->deadline);
  } else {
    time_ = std::max(time_, first->deadline);
  }
  first->is = state::ready;
  if (tracing_) result_.steps.push_back("    the deadline of T" + std::to_string(first->view.id) + " comes");
  return true;
}

unsigned explorer::choose(question what, unsigned alternatives) {
  if (steps_ > steps_with_choice && what != question::sleeper) return 0;
  if (!in_focus_ && (what == question::value || what == question::place)) return 0;
  if (what == question::spurious) {
    if (spurious_ >= most_spurious || only_newest()) return 0;
    auto const chosen = by_->choose(what, alternatives);
    spurious_ += chosen;
    result_.answers.push_back({what, static_cast<std::uint16_t>(alternatives), static_cast<std::uint16_t>(chosen)});
    if (related_) related_->takes(static_cast<unsigned>(what), chosen);
    return chosen;
  }
  auto const chosen = by_->choose(what, alternatives);
  if (related_) related_->takes(static_cast<unsigned>(what), chosen);
  result_.answers.push_back({what, static_cast<std::uint16_t>(alternatives), static_cast<std::uint16_t>(chosen)});
  return chosen;
}

bool explorer::only_newest() { return now_running().newest_only || steps_ > steps_with_choice; }

std::string explorer::deadlock() const {
  std::string text = "deadlock, or a wake-up is lost:";
  for (unsigned i = 0; i != count_; ++i) {
    modelled const& t = *threads_[i];
    if (t.is == state::ended) continue;
    text += " T" + std::to_string(i);
    if (t.is == state::asleep) text += " sleeps,";
    else if (t.is == state::joining) text += " joins T" + std::to_string(t.joins) + ",";
    else text += " waits in a loop,";
  }
  text.pop_back();
  return text;
}

// ── the steps ──

explorer::weakening explorer::looked_at() noexcept {
  return order_table::the().weakened() && order_table::the().at_weakened() ? weakening::here : weakening::none;
}

std::string explorer::name_of(void const* at) { return "#" + std::to_string(memory_.at(at, 1).number); }

void explorer::trace(char const* what, void const* at, std::uint64_t value, char const* order, where const& w) {
  std::array<char, 256> line;
  auto const age = memory_.last_age();
  std::snprintf(line.data(), line.size(), "T%u  %-9s %-5s %-18llx %-8s %s:%u%s%s", current_, what,
                at ? name_of(at).c_str() : "", static_cast<unsigned long long>(value), order, file_of(w),
                static_cast<unsigned>(w.line()), age ? "   newer stores: " : "",
                age ? std::to_string(age).c_str() : "");
  result_.steps.emplace_back(line.data());
}

std::uint64_t explorer::load(void const* at, std::size_t bytes, std::memory_order order, where const& w) {
  order = order_table::the().pass(operation::load, order, w);
  auto const weakened = looked_at();
  step();
  location& l = usable(at, bytes, weakened);
  auto const value = memory_.load(view(), l, order);
  if (related_) looks(l, value), related_order(order);
  if (tracing_) trace("load", at, value, weft_model::name_of(order), w);
  return value;
}

location& explorer::usable(void const* at, std::size_t bytes, weakening w) {
  if (plain_memory::freed(at)) wrong("an atomic object is used in memory that has been freed");
  location& l = memory_.use(view(), at, bytes);
  if (w == weakening::here) l.weakened = true;
  in_focus_ = !focused_ || l.weakened;
  return l;
}

void explorer::store(void const* at, std::size_t bytes, std::uint64_t value, std::memory_order order, where const& w) {
  order = order_table::the().pass(operation::store, order, w);
  auto const weakened = looked_at();
  step();
  location& l = usable(at, bytes, weakened);
  memory_.store(view(), l, value, order);
  if (related_) changes(l, order);
  note_change();
  if (tracing_) trace("store", at, value, weft_model::name_of(order), w);
}

std::uint64_t explorer::read_modify_write(void const* at, std::size_t bytes, change how, std::uint64_t operand,
                                          std::memory_order order, where const& w) {
  order = order_table::the().pass(operation::update, order, w);
  auto const weakened = looked_at();
  step();
  location& l = usable(at, bytes, weakened);
  auto const before = memory_.read_modify_write(view(), l, how, operand, bytes, order);
  bool const other = how != change::exchange ? operand != 0 : before != operand;
  if (other) note_change();
  if (related_) {
    bool const did_more = now_running().did_more;
    changes(l, order);
    if (!other) now_running().looks.push_back({&l, before}), now_running().did_more = did_more;
  }
  if (tracing_) {
    static constexpr std::array names{"exchange", "add", "subtract", "or", "and", "xor"};
    trace(names[static_cast<std::size_t>(how)], at, operand, weft_model::name_of(order), w);
    std::array<char, 32> was;
    std::snprintf(was.data(), was.size(), "   was %llx", static_cast<unsigned long long>(before));
    result_.steps.back() += was.data();
  }
  return before;
}

bool explorer::compare_exchange(void const* at, std::size_t bytes, std::uint64_t& expected, std::uint64_t value,
                                strength s, std::memory_order success, std::memory_order failure, where const& w) {
  success = order_table::the().pass(operation::update, success, w);
  auto weakened = looked_at();
  failure = order_table::the().pass(operation::failed_exchange, failure, w);
  if (weakened == weakening::none) weakened = looked_at();
  step();
  location& l = usable(at, bytes, weakened);
  auto const wanted = expected;
  bool const done = memory_.compare_exchange(view(), l, expected, value, s, success, failure);
  if (done) note_change();
  if (related_) {
    if (done) changes(l, success);
    else looks(l, expected), related_order(success), related_order(failure);
    if (!done && expected == wanted) now_running().did_more = true;
  }
  if (tracing_) trace(done ? "swapped" : "refused", at, done ? value : expected, weft_model::name_of(success), w);
  return done;
}

void explorer::construct(void const* at, std::uint64_t value) { memory_.construct(view(), at, value); }

void explorer::destroy(void const* at) { memory_.destroy(view(), at); }

void explorer::fence(std::memory_order order, where const& w) {
  step();
  memory_.fence(view(), order);
  if (related_ && order == std::memory_order_seq_cst)
    related_->uses(dependence::shared::fences, 0, dependence::use::changes);
  if (tracing_) trace("fence", nullptr, 0, weft_model::name_of(order), w);
}

void explorer::give_way() {
  modelled& self = now_running();
  self.gave_way = true;
  self.gave_way_at = changes_;
  self.newest_only = false;
  if (related_) {
    self.waits = !self.did_more && !self.looks.empty() && self.looks == self.looks_before;
    self.did_more = false;
    std::swap(self.looks, self.looks_before);
    self.looks.clear();
  }
  step();
}

std::int64_t explorer::now() {
  now_running().did_more = true;
  return time() += time_of_a_look;
}

// ── which steps depend on each other ──

void explorer::looks(location const& l, std::uint64_t value) {
  related_->uses(dependence::shared::atomic, l.number, dependence::use::looks);
  now_running().looks.push_back({&l, value});
}

void explorer::changes(location const& l, std::memory_order order) {
  related_->uses(dependence::shared::atomic, l.number, dependence::use::changes);
  related_order(order);
  now_running().did_more = true;
}

void explorer::related_order(std::memory_order order) {
  if (order == std::memory_order_seq_cst) related_->uses(dependence::shared::fences, 0, dependence::use::looks);
}

// The kernel looks at the word, and at the sleepers, under a lock of its own, with full barriers: who goes to sleep after a wake sees
// what the waker had written. It orders no plain access.
std::pair<void const*, vector_clock>& explorer::bucket(void const* word) {
  for (auto& b : buckets_)
    if (b.first == word) return b;
  return buckets_.emplace_back(word, vector_clock{});
}

void explorer::futex_wait(void const* word, std::uint32_t expected, std::int64_t deadline, where const& w) {
  step();
  modelled& self = now_running();
  self.view.now.seen.join(bucket(word).second);
  location& l = usable(word, sizeof(std::uint32_t));
  auto const value = memory_.load(self.view, l, std::memory_order_relaxed);
  if (related_) {
    using enum dependence::shared;
    looks(l, value);
    related_->uses(sleepers, static_cast<std::uint32_t>(&bucket(word) - buckets_.data()), dependence::use::changes);
    self.did_more = true;
  }
  if (tracing_) trace("sleep", word, value, value == expected ? "" : "refused", w);
  if (value != expected || deadline <= time()) return;
  if (choose(question::spurious, 2) == 1) return;
  if (related_ && deadline != never) use_deadlines();
  self.is = state::asleep;
  self.sleeps_on = word;
  self.deadline = deadline;
  self.asleep_since = ++sleeps_;
  reschedule();
  self.deadline = never;
}

void explorer::futex_wake(void const* word, int count, where const& w) {
  step();
  bucket(word).second.join(view().now.seen);
  note_change();
  if (related_) {
    related_->uses(dependence::shared::sleepers, static_cast<std::uint32_t>(&bucket(word) - buckets_.data()),
                   dependence::use::changes);
    now_running().did_more = true;
  }
  if (tracing_) trace("wake", word, static_cast<std::uint64_t>(count), "", w);
  for (; count > 0; --count) {
    unsigned sleepers = 0;
    for (unsigned i = 0; i != count_; ++i)
      if (threads_[i]->is == state::asleep && threads_[i]->sleeps_on == word) ++sleepers;
    if (sleepers == 0) return;
    auto skipped = static_cast<unsigned>(count) < sleepers ? choose(question::sleeper, sleepers) : 0;
    modelled* woken = nullptr;
    for (std::uint64_t after = 0; !woken || skipped-- != 0; after = woken->asleep_since) {
      modelled* next = nullptr;  // in the order in which they went to sleep
      for (unsigned i = 0; i != count_; ++i) {
        modelled& t = *threads_[i];
        if (t.is == state::asleep && t.sleeps_on == word && t.asleep_since > after &&
            (!next || t.asleep_since < next->asleep_since))
          next = &t;
      }
      woken = next;
    }
    modelled& t = *woken;
    if (related_) {
      if (t.deadline != never) use_deadlines();
      related_->follows(t.view.id, current_);
    }
    t.is = state::ready;
    t.view.now.seen.join(view().now.seen);
  }
}

// It is another that comes first from here on.
void explorer::use_deadlines() {
  related_->uses(dependence::shared::deadlines, 0, dependence::use::looks);
  if (first_deadline()) related_->forestalls_deadline();
}

std::uintptr_t explorer::start_thread(void* (*entry)(void*), void* argument) {
  if (related_) {
    related_->uses(dependence::shared::numbers, 0, dependence::use::changes);
    now_running().did_more = true;
  }
  if (count_ == most_threads) return 0;
  modelled const& t = begin_thread(entry, argument);
  memory::advance(view());
  if (related_) related_->follows(t.view.id, current_);
  if (tracing_) result_.steps.push_back("T" + std::to_string(current_) + "  starts T" + std::to_string(t.view.id));
  note_change();
  return t.view.id;
}

void explorer::join_thread(std::uintptr_t thread) {
  step();
  modelled& t = *threads_[thread];
  if (related_) {
    related_->uses(dependence::shared::end, static_cast<std::uint32_t>(thread), dependence::use::looks);
    now_running().did_more = true;
  }
  while (t.is != state::ended) {
    now_running().is = state::joining;
    now_running().joins = static_cast<unsigned>(thread);
    reschedule();
  }
  view().now.join(t.view.now);
  memory::advance(view());
}

void explorer::keep_apart(void** variable) {
  if (std::find(apart_.begin(), apart_.end(), variable) == apart_.end()) apart_.push_back(variable);
  plain_memory::keep_apart(variable);
}

void explorer::say_outcome(std::string_view text) { result_.outcome = text; }

// ── policy.hpp and model.hpp ──

namespace {
explorer& the_explorer() noexcept { return explorer::the(); }
}  // namespace

void construct(void const* at, std::uint64_t value) noexcept {
  if (!explorer::watching()) return;
  explorer::working const on_behalf;
  the_explorer().construct(at, value);
}

void destroy(void const* at) noexcept {
  if (!explorer::watching()) return;
  explorer::working const on_behalf;
  the_explorer().destroy(at);
}

std::uint64_t load(void const* at, std::size_t bytes, std::memory_order order, where const& w) noexcept {
  if (!explorer::watching()) return memory::standing_at(at, bytes);
  explorer::working const on_behalf;
  return the_explorer().load(at, bytes, order, w);
}

void store(void const* at, std::size_t bytes, std::uint64_t value, std::memory_order order, where const& w) noexcept {
  explorer::working const on_behalf;
  the_explorer().store(at, bytes, value, order, w);
}

std::uint64_t read_modify_write(void const* at, std::size_t bytes, change how, std::uint64_t operand,
                                std::memory_order order, where const& w) noexcept {
  explorer::working const on_behalf;
  return the_explorer().read_modify_write(at, bytes, how, operand, order, w);
}

bool compare_exchange(void const* at, std::size_t bytes, std::uint64_t& expected, std::uint64_t value, strength s,
                      std::memory_order success, std::memory_order failure, where const& w) noexcept {
  explorer::working const on_behalf;
  return the_explorer().compare_exchange(at, bytes, expected, value, s, success, failure, w);
}

void fence(std::memory_order order, where const& w) noexcept {
  explorer::working const on_behalf;
  the_explorer().fence(order, w);
}

void give_way() noexcept {
  explorer::working const on_behalf;
  the_explorer().give_way();
}

std::uintptr_t this_thread() noexcept { return the_explorer().current() + 1; }

std::int64_t now() noexcept { return the_explorer().now(); }

void futex_wait(void const* word, std::uint32_t expected, std::int64_t deadline, where const& w) noexcept {
  explorer::working const on_behalf;
  the_explorer().futex_wait(word, expected, deadline, w);
}

void futex_wake(void const* word, int count, where const& w) noexcept {
  explorer::working const on_behalf;
  the_explorer().futex_wake(word, count, w);
}

std::uintptr_t start_thread(void* (*entry)(void*), void* argument) noexcept {
  explorer::working const on_behalf;
  return the_explorer().start_thread(entry, argument);
}

void join_thread(std::uintptr_t thread) noexcept {
  explorer::working const on_behalf;
  the_explorer().join_thread(thread);
}

void misuse(char const* sentence, char const* file, int line) noexcept {
  explorer::working const on_behalf;
  char const* const slash = std::strrchr(file, '/');
  the_explorer().wrong(std::string(sentence) + " (" + (slash ? slash + 1 : file) + ":" + std::to_string(line) + ")");
}

void expect(bool holds, char const* sentence, where const& w) noexcept {
  if (!holds) misuse(sentence, w.file_name(), static_cast<int>(w.line()));
}

void keep_apart(void** thread_local_variable) noexcept {
  explorer::working const on_behalf;
  the_explorer().keep_apart(thread_local_variable);
}

void due_by(std::int64_t time) noexcept { the_explorer().due_by(time); }

void outcome(std::string_view text) {
  explorer::working const on_behalf;
  the_explorer().say_outcome(text);
}

}  // namespace weft_model
