// The program: runs models, and says what it found. README.md has the options.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <model/orders.hpp>
#include <model/strategies.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft_model {
namespace {

enum class kind { part, mutant, litmus };

struct entry {
  kind is;
  char const* name;
  body run;
  limits within;
  std::vector<std::string> outcomes;
  std::size_t number;  // in the order of their sources
};

std::vector<entry>& registry() {
  static std::vector<entry> all;
  return all;
}

void enter(kind is, char const* name, body run, limits within, std::initializer_list<char const*> outcomes) {
  auto& all = registry();
  all.push_back({is, name, run, within, {outcomes.begin(), outcomes.end()}, all.size()});
}

struct settings {
  std::uint64_t schedules = 20'000;
  std::uint64_t most_exhaustive = ~std::uint64_t{0};
  std::optional<unsigned> preemptions, deviations;
  std::uint64_t seed = 1;
  double seconds = 0;                // for each model; 0: no limit
  double total = 0;                  // for all of them
  std::uint64_t part_schedules = 0;  // random schedules of each part, shared by its models; 0: schedules of each model
  std::uint64_t long_run = 0;        // schedules of all, in slices
  std::string at;                    // a schedule to replay
  bool trace = false, quiet = false;
  std::vector<std::string> names;
  std::string only;  // part, mutant or litmus
  bool orders = false;
  bool compare = false;             // the reduced search with that of each schedule
  unsigned from = 0;                // of the weakened orders the first
  unsigned site = 0;                // of the weakened orders the one with this number; 0: all
  std::vector<std::string> places;  // of the weakened orders those at these places; none: all
};

struct tally {
  std::uint64_t schedules = 0;
  std::uint64_t within_limits = 0;  // of those: depth first
  std::optional<limits> completed;  // the widest limits within which depth first came to its end
  std::optional<std::vector<answer>> failing;
  std::string what;
  double seconds = 0;
};

explorer& the_explorer() { return explorer::the(); }

/// What the program has used of a processor: on a machine that is busy with other things as much is run as on one that is not.
struct stopwatch {
  using time_point = double;
  static double now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
};
double since(stopwatch::time_point start) { return stopwatch::now() - start; }

/// The time of day at which it ends all the same.
std::optional<std::chrono::steady_clock::time_point> the_end;
bool out_of_time() { return the_end && std::chrono::steady_clock::now() > *the_end; }

/// False: an execution went wrong, or the time is over.
bool explore(entry const& e, strategy& by, std::uint64_t most, double until, stopwatch::time_point start, tally& t,
             bool& complete, std::function<void(explorer::result const&)> const& look = {}) {
  complete = false;
  for (std::uint64_t i = 0; i != most; ++i) {
    auto const& r = the_explorer().run(e.run, by);
    ++t.schedules;
    if (!r.right) {
      t.failing = r.answers;
      t.what = r.what;
      return false;
    }
    if (look) look(r);
    if (!by.next()) {
      complete = true;
      return true;
    }
    if ((i & 63) == 0 && ((until > 0 && since(start) > until) || out_of_time())) return false;
  }
  return true;
}

/// One model, in slices: at random, and depth first, first within narrow limits, then within wider ones.
class search {
 public:
  search(entry const& e, settings const& s)
      : e_(e), walk_(s.seed), priorities_(s.seed), most_exhaustive_(s.most_exhaustive) {
    limits own{std::max(e.within.preemptions, 2u), e.within.deviations};
    if (s.preemptions) own.preemptions = *s.preemptions;
    if (s.deviations) own.deviations = *s.deviations;
    if (order_table::the().weakened()) own.deviations = std::max(own.deviations, 1u);
    for (limits const l : {limits{std::min(own.preemptions, 1u), 0}, limits{std::min(own.preemptions, 2u), 0},
                           limits{std::min(own.preemptions, 2u), std::min(own.deviations, 1u)}, own})
      if (stages_.empty() || l.preemptions != stages_.back().preemptions || l.deviations != stages_.back().deviations)
        stages_.push_back(l);
  }

  /// So many schedules, or until so much time has passed since the start; half of them a walk. False: something is wrong.
  bool at_random(std::uint64_t schedules, double until, stopwatch::time_point start) {
    bool complete = false;
    auto const begun = since(start);
    auto const half = until > 0 ? begun + (until - begun) / 2 : 0;
    explore(e_, walk_, schedules / 2, half, start, so_far_, complete);
    if (!so_far_.failing) explore(e_, priorities_, schedules - schedules / 2, until, start, so_far_, complete);
    return !so_far_.failing;
  }

  bool depth_first(double until, stopwatch::time_point start) {
    while (stage_ != stages_.size() && so_far_.within_limits < most_exhaustive_) {
      if (!all_) {
        all_.emplace(stages_[stage_]);
        // Without seq_cst it is others that are old where one is weaker.
        if (auto const* const w = order_table::the().weakened(); w && w->order == std::memory_order_seq_cst)
          all_->focus();
      }
      auto const before = so_far_.schedules;
      bool complete = false;
      explore(e_, *all_, most_exhaustive_ - so_far_.within_limits, until, start, so_far_, complete);
      so_far_.within_limits += so_far_.schedules - before;
      if (!complete) break;
      so_far_.completed = stages_[stage_++];
      all_.reset();
    }
    return !so_far_.failing;
  }

  tally& so_far() noexcept { return so_far_; }
  entry const& model() const noexcept { return e_; }

 private:
  entry const& e_;
  random_walk walk_;
  by_priority priorities_;
  std::vector<limits> stages_;
  std::size_t stage_ = 0;
  std::optional<exhaustive> all_;
  std::uint64_t most_exhaustive_;
  tally so_far_;
};

tally run_part(entry const& e, settings const& s) {
  search by(e, s);
  auto const start = stopwatch::now();
  if (by.at_random(s.schedules, s.seconds * 2 / 3, start)) by.depth_first(s.seconds, start);
  by.so_far().seconds = since(start);
  return by.so_far();
}

/// Fewer choices that still go wrong, by leaving out one after the other.
replay::choices shrink(entry const& e, std::vector<answer> const& failing) {
  auto best = replay::of(failing);
  for (int round = 0, runs = 0; round != 5; ++round) {
    bool better = false;
    for (auto part = best.size(); part >= 1 && runs < 20'000; part = part == 1 ? 0 : (part + 1) / 2) {
      for (std::size_t from = 0; from < best.size() && runs < 20'000;) {
        replay::choices fewer;
        std::size_t i = 0;
        for (auto const& c : best)
          if (i < from || i >= from + part) fewer.insert(c), ++i;
          else ++i;
        replay by(fewer);
        ++runs;
        auto const& r = the_explorer().run(e.run, by);
        auto now = replay::of(r.answers);
        if (!r.right && now.size() < best.size()) {
          best = std::move(now);
          better = true;
        } else {
          from += part;
        }
      }
    }
    if (!better) break;
  }
  return best;
}

void report(entry const& e, std::vector<answer> const& failing) {
  auto const choices = shrink(e, failing);
  replay by(choices);
  auto const& r = the_explorer().run(e.run, by, tracing::mode::on);
  std::printf("%s is wrong: %s\n", e.name, r.right ? "but not when it is run again" : r.what.c_str());
  std::printf("  replay: --at '%s' '%s'\n", replay::print(choices).c_str(), e.name);
  for (auto const& step : r.steps) std::printf("  %s\n", step.c_str());
}

std::string group_of(entry const& e) { return std::string(e.name, std::string_view(e.name).find(':')); }

void print_row(entry const& e, tally const& t, char const* verdict) {
  // Preemptions + deviations: all schedules within these have been run.
  auto const all =
      t.completed ? std::to_string(t.completed->preemptions) + "+" + std::to_string(t.completed->deviations) : "";
  std::printf(
      "%-56s %11llu %11llu %5s %8.1f s  %s\n", e.name, static_cast<unsigned long long>(t.schedules - t.within_limits),
      static_cast<unsigned long long>(t.within_limits), e.is == kind::litmus ? "" : all.c_str(), t.seconds, verdict);
  std::fflush(stdout);
}

/// By part: models, schedules, errors.
class table {
 public:
  void add(entry const& e, tally const& t, bool right) {
    row& r = rows_[group_of(e)];
    ++r.models;
    r.random += t.schedules - t.within_limits;
    r.depth_first += t.within_limits;
    r.wrong += !right;
    r.seconds += t.seconds;
  }
  void print() const {
    if (rows_.empty()) return;
    std::printf("%-16s %6s %14s %14s %6s %9s\n", "part", "models", "at random", "depth first", "errors", "time");
    for (auto const& [name, r] : rows_)
      std::printf("%-16s %6u %14llu %14llu %6u %7.0f s\n", name.c_str(), r.models,
                  static_cast<unsigned long long>(r.random), static_cast<unsigned long long>(r.depth_first), r.wrong,
                  r.seconds);
  }

 private:
  struct row {
    unsigned models = 0, wrong = 0;
    std::uint64_t random = 0, depth_first = 0;
    double seconds = 0;
  };
  std::map<std::string, row> rows_;
};

bool check_part(entry const& e, settings const& s, table& all) {
  auto const t = run_part(e, s);
  bool const right = !t.failing;
  all.add(e, t, right);
  if (!s.quiet || !right) print_row(e, t, right ? "0 errors" : "1 ERROR");
  if (t.failing) report(e, *t.failing);
  return right;
}

/// All models in turn, a slice of time each, again and again, until so many schedules have been run or the time is over.
int run_long(std::vector<entry const*> const& models, settings const& s) {
  std::vector<std::unique_ptr<search>> searches;
  for (entry const* e : models) searches.push_back(std::make_unique<search>(*e, s));
  auto const start = stopwatch::now();
  std::uint64_t run = 0;
  unsigned wrong = 0;
  double slice = 0.05;
  for (unsigned round = 1; wrong == 0 && run < s.long_run && !(s.total > 0 && since(start) > s.total) && !out_of_time();
       ++round) {
    for (auto const& by : searches) {
      tally& t = by->so_far();
      auto const begun = stopwatch::now();
      auto const before = t.schedules;
      bool const right = by->at_random(~std::uint64_t{0}, slice * 2 / 3, begun) && by->depth_first(slice, begun);
      run += t.schedules - before;
      t.seconds += since(begun);
      if (!right) {
        print_row(by->model(), t, "1 ERROR");
        report(by->model(), *t.failing);
        ++wrong;
        break;
      }
      if ((s.total > 0 && since(start) > s.total) || out_of_time()) break;
    }
    std::printf("round %u: %llu of %llu schedules, %.0f s, %u wrong\n", round, static_cast<unsigned long long>(run),
                static_cast<unsigned long long>(s.long_run), since(start), wrong);
    std::fflush(stdout);
    slice = std::min(slice * 2, 10.0);
  }
  table all;
  for (auto const& by : searches) {
    print_row(by->model(), by->so_far(), by->so_far().failing ? "1 ERROR" : "0 errors");
    all.add(by->model(), by->so_far(), !by->so_far().failing);
  }
  all.print();
  return wrong == 0 ? 0 : 1;
}

// However late it is: whether a mistake is found must not depend on what else the machine does. Each is within a few hundred schedules.
bool check_mutant(entry const& e, settings s) {
  constexpr std::uint64_t enough = 20'000;
  s.seconds = 0;
  s.schedules = std::max(s.schedules, enough);
  s.most_exhaustive = std::min(s.most_exhaustive, enough);
  auto const until = std::exchange(the_end, std::nullopt);
  auto const t = run_part(e, s);
  the_end = until;
  if (!s.quiet || !t.failing) print_row(e, t, t.failing ? ("found: " + t.what).c_str() : "NOT FOUND");
  if (t.failing && s.trace) report(e, *t.failing);
  return t.failing.has_value();
}

bool check_litmus(entry const& e, settings const& s) {
  tally t;
  std::set<std::string> seen;
  auto const start = stopwatch::now();
  exhaustive all({exhaustive::no_limit, exhaustive::no_limit});
  bool complete = false;
  explore(e, all, ~std::uint64_t{0}, s.seconds, start, t, complete,
          [&](explorer::result const& r) { seen.insert(r.outcome); });
  t.seconds = since(start);
  t.within_limits = t.schedules;
  std::set<std::string> const expected(e.outcomes.begin(), e.outcomes.end());
  // Where the time was too short for all, what was seen must be among what may be.
  bool const right = !t.failing && (complete ? seen == expected : std::ranges::includes(expected, seen));
  if (!s.quiet || !right) print_row(e, t, right ? "as the standard says" : "WRONG");
  if (t.failing) report(e, *t.failing);
  else if (!right) {
    for (auto const& o : seen)
      if (!expected.contains(o)) std::printf("  not to be expected: %s\n", o.c_str());
    for (auto const& o : expected)
      if (complete && !seen.contains(o)) std::printf("  not seen: %s\n", o.c_str());
  }
  return right;
}

struct all_of_it {
  std::uint64_t schedules = 0;
  bool complete = false;
  std::set<std::string> outcomes;
  std::set<std::uint64_t> classes;
  bool wrong = false;
};

all_of_it run_all(entry const& e, limits within, exhaustive::run how, std::uint64_t most) {
  all_of_it seen;
  exhaustive by(within, how);
  while (!seen.complete && seen.schedules != most) {
    auto const& r = the_explorer().run(e.run, by);
    ++seen.schedules;
    // Where one is wrong, it ends before all its steps have been seen, and others may not be looked for.
    if (!r.right) {
      seen.wrong = seen.complete = true;
      break;
    }
    seen.outcomes.insert(r.outcome);
    seen.classes.insert(by.class_name());
    seen.complete = !by.next();
  }
  return seen;
}

/// Within each of the narrower limits: whether of equivalent schedules one is run at least, and nothing is that should not be.
bool check_reduction(entry const& e, settings const& s) {
  bool right = true;
  auto const widest_preemptions = s.preemptions.value_or(3), widest_deviations = s.deviations.value_or(1);
  for (unsigned deviations = 0; deviations <= widest_deviations; ++deviations)
    for (unsigned preemptions = 0; preemptions <= widest_preemptions; ++preemptions) {
      limits const within{preemptions, deviations};
      auto const all = run_all(e, within, exhaustive::run::each, s.most_exhaustive);
      if (!all.complete) break;
      auto const one = run_all(e, within, exhaustive::run::one_of_equivalent, ~std::uint64_t{0});
      bool const same =
          one.wrong == all.wrong && (all.wrong || (one.outcomes == all.outcomes && one.classes == all.classes));
      right = right && same;
      if (s.quiet && same) continue;
      std::printf("%-56s %u+%u  %9llu schedules, %7llu reduced, of %7zu classes %7zu, of %2zu outcomes %2zu  %s\n",
                  e.name, preemptions, deviations, static_cast<unsigned long long>(all.schedules),
                  static_cast<unsigned long long>(one.schedules), all.classes.size(), one.classes.size(),
                  all.outcomes.size(), one.outcomes.size(),
                  !same       ? "NOT THE SAME"
                  : all.wrong ? "wrong"
                              : "");
      std::fflush(stdout);
    }
  return right;
}

int replay_one(entry const& e, settings const& s) {
  replay by(replay::parse(s.at));
  auto const& r = the_explorer().run(e.run, by, tracing::mode::on);
  for (auto const& step : r.steps) std::printf("%s\n", step.c_str());
  std::printf("%s%s\n", r.right ? "nothing is wrong" : r.what.c_str(), r.outcome.c_str());
  return r.right ? 0 : 1;
}

bool at_a_place(order_site const& site, settings const& s) {
  auto const name = print(site);
  return s.places.empty() ||
         std::any_of(s.places.begin(), s.places.end(), [&](std::string const& p) { return name.starts_with(p); });
}

/// Each order of weft's headers that the models wanted come by, weakened by one step: the models that come by it must find something wrong.
/// `seconds` is for each of these, shared by the models that come by; those that are quick to run have their turn first.
int mutate_orders(std::vector<entry const*> const& models, settings s) {
  struct passer {
    entry const* model;
    double cost;
  };
  std::map<order_site, std::vector<passer>> sites;
  auto& orders = order_table::the();
  for (entry const* e : models) {
    random_walk walk(s.seed);
    orders.collect(true);
    auto const start = stopwatch::now();
    for (int i = 0; i != 300; ++i) static_cast<void>(the_explorer().run(e->run, walk));
    auto const cost = since(start);
    orders.collect(false);
    for (order_site const& site : orders.take())
      if (site.file.ends_with(".hpp") && !site.file.starts_with("parts/")) sites[site].push_back({e, cost});
  }
  unsigned number = 0, killed = 0, survived = 0;
  auto const all_the_time = s.seconds;
  for (auto& [site, by] : sites) {
    std::sort(by.begin(), by.end(), [](passer const& a, passer const& b) { return a.cost < b.cost; });
    if (!at_a_place(site, s)) continue;
    auto const weakened = weaker(site.what, site.order);
    if (weakened.empty()) std::printf("    %-52s\n", print(site).c_str());
    for (auto const to : weakened) {
      ++number;
      if ((s.site != 0 && s.site != number) || number < s.from) {
        std::printf("%3u %-52s\n", number, print(site).c_str());
        continue;
      }
      orders.weaken(site, to);
      entry const* killer = nullptr;
      tally t;
      std::uint64_t schedules = 0;
      auto const start = stopwatch::now();
      auto left = static_cast<double>(by.size());
      for (auto const& [model, cost] : by) {
        if (all_the_time > 0) s.seconds = std::max((all_the_time - since(start)) / left, 0.01);
        --left;
        t = run_part(*model, s);
        schedules += t.schedules;
        if (!t.failing) continue;
        killer = model;
        break;
      }
      orders.restore();
      ++(killer ? killed : survived);
      if (killer && s.quiet) continue;
      std::printf("%3u %-52s -> %-8s ", number, print(site).c_str(), name_of(to));
      if (killer) std::printf("killed by %s: %s\n", killer->name, t.what.substr(0, 100).c_str());
      else
        std::printf("SURVIVED %llu schedules of %zu models\n", static_cast<unsigned long long>(schedules), by.size());
      std::fflush(stdout);
    }
  }
  std::printf("%u weakened orders, %u killed, %u survived\n", killed + survived, killed, survived);
  return survived == 0 ? 0 : 1;
}

[[noreturn]] void usage() {
  std::puts(
      "model [option...] [name or part of one...]\n"
      "  --list                 names of the models\n"
      "  --only WHAT            part, mutant or litmus\n"
      "  --schedules N          random schedules of each model, half a walk, half by priorities\n"
      "  --part-schedules N     random schedules of each part, shared by its models\n"
      "  --long N               all models in turns, in slices of time, until N schedules have been run\n"
      "  --preemptions N --deviations N   limits of the depth first search, in place of each model's own\n"
      "  --compare              whether depth first is as complete as without leaving out equivalent schedules\n"
      "  --within N             at most so many schedules depth first\n"
      "  --wall S               ends after so many seconds of the clock on the wall; the others are of a processor\n"
      "  --seconds S            at most so long for each model\n"
      "  --total S              at most so long for all: what is left is shared by the models that are\n"
      "  --seed N\n"
      "  --at STRING            replays one schedule of the model named, and prints its steps\n"
      "  --orders               weakens each memory order of weft's headers in turn, and says whether a model finds "
      "it\n"
      "  --site N               the N-th of these alone\n"
      "  --from N               the N-th and those behind it\n"
      "  --place FILE:LINE:     those that are there alone; any number of times, and these are then numbered\n"
      "  --trace                prints what was found for a mutant, too\n"
      "  --quiet                prints what is wrong alone, and one line at the end");
  std::exit(2);
}

settings parse(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; ++i) {
    std::string_view const a = argv[i];
    auto const value = [&]() -> char const* { return i + 1 < argc ? argv[++i] : (usage(), nullptr); };
    if (a == "--list") {
      for (entry const& e : registry()) std::puts(e.name);
      std::exit(0);
    }
    if (a == "--schedules") s.schedules = std::strtoull(value(), nullptr, 10);
    else if (a == "--within") s.most_exhaustive = std::strtoull(value(), nullptr, 10);
    else if (a == "--part-schedules") s.part_schedules = std::strtoull(value(), nullptr, 10);
    else if (a == "--long") s.long_run = std::strtoull(value(), nullptr, 10);
    else if (a == "--preemptions") s.preemptions = static_cast<unsigned>(std::atoi(value()));
    else if (a == "--deviations") s.deviations = static_cast<unsigned>(std::atoi(value()));
    else if (a == "--seconds") s.seconds = std::atof(value());
    else if (a == "--total") s.total = std::atof(value());
    else if (a == "--seed") s.seed = std::strtoull(value(), nullptr, 10);
    else if (a == "--at") s.at = value();
    else if (a == "--only") s.only = value();
    else if (a == "--compare") s.compare = true;
    else if (a == "--orders") s.orders = true;
    else if (a == "--wall")
      the_end = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::atoi(value()) * 1000);
    else if (a == "--from") s.from = static_cast<unsigned>(std::atoi(value()));
    else if (a == "--site") s.site = static_cast<unsigned>(std::atoi(value()));
    else if (a == "--place") s.places.emplace_back(value());
    else if (a == "--trace") s.trace = true;
    else if (a == "--quiet") s.quiet = true;
    else if (a.starts_with("--")) usage();
    else s.names.emplace_back(a);
  }
  return s;
}

bool wanted(entry const& e, settings const& s) {
  static constexpr std::array kinds{"part", "mutant", "litmus"};
  if (!s.only.empty() && s.only != kinds[static_cast<std::size_t>(e.is)]) return false;
  return s.names.empty() || std::any_of(s.names.begin(), s.names.end(), [&](std::string const& n) {
           return std::string_view(e.name).find(n) != std::string_view::npos;
         });
}

int run(settings s) {
  auto& all = registry();
  std::sort(all.begin(), all.end(), [&](entry const& a, entry const& b) {
    return std::pair(group_of(a), a.number) < std::pair(group_of(b), b.number);
  });
  if (s.orders || s.long_run != 0) {
    std::vector<entry const*> parts;
    for (entry const& e : all)
      if (e.is == kind::part && wanted(e, s) && !std::string_view(e.name).starts_with("calibration"))
        parts.push_back(&e);
    return s.orders ? mutate_orders(parts, s) : run_long(parts, s);
  }
  table by_part;
  std::map<std::string, std::uint64_t> sizes;
  for (entry const& e : all)
    if (wanted(e, s)) ++sizes[group_of(e)];
  unsigned run = 0, wrong = 0;
  std::uint64_t const before = the_explorer().executions();
  auto const start = stopwatch::now();
  auto left = std::count_if(all.begin(), all.end(), [&](entry const& e) { return wanted(e, s); });
  for (entry const& e : all) {
    if (!wanted(e, s)) continue;
    ++run;
    if (!s.at.empty()) return replay_one(e, s);
    if (s.total > 0) s.seconds = std::max((s.total - since(start)) / static_cast<double>(left), 0.01);
    --left;
    if (s.part_schedules != 0) s.schedules = s.part_schedules / sizes[group_of(e)] + 1;
    bool const right = s.compare              ? check_reduction(e, s)
                       : e.is == kind::part   ? check_part(e, s, by_part)
                       : e.is == kind::mutant ? check_mutant(e, s)
                                              : check_litmus(e, s);
    if (!right) ++wrong;
  }
  if (!s.quiet) by_part.print();
  std::printf("%u models, %llu schedules, %u wrong, %.1f s\n", run,
              static_cast<unsigned long long>(the_explorer().executions() - before), wrong, since(start));
  if (run == 0) std::puts("no model has such a name");
  return wrong == 0 && run != 0 ? 0 : 1;
}

}  // namespace

part::part(char const* name, body run, limits within) { enter(kind::part, name, run, within, {}); }
mutant::mutant(char const* name, body run) { enter(kind::mutant, name, run, {}, {}); }
litmus::litmus(char const* name, body run, std::initializer_list<char const*> outcomes) {
  enter(kind::litmus, name, run, {}, outcomes);
}

}  // namespace weft_model

int main(int argc, char** argv) { return weft_model::run(weft_model::parse(argc, argv)); }
