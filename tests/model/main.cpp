// The program: runs models, and says what it found. README.md has the options.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <model/orders.hpp>
#include <model/strategies.hpp>
#include <optional>
#include <string>
#include <string_view>
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
  double seconds = 0;  // for each model; 0: no limit
  double total = 0;    // for all of them
  std::string at;      // a schedule to replay
  bool trace = false, quiet = false;
  std::vector<std::string> names;
  std::string only;  // part, mutant or litmus
  bool orders = false;
};

struct tally {
  std::uint64_t schedules = 0;
  std::uint64_t within_limits = 0;  // of those: depth first
  bool complete = false;            // depth first came to its end
  std::optional<std::vector<answer>> failing;
  std::string what;
  double seconds = 0;
};

explorer& the_explorer() { return explorer::the(); }

using stopwatch = std::chrono::steady_clock;
double since(stopwatch::time_point start) { return std::chrono::duration<double>(stopwatch::now() - start).count(); }

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
    if (until > 0 && (i & 255) == 0 && since(start) > until) return false;
  }
  return true;
}

tally run_part(entry const& e, settings const& s) {
  tally t;
  auto const start = stopwatch::now();
  bool complete = false;
  limits within = e.within;
  if (s.preemptions) within.preemptions = *s.preemptions;
  if (s.deviations) within.deviations = *s.deviations;
  random_walk walk(s.seed);
  by_priority priorities(s.seed);
  bool go_on = explore(e, walk, s.schedules / 2, s.seconds / 3, start, t, complete) || !t.failing;
  go_on = go_on &&
          (explore(e, priorities, s.schedules - s.schedules / 2, s.seconds * 2 / 3, start, t, complete) || !t.failing);
  if (go_on) {
    exhaustive all(within);
    auto const before = t.schedules;
    explore(e, all, s.most_exhaustive, s.seconds, start, t, t.complete);
    t.within_limits = t.schedules - before;
  }
  t.seconds = since(start);
  return t;
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

void print_row(entry const& e, tally const& t, char const* verdict) {
  std::printf("%-46s %11llu %11llu%s %8.1f s  %s\n", e.name, static_cast<unsigned long long>(t.schedules),
              static_cast<unsigned long long>(t.within_limits), t.complete ? " " : "+", t.seconds, verdict);
  std::fflush(stdout);
}

bool check_part(entry const& e, settings const& s) {
  auto const t = run_part(e, s);
  bool const right = !t.failing;
  if (!s.quiet || !right) print_row(e, t, right ? "0 errors" : "1 ERROR");
  if (t.failing) report(e, *t.failing);
  return right;
}

bool check_mutant(entry const& e, settings const& s) {
  auto const t = run_part(e, s);
  if (!s.quiet || !t.failing) print_row(e, t, t.failing ? ("found: " + t.what).c_str() : "NOT FOUND");
  if (t.failing && s.trace) report(e, *t.failing);
  return t.failing.has_value();
}

bool check_litmus(entry const& e, settings const& s) {
  tally t;
  std::set<std::string> seen;
  auto const start = stopwatch::now();
  exhaustive all({exhaustive::no_limit, exhaustive::no_limit});
  explore(e, all, ~std::uint64_t{0}, s.seconds, start, t, t.complete,
          [&](explorer::result const& r) { seen.insert(r.outcome); });
  t.seconds = since(start);
  t.within_limits = t.schedules;
  std::set<std::string> const expected(e.outcomes.begin(), e.outcomes.end());
  // Where the time was too short for all, what was seen must be among what may be.
  bool const right = !t.failing && (t.complete ? seen == expected : std::ranges::includes(expected, seen));
  if (!s.quiet || !right) print_row(e, t, right ? "as the standard says" : "WRONG");
  if (t.failing) report(e, *t.failing);
  else if (!right) {
    for (auto const& o : seen)
      if (!expected.contains(o)) std::printf("  not to be expected: %s\n", o.c_str());
    for (auto const& o : expected)
      if (t.complete && !seen.contains(o)) std::printf("  not seen: %s\n", o.c_str());
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

/// Each order of weft's headers that the models wanted come by, weakened by one step: the models that come by it must find something wrong.
int mutate_orders(std::vector<entry const*> const& models, settings s) {
  std::map<order_site, std::vector<entry const*>> sites;
  auto& orders = order_table::the();
  for (entry const* e : models) {
    random_walk walk(s.seed);
    orders.collect(true);
    for (int i = 0; i != 300; ++i) static_cast<void>(the_explorer().run(e->run, walk));
    orders.collect(false);
    for (order_site const& site : orders.take())
      if (site.file.ends_with(".hpp")) sites[site].push_back(e);
  }
  unsigned killed = 0, survived = 0;
  for (auto const& [site, by] : sites) {
    for (auto const to : weaker(site.what, site.order)) {
      orders.weaken(site, to);
      entry const* killer = nullptr;
      tally t;
      for (entry const* e : by) {
        t = run_part(*e, s);
        if (!t.failing) continue;
        killer = e;
        break;
      }
      orders.restore();
      ++(killer ? killed : survived);
      if (killer && s.quiet) continue;
      std::printf("%-58s -> %-8s %s%s%s\n", print(site).c_str(), name_of(to), killer ? "killed by " : "SURVIVED",
                  killer ? killer->name : "", killer ? (": " + t.what).substr(0, 100).c_str() : "");
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
      "  --preemptions N --deviations N   limits of the depth first search, in place of each model's own\n"
      "  --within N             at most so many schedules depth first\n"
      "  --seconds S            at most so long for each model\n"
      "  --total S              at most so long for all: what is left is shared by the models that are\n"
      "  --seed N\n"
      "  --at STRING            replays one schedule of the model named, and prints its steps\n"
      "  --orders               weakens each memory order of weft's headers in turn, and says whether a model finds "
      "it\n"
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
    else if (a == "--preemptions") s.preemptions = static_cast<unsigned>(std::atoi(value()));
    else if (a == "--deviations") s.deviations = static_cast<unsigned>(std::atoi(value()));
    else if (a == "--seconds") s.seconds = std::atof(value());
    else if (a == "--total") s.total = std::atof(value());
    else if (a == "--seed") s.seed = std::strtoull(value(), nullptr, 10);
    else if (a == "--at") s.at = value();
    else if (a == "--only") s.only = value();
    else if (a == "--orders") s.orders = true;
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
  auto const group = [](entry const& e) {
    return std::string_view(e.name).substr(0, std::string_view(e.name).find(':'));
  };
  std::sort(all.begin(), all.end(), [&](entry const& a, entry const& b) {
    return std::pair(group(a), a.number) < std::pair(group(b), b.number);
  });
  if (s.orders) {
    std::vector<entry const*> parts;
    for (entry const& e : all)
      if (e.is == kind::part && wanted(e, s) && !std::string_view(e.name).starts_with("calibration"))
        parts.push_back(&e);
    return mutate_orders(parts, s);
  }
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
    bool const right = e.is == kind::part     ? check_part(e, s)
                       : e.is == kind::mutant ? check_mutant(e, s)
                                              : check_litmus(e, s);
    if (!right) ++wrong;
  }
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
