#include <bit>
#include <model/dependence.hpp>

namespace weft_model {
namespace {
constexpr std::int64_t time_at_first = 1'000'000'000;

std::uint64_t mixed(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
}  // namespace

void dependence::begin() {
  ++execution_;
  step_ = 0;
  past_.fill({});
  for (past& p : past_) p.time = time_at_first;
  found_.clear();
  name_ = taken_ = 0;
  place_.assign(1, 0);
  by_.assign(1, 0);
  for (auto& steps : steps_of_) steps.assign(1, 0);
  running_ = clockwork;
  steps(0);
}

void dependence::steps(unsigned thread) {
  name_ += name_of_step();
  taken_ = 0;
  running_ = thread;
  past_[thread].last[thread] = ++step_;
  place_.push_back(static_cast<std::uint32_t>(steps_of_[thread].size()));
  by_.push_back(static_cast<std::uint8_t>(thread));
  steps_of_[thread].push_back(step_);
}

dependence::object& dependence::at(shared kind, std::uint32_t number) {
  auto& all = objects_[static_cast<std::size_t>(kind)];
  if (number >= all.size()) all.resize(number + 1);
  object& o = all[number];
  if (o.execution != execution_) {
    o.execution = execution_;
    o.changed = 0;
    o.looked_by = 0;
  }
  return o;
}

void dependence::found(std::uint32_t earlier, unsigned later) {
  if (step_ >= from_) found_.push_back({earlier, step_, later});
}

// An order is looked for to the nearest alone. If somebody has looked since the last change, that change comes before what he has looked at.
void dependence::note(object& o, unsigned thread, use how) {
  past& mine = past_[thread];
  auto const unordered = [&](unsigned by, std::uint32_t step) { return by != thread && step > mine.last[by]; };
  if (how == use::changes && o.looked_by != 0) {
    for (auto left = o.looked_by; left != 0; left &= left - 1) {
      auto const by = static_cast<unsigned>(std::countr_zero(left));
      if (unordered(by, o.looked[by])) found(o.looked[by], thread);
    }
    mine.join(o.at_looks);
  } else if (o.changed != 0 && unordered(o.changed_by, o.changed)) {
    found(o.changed, thread);
  }
  if (o.changed != 0) mine.join(o.at_change);
  if (how == use::changes) {
    o.changed = step_;
    o.changed_by = thread;
    o.looked_by = 0;
    o.at_change = mine;
  } else {
    if (o.looked_by == 0) o.at_looks = mine;
    else o.at_looks.join(mine);
    o.looked[thread] = step_;
    o.looked_by |= 1u << thread;
  }
}

// Summed over the steps, so that the order in which they were run does not matter; of each what comes before it.
std::uint64_t dependence::name_of_step() const noexcept {
  if (step_ == 0) return 0;
  auto h = mixed(taken_ + running_ + 1);
  for (unsigned t = 0; t != everybody; ++t) h = (h ^ place_[past_[running_].last[t]]) * 0x9E3779B97F4A7C15u + (h >> 29);
  return mixed(h);
}

}  // namespace weft_model
