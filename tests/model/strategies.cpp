#include <algorithm>
#include <bit>
#include <charconv>
#include <model/strategies.hpp>

namespace weft_model {

void random_walk::begin() {
  static constexpr std::array<unsigned, 4> preemptions{16, 32, 64, 128}, old_values{0, 16, 64, 128};
  auto const old = old_values[dice_.below(4)];
  rate_[static_cast<std::size_t>(question::thread)] = 256;
  rate_[static_cast<std::size_t>(question::preemption)] = preemptions[dice_.below(4)];
  rate_[static_cast<std::size_t>(question::value)] = old;
  rate_[static_cast<std::size_t>(question::place)] = old / 2;
  rate_[static_cast<std::size_t>(question::spurious)] = old / 8;
  rate_[static_cast<std::size_t>(question::deadline)] = 16;
  rate_[static_cast<std::size_t>(question::sleeper)] = 128;
}

unsigned random_walk::choose(question what, unsigned alternatives) {
  auto const rate = rate_[static_cast<std::size_t>(what)];
  if (what == question::thread) return dice_.below(alternatives);
  if (dice_.below(256) >= rate) return 0;
  return 1 + dice_.below(alternatives - 1);
}

void by_priority::begin() {
  longest_ = std::max(longest_, step_);
  step_ = 0;
  lowest_ = most_threads;
  for (unsigned t = 0; t != most_threads; ++t) priority_[t] = most_threads + t + 1;
  for (unsigned t = most_threads; t > 1; --t) std::swap(priority_[t - 1], priority_[dice_.below(t)]);
  for (auto& c : changes_) c = dice_.below(longest_);
  old_values_ = dice_.below(2) * 64;
}

// Where they are few, they are frequent.
bool random_walk::focused() {
  if (dice_.below(2) == 0) return false;
  rate_[static_cast<std::size_t>(question::value)] = rate_[static_cast<std::size_t>(question::place)] = 128;
  return true;
}

bool by_priority::focused() {
  if (dice_.below(2) == 0) return false;
  old_values_ = 128;
  return true;
}

unsigned by_priority::choose(question what, unsigned alternatives) {
  ++step_;
  auto const rate = what == question::value      ? old_values_
                    : what == question::place    ? old_values_ / 2
                    : what == question::sleeper  ? 128u
                    : what == question::deadline ? 16u
                                                 : old_values_ / 8;
  return dice_.below(256) < rate ? 1 + dice_.below(alternatives - 1) : 0;
}

unsigned by_priority::choose_thread(question, unsigned const* threads, unsigned count) {
  ++step_;
  for (auto const c : changes_)
    if (c == step_ && lowest_ != 0) priority_[threads[0]] = --lowest_;
  auto const* const first =
      std::max_element(threads, threads + count, [&](unsigned a, unsigned b) { return priority_[a] < priority_[b]; });
  return static_cast<unsigned>(first - threads);
}

void exhaustive::begin() {
  at_ = preemptions_ = deviations_ = 0;
  chosen_at_.assign(2, {nowhere, nowhere});  // steps are counted from one, and the first is nobody's choice
  running_ = 0;
  since_ = nowhere;
  known_now_ = false;
  related_.note_from(new_from_);
}

// What an alternative costs.
unsigned* exhaustive::counter(branch const& b, unsigned chosen) noexcept {
  if (b.what != question::thread) return chosen == 0 ? nullptr : &deviations_;
  if (chosen == dependence::clockwork) return &deviations_;
  return b.goes_on != nobody && chosen != b.goes_on ? &preemptions_ : nullptr;
}

bool exhaustive::affordable(branch const& b, unsigned chosen) noexcept {
  auto const* const c = counter(b, chosen);
  return !c || *c < (c == &preemptions_ ? within_.preemptions : within_.deviations);
}

unsigned exhaustive::answer_at(std::size_t place) noexcept {
  branch const& b = path_[place];
  if (auto* const c = counter(b, b.chosen)) ++*c;
  return b.chosen;
}

unsigned exhaustive::choose(question what, unsigned alternatives) {
  if (known_now_) return 0;
  if (at_ == path_.size()) {
    branch b{what, related_.step()};
    b.alternatives = alternatives;
    path_.push_back(b);
  }
  return answer_at(at_++);
}

unsigned exhaustive::choose_step(turn const& t) {
  chosen_at_.resize(related_.step() + 1, {nowhere, nowhere});  // there was no choice in what has not been asked for
  unsigned chosen = t.threads[0];
  auto place = nowhere;
  if (!known_now_ && t.count + t.deadline > 1 && at_ == path_.size() && !t.preempts) known_now_ = known_from_here();
  if (!known_now_ && t.count + t.deadline > 1) {
    if (at_ == path_.size()) {
      branch b{question::thread, related_.step()};
      b.chosen = chosen;
      if (!t.preempts && how_ == run::one_of_equivalent) b.name = name_of_state();
      if (t.preempts) b.goes_on = chosen;
      for (unsigned i = 0; i != t.count; ++i) b.able |= 1u << t.threads[i];
      if (t.deadline) b.able |= 1u << dependence::clockwork;
      b.to_try = how_ == run::each ? b.able : 1u << chosen;
      path_.push_back(b);
    }
    place = static_cast<std::uint32_t>(at_);
    chosen = answer_at(at_++);
  }
  if (chosen == dependence::clockwork) {
    chosen_at_.push_back({place, place});
    return t.count;
  }
  if (chosen != running_ || !t.preempts) since_ = place;
  running_ = chosen;
  chosen_at_.push_back({place, since_});
  return static_cast<unsigned>(std::find(t.threads, t.threads + t.count, chosen) - t.threads);
}

void exhaustive::try_at(std::uint32_t place, unsigned thread) noexcept {
  if (place == nowhere) return;
  branch& b = path_[place];
  b.to_try |= (b.able >> thread & 1) != 0 ? 1u << thread : b.able;
}

bool exhaustive::another(branch& b) noexcept {
  if (b.what != question::thread) {
    if (b.chosen + 1 == b.alternatives || !affordable(b, 1)) return false;
    ++b.chosen;
    return true;
  }
  b.tried |= 1u << b.chosen;
  for (auto left = b.to_try & ~b.tried; left != 0; left &= left - 1) {
    auto const thread = static_cast<unsigned>(std::countr_zero(left));
    if (!affordable(b, thread)) continue;
    b.chosen = thread;
    return true;
  }
  return false;
}

std::uint64_t exhaustive::name_of_state() const noexcept {
  return related_.class_name() + preemptions_ * 0x9E3779B97F4A7C15u + deviations_ * 0xBF58476D1CE4E5B9u;
}

namespace {
std::uint64_t packed(dependence::event e, unsigned later) noexcept {
  return std::uint64_t{e.place} << 8 | e.thread << 4 | later;
}
dependence::event event_in(std::uint64_t p) noexcept {
  return {static_cast<unsigned>(p >> 4 & 15), static_cast<std::uint32_t>(p >> 8)};
}
}  // namespace

bool exhaustive::known_from_here() {
  if (how_ == run::each) return false;
  auto const found = known_.find(name_of_state());
  if (found == known_.end()) return false;
  // The steps before are the same, in another order: what comes behind depends on them in the same way.
  for (auto const r : found->second) {
    auto const step = related_.step_of(event_in(r));
    for (auto const place : chosen_at_[step]) try_at(place, static_cast<unsigned>(r & 15));
    if (!path_.empty() && step <= path_.back().step) path_.back().reversed.push_back(r);
  }
  related_.note_from(~0u);
  return true;
}

void exhaustive::keep_found() {
  auto at = path_.size();
  auto const& all = related_.found();
  for (auto r = all.rbegin(); r != all.rend(); ++r) {
    for (auto const place : chosen_at_[r->earlier]) try_at(place, r->later);
    while (at != 0 && path_[at - 1].step >= r->step) --at;
    if (at != 0 && r->earlier <= path_[at - 1].step)
      path_[at - 1].reversed.push_back(packed(related_.event_of(r->earlier), r->later));
  }
}

void exhaustive::leave_branch() {
  branch& b = path_.back();
  auto& found = b.reversed;
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (path_.size() > 1) {
    branch& before = path_[path_.size() - 2];
    for (auto const r : found)
      if (related_.step_of(event_in(r)) <= before.step) before.reversed.push_back(r);
  }
  if (b.name != 0) {
    if (kept_ > most_kept) known_.clear(), kept_ = 0;  // those that come next are most like the last
    kept_ += found.size() + 16;
    known_.emplace(b.name, std::move(found));
  }
  path_.pop_back();
}

bool exhaustive::next() {
  if (how_ == run::one_of_equivalent) keep_found();
  while (!path_.empty()) {
    branch& b = path_.back();
    if (auto* const c = counter(b, b.chosen)) --*c;
    if (another(b)) {
      new_from_ = b.step;
      return true;
    }
    leave_branch();
  }
  return false;
}

unsigned replay::choose(question, unsigned alternatives) {
  auto const found = choices_.find(at_++);
  return found == choices_.end() ? 0 : std::min(found->second, alternatives - 1);
}

std::string replay::print(choices const& c) {
  std::string text;
  for (auto const& [index, chosen] : c) {
    if (!text.empty()) text += '.';
    text += std::to_string(index) + '=' + std::to_string(chosen);
  }
  return text.empty() ? "-" : text;
}

replay::choices replay::parse(std::string_view text) {
  choices c;
  auto const* p = text.data();
  auto const* const end = p + text.size();
  while (p != end) {
    unsigned index = 0, chosen = 0;
    auto const [equals, bad_index] = std::from_chars(p, end, index);
    if (bad_index != std::errc() || equals == end) break;
    auto const [rest, bad_choice] = std::from_chars(equals + 1, end, chosen);
    if (bad_choice != std::errc()) break;
    c[index] = chosen;
    p = rest == end ? end : rest + 1;
  }
  return c;
}

replay::choices replay::of(std::vector<answer> const& answers) {
  choices c;
  for (unsigned i = 0; i != answers.size(); ++i)
    if (answers[i].chosen != 0) c[i] = answers[i].chosen;
  return c;
}

}  // namespace weft_model
