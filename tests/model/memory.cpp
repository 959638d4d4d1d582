#include <algorithm>
#include <bit>
#include <model/memory.hpp>

namespace weft_model {
namespace {

constexpr std::size_t most_candidates = 8;  // old values offered at one step

bool acquires(std::memory_order o) noexcept {
  return o == std::memory_order_acquire || o == std::memory_order_consume || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}
bool releases(std::memory_order o) noexcept {
  return o == std::memory_order_release || o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}
bool is_seq_cst(std::memory_order o) noexcept { return o == std::memory_order_seq_cst; }

std::uint64_t changed(change how, std::uint64_t from, std::uint64_t operand, std::size_t bytes) noexcept {
  std::uint64_t to = operand;
  switch (how) {
    case change::exchange: break;
    case change::add: to = from + operand; break;
    case change::subtract: to = from - operand; break;
    case change::bit_or: to = from | operand; break;
    case change::bit_and: to = from & operand; break;
    case change::bit_xor: to = from ^ operand; break;
  }
  return bytes == 8 ? to : to & ((std::uint64_t{1} << (bytes * 8)) - 1);
}

}  // namespace

void memory::begin_execution() noexcept {
  ++execution_;
  known_ = 0;
  locations_.clear();
  stores_.clear();
  touches_.clear();
  events_.clear();
  for (auto& e : events_of_) e.clear();
  stamp_ = 0;
  fences_ = false;
  fence_view_ = {};
}

memory::entry& memory::slot(void const* address) noexcept {
  auto const key = reinterpret_cast<std::uintptr_t>(address);
  // Neighbours stay neighbours.
  auto i = static_cast<std::size_t>((key >> 3) + (((key >> 12) * 0x9E3779B97F4A7C15u) >> 40)) % table_size;
  while (table_[i].execution == execution_ && table_[i].address != address) i = (i + 1) % table_size;
  return table_[i];
}

memory::entry& memory::know(void const* address, std::uint64_t value, unsigned thread, std::uint32_t time) {
  entry& e = slot(address);
  if (e.execution != execution_ && ++known_ > table_size / 2)
    who_.wrong("more atomic objects than the checker has room for", nullptr);
  e = {address, execution_, time, value, nullptr, static_cast<std::uint8_t>(thread), true};
  return e;
}

location& memory::make(entry& e) {
  location& l = locations_.next();
  e.what = &l;
  l.address = e.address;
  l.number = static_cast<std::uint32_t>(locations_.used());
  l.alive = e.alive;
  l.weakened = false;
  l.born_by = e.born_by;
  l.born_at = e.born_at;
  l.users = 1u << e.born_by;
  l.order.clear();
  l.by.fill(nullptr);
  l.last.fill(0);
  l.seq_cst.clear();
  l.newest_seq_cst = nullptr;
  stored& s = place(l, 0);
  s.value = e.value;
  s.thread = e.born_by;
  s.time = e.born_at;
  touched& first = touches_.next();
  first = {e.born_at, &s, nullptr};
  l.by[e.born_by] = &first;
  return l;
}

location& memory::at(void const* address, std::size_t bytes) {
  entry& e = slot(address);
  if (e.execution == execution_ && e.address == address) return e.what ? *e.what : make(e);
  return make(know(address, standing_at(address, bytes), 0, 0));
}

location& memory::use(memory_view& t, void const* address, std::size_t bytes) {
  location& l = at(address, bytes);
  if (!l.alive) who_.wrong("an atomic object is used after its destructor", address);
  if (!t.now.happened.covers(l.born_by, l.born_at))
    who_.wrong("an atomic object is used, and its construction does not happen before", address);
  return l;
}

void memory::construct(memory_view& t, void const* address, std::uint64_t value) {
  know(address, value, t.id, t.now.happened.of(t.id));
}

void memory::destroy(memory_view& t, void const* address) {
  entry& e = slot(address);
  if (e.execution != execution_ || e.address != address) return;
  if (!e.what) {
    if (!e.alive) who_.wrong("an atomic object is destroyed twice", address);
    if (!t.now.happened.covers(e.born_by, e.born_at))
      who_.wrong("an atomic object is destroyed, and its construction does not happen before", address);
    e.alive = false;
    return;
  }
  location& l = *e.what;
  if (!l.alive) who_.wrong("an atomic object is destroyed twice", address);
  if (!t.now.happened.covers(l.born_by, l.born_at))
    who_.wrong("an atomic object is destroyed, and its construction does not happen before", address);
  for (unsigned u = 0; u != most_threads; ++u)
    if (!t.now.happened.covers(u, l.last[u]))
      who_.wrong("an atomic object is destroyed, and another thread's use of it does not happen before", address);
  l.alive = false;
}

// ── what may be read, and where a store may stand ──

std::uint32_t memory::floor(memory_view const& t, location const& l, bool seq_cst) const noexcept {
  auto const newest = static_cast<std::uint32_t>(l.order.size()) - 1;
  if (auto const* const own = l.by[t.id]; newest == 0 || (own && own->which->position == newest)) return newest;
  std::uint32_t lowest = 0;
  for (auto users = l.users; users != 0; users &= users - 1) {
    auto const u = static_cast<unsigned>(std::countr_zero(users));
    for (touched const* a = l.by[u]; a; a = a->before) {
      if (!t.now.seen.covers(u, a->time) && !(seq_cst && fences_ && fence_view_.covers(u, a->time))) continue;
      lowest = std::max(lowest, a->which->position);
      break;
    }
  }
  if (t.now.fence != 0)
    for (seq_cst_event const* e : l.seq_cst)
      if (e->stamp < t.now.fence) lowest = std::max(lowest, e->at->position);
  return lowest;
}

void memory::touch(memory_view& t, location& l, stored& s) {
  auto const time = t.now.happened.of(t.id);
  l.last[t.id] = time;
  if (l.by[t.id] && l.by[t.id]->which == &s) return;
  touched& a = touches_.next();
  a = {time, &s, l.by[t.id]};
  l.by[t.id] = &a;
  l.users |= 1u << t.id;
}

stored& memory::place(location& l, std::uint32_t position) {
  stored& s = stores_.next();
  s.position = position;
  s.continued = false;
  s.handed.empty = true;
  if (position == l.order.size()) {
    l.order.push_back(&s);
    last_age_ = 0;
    return s;
  }
  l.order.insert(l.order.begin() + position, &s);
  for (auto i = position + 1; i < l.order.size(); ++i) l.order[i]->position = i;
  last_age_ = static_cast<unsigned>(l.order.size()) - 1 - position;
  return s;
}

// ── S ──

// The new operation goes behind all that must stand before it. Only what must stand behind it, because it has read something older or was put
// before something, can close a cycle: from there no path may lead back.
bool memory::has_order(memory_view const& t, location const& l, std::uint32_t position, bool writes,
                       message const* read) {
  auto const behind = [&](seq_cst_event const& e) {
    return writes ? e.at->position >= position : e.at->position > position;
  };
  if (auto const* const n = l.newest_seq_cst; !n || (writes ? n->position < position : n->position <= position))
    return true;
  vector_clock before = t.now.strong;
  if (read && !read->empty) before.join(read->strong_from_seq_cst);
  auto const stands_before = [&](seq_cst_event const& e) {
    if (e.index < before.of(e.thread)) return true;
    if (e.of != &l) return false;
    return writes ? e.at->position < position : e.at->position < position || (e.at->position == position && e.writes);
  };
  ++visit_;
  stack_.clear();
  auto const go_to = [&](seq_cst_event* e) {
    if (e->visited == visit_) return;
    e->visited = visit_;
    stack_.push_back(e);
  };
  for (seq_cst_event* e : l.seq_cst)
    if (behind(*e)) go_to(e);
  while (!stack_.empty()) {
    seq_cst_event* const e = stack_.back();
    stack_.pop_back();
    if (stands_before(*e)) return false;
    for (auto const& events : events_of_) {
      auto const next = std::partition_point(events.begin(), events.end(),
                                             [&](auto const* n) { return n->before.of(e->thread) <= e->index; });
      if (next != events.end()) go_to(*next);
    }
    for (seq_cst_event* n : e->of->seq_cst)
      if (n->at->position > e->at->position || (n->at == e->at && e->writes && n != e)) go_to(n);
  }
  return true;
}

void memory::note_seq_cst(memory_view& t, location& l, stored& s, bool writes) {
  seq_cst_event& e = events_.next();
  auto const index = t.now.strong.of(t.id);
  e = {t.id, index, ++stamp_, &l, &s, writes, t.now.strong, 0};
  events_of_[t.id].push_back(&e);
  l.seq_cst.push_back(&e);
  if (!l.newest_seq_cst || s.position > l.newest_seq_cst->position) l.newest_seq_cst = &s;
  t.now.strong.set(t.id, index + 1);
}

// ── the operations ──

void memory::take(memory_view& t, stored const& s, std::memory_order order) {
  if (s.handed.empty) return;
  if (acquires(order)) t.now.join(s.handed.all);
  else if (t.relaxed_reads.empty() || t.relaxed_reads.back() != &s) t.relaxed_reads.push_back(&s);
}

void memory::read(memory_view& t, location& l, stored& s, std::memory_order order) {
  last_age_ = static_cast<unsigned>(l.order.size()) - 1 - s.position;
  touch(t, l, s);
  if (is_seq_cst(order)) {
    if (!s.handed.empty) t.now.strong.join(s.handed.strong_from_seq_cst);
    note_seq_cst(t, l, s, false);
  }
  take(t, s, order);
}

void memory::write(memory_view& t, location& l, stored& s, std::memory_order order, stored const* continues) {
  s.thread = t.id;
  s.time = t.now.happened.of(t.id);
  if (releases(order)) {
    s.handed.all = t.now;
    s.handed.strong_from_seq_cst = is_seq_cst(order) ? t.now.strong : vector_clock{};
    s.handed.empty = false;
  } else if (t.fenced) {
    s.handed.all = t.at_release_fence;
    s.handed.strong_from_seq_cst = {};
    s.handed.empty = false;
  }
  if (continues && !continues->handed.empty) {
    if (s.handed.empty) s.handed = continues->handed;
    else s.handed.join(continues->handed);
  }
  touch(t, l, s);
  if (is_seq_cst(order)) note_seq_cst(t, l, s, true);
}

std::uint64_t memory::load(memory_view& t, location& l, std::memory_order order) {
  advance(t);
  auto const newest = static_cast<std::uint32_t>(l.order.size()) - 1;
  stored* from = l.order[newest];
  auto const lowest = floor(t, l, is_seq_cst(order));
  if (lowest < newest && !who_.only_newest()) {
    candidates_.clear();
    candidates_.push_back(from);
    for (auto p = newest; p-- > lowest && candidates_.size() < most_candidates;)
      if (!is_seq_cst(order) || has_order(t, l, p, false, &l.order[p]->handed)) candidates_.push_back(l.order[p]);
    if (candidates_.size() > 1)
      from = candidates_[who_.choose(question::value, static_cast<unsigned>(candidates_.size()))];
  }
  read(t, l, *from, order);
  advance(t);
  return from->value;
}

void memory::store(memory_view& t, location& l, std::uint64_t value, std::memory_order order) {
  advance(t);
  auto const end = static_cast<std::uint32_t>(l.order.size());
  auto const lowest = floor(t, l, is_seq_cst(order));
  auto position = end;
  if (lowest + 1 < end && !who_.only_newest()) {
    std::array<std::uint32_t, most_candidates> places{end};
    unsigned count = 1;
    for (auto p = end; --p > lowest && count < most_candidates;)
      if (!l.order[p - 1]->continued && (!is_seq_cst(order) || has_order(t, l, p, true, nullptr))) places[count++] = p;
    if (count > 1) position = places[who_.choose(question::place, count)];
  }
  stored& s = place(l, position);
  s.value = value;
  write(t, l, s, order, nullptr);
  advance(t);
}

std::uint64_t memory::read_modify_write(memory_view& t, location& l, change how, std::uint64_t operand,
                                        std::size_t bytes, std::memory_order order) {
  advance(t);
  auto const newest = static_cast<std::uint32_t>(l.order.size()) - 1;
  stored* from = l.order[newest];
  auto const lowest = floor(t, l, is_seq_cst(order));
  if (lowest < newest && !who_.only_newest()) {
    candidates_.clear();
    candidates_.push_back(from);
    for (auto p = newest; p-- > lowest && candidates_.size() < most_candidates;)
      if (!l.order[p]->continued && (!is_seq_cst(order) || has_order(t, l, p + 1, true, &l.order[p]->handed)))
        candidates_.push_back(l.order[p]);
    if (candidates_.size() > 1)
      from = candidates_[who_.choose(question::value, static_cast<unsigned>(candidates_.size()))];
  }
  auto const value = from->value;
  update(t, l, *from, changed(how, value, operand, bytes), order);
  advance(t);
  return value;
}

void memory::update(memory_view& t, location& l, stored& from, std::uint64_t value, std::memory_order order) {
  touch(t, l, from);
  if (is_seq_cst(order) && !from.handed.empty) t.now.strong.join(from.handed.strong_from_seq_cst);
  // What it read synchronises with it first: its own release hands that on.
  auto const strong = t.now.strong;
  take(t, from, order);
  auto const strong_after = t.now.strong;
  t.now.strong = strong;  // what it has acquired is strong for what comes behind it alone
  from.continued = true;
  stored& s = place(l, from.position + 1);
  s.value = value;
  write(t, l, s, order, &from);
  t.now.strong.join(strong_after);
}

bool memory::compare_exchange(memory_view& t, location& l, std::uint64_t& expected, std::uint64_t value, strength s,
                              std::memory_order success, std::memory_order failure) {
  advance(t);
  auto const newest = static_cast<std::uint32_t>(l.order.size()) - 1;
  auto const strict = floor(t, l, true);
  auto const lowest = is_seq_cst(success) && is_seq_cst(failure) ? strict : floor(t, l, false);
  candidates_.clear();
  bool const old_too = !who_.only_newest();
  for (auto p = newest + 1; p-- > lowest && candidates_.size() < most_candidates;) {
    stored* const from = l.order[p];
    bool const equal = from->value == expected;
    bool possible = p == newest;
    if (equal) {
      possible = !from->continued &&
                 (possible || !is_seq_cst(success) || (p >= strict && has_order(t, l, p + 1, true, &from->handed)));
    } else if (is_seq_cst(failure)) {
      possible = possible || (p >= strict && has_order(t, l, p, false, &from->handed));
    } else {
      possible = true;
    }
    if (possible) candidates_.push_back(from);
    if (!old_too) break;
  }
  stored* from = candidates_.front();
  if (candidates_.size() > 1)
    from = candidates_[who_.choose(question::value, static_cast<unsigned>(candidates_.size()))];
  bool done = from->value == expected;
  if (done && s == strength::weak && who_.choose(question::spurious, 2) == 1) done = false;
  if (done) {
    update(t, l, *from, value, success);
  } else {
    expected = from->value;
    read(t, l, *from, failure);
  }
  advance(t);
  return done;
}

void memory::fence(memory_view& t, std::memory_order order) {
  advance(t);
  if (acquires(order)) {
    for (stored const* const s : t.relaxed_reads) t.now.join(s->handed.all);
    t.relaxed_reads.clear();
  }
  if (is_seq_cst(order)) {
    fences_ = true;
    t.now.seen.join(fence_view_);
    fence_view_ = t.now.seen;
    t.now.fence = ++stamp_;
  }
  if (releases(order)) {
    t.at_release_fence = t.now;
    t.fenced = true;
  }
  advance(t);
}

}  // namespace weft_model
