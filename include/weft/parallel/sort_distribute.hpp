// Distribution in place: brings the elements of an array into the order of their buckets, as many as a byte or two can number, with every
// worker, in two passes over memory and with a few per cent of extra memory.
//
//   1  classify   each worker takes a stripe. Elements go to buffers of one block for each bucket; a full block goes back to
//                 the front of the stripe, where the elements have already been read.
//
//                   stripe    ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓·········□□□□□□□□□□□□□□□□□□      ▓ blocks of one bucket each   · nothing
//                                        written ▲         ▲ read                □ not yet classified
//
//   2  permute    whole blocks move to where their buckets are. Which goes where is known, so chains of moves (each fills the place
//                 that the next one leaves) are cut into pieces of about equal length, and the block that a piece ends with is saved
//                 before the piece after it begins: pieces run in any order.
//   3  complete   what is left in the buffers, and what sticks out into the bucket after, fills the ends of the buckets.
//
// Source: the passes are those of Axtmann, Witt, Ferizovic, Sanders, "In-place parallel super scalar samplesort" (ESA 2017); the plan
// of the permutation in place of their atomic pointers keeps workers from waiting for each other.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/parallel/sort_order.hpp>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

namespace weft::detail {

/// Says which bucket an element belongs to: calls put(x, bucket) for every element of [first, last), in order, and may throw between
/// two elements. Called from several threads at a time. put takes the element away.
template <class C, class T>
concept bucket_classifier = requires(C const& c, T* p, void (*put)(T&, std::size_t)) { c.each(p, p, put); };

template <relocatable T>
class distribution : pinned {
 public:
  /// Elements in a block: about a kilobyte.
  static constexpr std::size_t block = std::bit_floor(std::max<std::size_t>(1024 / sizeof(T), 8));

  distribution(T* data, std::size_t size, std::size_t buckets, std::size_t stripes) noexcept
      : data_(data),
        size_(size),
        slots_(size / block),
        buckets_(buckets),
        stripes_(std::clamp<std::size_t>(stripes, 1, std::max<std::size_t>(1, slots_))),
        piece_(stripes_ == 1 ? slots_ + 1 : std::max<std::size_t>(16, slots_ / (8 * stripes_))),
        groups_(std::min(buckets, 4 * stripes_)),
        saves_(stripes_ == 1 ? 0 : 18 * stripes_),
        starts_(buckets + 1),
        counts_(stripes_ * buckets),
        whole_(buckets),
        targets_(buckets),
        owners_(slots_ + 1),
        plan_(3 * (slots_ + 1)),
        pieces_(slots_ + saves_ + 1),
        buffers_((stripes_ * buckets + 1) * block),
        saved_((saves_ + groups_) * block),
        stripe_states_(stripes_) {}

  /// Was there memory for it?
  explicit operator bool() const noexcept {
    return starts_ && counts_ && whole_ && targets_ && owners_ && plan_ && pieces_ && buffers_ && saved_ &&
           stripe_states_;
  }

  /// Distributes. Throws what the classifier threw, or weft::stopped, with every element in the array, in any order.
  template <bucket_classifier<T> C>
  void run(C const& classifier);

  /// Where a bucket begins, after run; that of `buckets` is the end.
  [[nodiscard]] std::size_t begin(std::size_t bucket) const noexcept { return starts_[bucket]; }

  /// Gives the memory back that only run needs.
  void release() noexcept {
    counts_.clear(), whole_.clear(), targets_.clear(), owners_.clear();
    plan_.clear(), pieces_.clear(), buffers_.clear(), saved_.clear();
  }

 private:
  static constexpr std::uint32_t nothing = static_cast<std::uint32_t>(-1);

  struct stripe {
    std::size_t first, last;  // elements
    std::size_t written;      // whole blocks end here
    std::size_t read;         // elements before this are in blocks and buffers
    std::exception_ptr failure;
  };
  /// Moves i in [first, last) of the plan: the block at plan[i + 1] goes to plan[i].
  struct piece {
    std::uint32_t first, last;
    std::uint32_t saved;  // where the last one's block is kept, or nothing
    std::uint32_t cycle;  // 1: a whole cycle, whose first target is the last source
  };

  [[nodiscard]] std::size_t first_of_stripe(std::size_t s) const noexcept {
    return s == stripes_ ? size_ : slots_ * s / stripes_ * block;
  }
  [[nodiscard]] T* buffer(std::size_t s, std::size_t bucket) const noexcept {
    return buffers_.data() + (s * buckets_ + bucket) * block;
  }
  /// The block past the last whole one of the array.
  [[nodiscard]] T* overflow() const noexcept { return buffers_.data() + stripes_ * buckets_ * block; }
  [[nodiscard]] T* at_slot(std::size_t slot) const noexcept {
    return slot == slots_ ? overflow() : data_ + slot * block;
  }
  [[nodiscard]] T* saved_block(std::size_t i) const noexcept { return saved_.data() + i * block; }
  [[nodiscard]] std::size_t first_slot(std::size_t bucket) const noexcept {
    return (starts_[bucket] + block - 1) / block;
  }

  template <class C>
  void classify(std::size_t s, stripe& mine, C const& classifier);
  void spill(std::size_t s, stripe const& mine) noexcept;
  void plan_moves(stripe const* stripes) noexcept;
  void cut(std::size_t first, std::size_t last, std::uint32_t is_cycle) noexcept;
  void permute() noexcept;
  void complete() noexcept;
  void complete_bucket(std::size_t bucket, std::size_t group_end, T* saved_head) noexcept;

  T* const data_;
  std::size_t const size_, slots_, buckets_, stripes_, piece_, groups_, saves_;
  std::size_t piece_count_ = 0, saved_count_ = 0;
  std::size_t moves_end_ = 0;           // of the plan
  std::uint32_t overflowed_ = nothing;  // the bucket whose last block lies past the array
  atomic<bool> failed_{false};          // relaxed: it says no more than that a stripe has failed

  raw_array<std::size_t> starts_;    // first element of each bucket
  raw_array<std::uint32_t> counts_;  // of each stripe and bucket: elements left in the buffer
  raw_array<std::uint32_t>
      whole_;  // of each bucket: whole blocks; the one past the array is not counted from permute on
  raw_array<std::uint32_t> targets_;  // of each bucket: where its next block goes
  raw_array<std::uint16_t> owners_;   // of each slot: the bucket of its block, or no_owner
  raw_array<std::uint32_t> plan_;     // of each target its source, then the chains
  raw_array<piece> pieces_;
  raw_array<T> buffers_;
  raw_array<T> saved_;
  raw_array<stripe> stripe_states_;

  static constexpr std::uint16_t no_owner = static_cast<std::uint16_t>(-1);
};

// ── 1: classify ──

template <relocatable T>
template <class C>
void distribution<T>::classify(std::size_t s, stripe& mine, C const& classifier) {
  std::uint32_t* const counts = counts_.data() + s * buckets_;
  std::fill_n(counts, buckets_, 0u);
  T* const buffers = buffer(s, 0);
  T* write = data_ + mine.first;
  std::uint16_t* owner = owners_.data() + mine.first / block;
  auto read = mine.first;
  auto put = [&](T& x, std::size_t bucket) {
    std::uint32_t const filled = counts[bucket];
    T* const in = buffers + bucket * block;
    relocate(&x, in + filled, 1);
    ++read;
    if (filled + 1 != block) [[likely]] {
      counts[bucket] = filled + 1;
    } else {
      relocate(in, write, block);
      write += block;
      *owner++ = static_cast<std::uint16_t>(bucket);
      counts[bucket] = 0;
    }
  };
  constexpr std::size_t chunk = 16 * block;
  worker const* const self = current_worker();
  try {
    for (auto from = mine.first; from != mine.last;) {
      if (failed_.load(memory_order_relaxed)) break;
      if (self && stop_asked(*self)) throw stopped{};
      auto const to = from + std::min(chunk, mine.last - from);
      classifier.each(data_ + from, data_ + to, put);
      from = to;
    }
  } catch (...) {
    failed_.store(true, memory_order_relaxed);
    mine.failure = std::current_exception();
  }
  mine.read = read;
  mine.written = static_cast<std::size_t>(write - data_);
}

/// Back from the buffers to the gap, which is as large as they hold.
template <relocatable T>
void distribution<T>::spill(std::size_t s, stripe const& mine) noexcept {
  T* to = data_ + mine.written;
  for (std::size_t b = 0; b < buckets_; ++b) {
    auto const count = counts_[s * buckets_ + b];
    relocate(buffer(s, b), to, count);
    to += count;
  }
}

template <relocatable T>
template <bucket_classifier<T> C>
void distribution<T>::run(C const& classifier) {
  stripe* const stripes = stripe_states_.data();
  for (std::size_t s = 0; s < stripes_; ++s)
    std::construct_at(stripes + s, stripe{first_of_stripe(s), first_of_stripe(s + 1), 0, 0, {}});
  scope_exit const gone([&]() noexcept { std::destroy_n(stripes, stripes_); });
  auto each = [&](std::size_t s) { classify(s, stripes[s], classifier); };
  for_all_parts(0, stripes_, each);
  if (failed_.load(memory_order_relaxed)) {
    for (std::size_t s = 0; s < stripes_; ++s) spill(s, stripes[s]);
    for (std::size_t s = 0; s < stripes_; ++s)
      if (stripes[s].failure) std::rethrow_exception(stripes[s].failure);
  }
  plan_moves(stripes);
  permute();
  complete();
}

// ── 2: permute ──

template <relocatable T>
void distribution<T>::plan_moves(stripe const* stripes) noexcept {
  std::fill_n(whole_.data(), buckets_, 0u);
  for (std::size_t s = 0; s < stripes_; ++s) {
    auto const first = stripes[s].first / block, written = stripes[s].written / block;
    for (auto slot = first; slot < written; ++slot) ++whole_[owners_[slot]];
    auto const last = s + 1 == stripes_ ? slots_ : stripes[s].last / block;
    std::fill(owners_.data() + written, owners_.data() + last, no_owner);
  }
  owners_[slots_] = no_owner;
  std::size_t start = 0;
  for (std::size_t b = 0; b < buckets_; ++b) {
    starts_[b] = start;
    start += whole_[b] * block;
    for (std::size_t s = 0; s < stripes_; ++s) start += counts_[s * buckets_ + b];
  }
  starts_[buckets_] = start;

  // The source of every slot that is to get another block than it has.
  std::uint32_t* const source = plan_.data();
  std::fill_n(source, slots_ + 1, nothing);
  for (std::size_t b = 0; b < buckets_; ++b) targets_[b] = static_cast<std::uint32_t>(first_slot(b));
  for (std::size_t slot = 0; slot < slots_; ++slot) {
    auto const b = owners_[slot];
    if (b == no_owner) continue;
    auto const first = first_slot(b);
    if (slot >= first && slot < first + whole_[b]) continue;
    while (owners_[targets_[b]] == b) ++targets_[b];
    source[targets_[b]++] = static_cast<std::uint32_t>(slot);
  }

  // Chains: those that begin at an empty slot first, what is left are cycles.
  std::uint32_t* const chains = source + slots_ + 1;
  std::size_t end = 0;
  piece_count_ = saved_count_ = 0;
  auto follow = [&](std::size_t target, std::uint32_t is_cycle) {
    auto const first = end;
    chains[end++] = static_cast<std::uint32_t>(target);
    for (auto to = target; source[to] != nothing;) {
      auto const from = std::exchange(source[to], nothing);
      chains[end++] = from;
      to = from;
    }
    cut(first, end - 1, is_cycle);
  };
  for (std::size_t slot = 0; slot <= slots_; ++slot)
    if (source[slot] != nothing && owners_[slot] == no_owner) follow(slot, 0);
  for (std::size_t slot = 0; slot < slots_; ++slot)
    if (source[slot] != nothing) follow(slot, 1);
  moves_end_ = end;
  overflowed_ = nothing;
  for (std::size_t b = 0; b < buckets_; ++b) {
    if (whole_[b] == 0 || first_slot(b) + whole_[b] <= slots_) continue;
    overflowed_ = static_cast<std::uint32_t>(b);
    --whole_[b];
  }
}

/// One chain as pieces.
template <relocatable T>
void distribution<T>::cut(std::size_t first, std::size_t last, std::uint32_t is_cycle) noexcept {
  auto add = [this](std::size_t from, std::size_t to, std::uint32_t saved, std::uint32_t cycle) {
    pieces_[piece_count_++] = {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), saved, cycle};
  };
  if (last - first <= piece_) return add(first, last, nothing, is_cycle);
  for (auto from = first; from != last;) {
    auto const to = from + std::min(piece_, last - from);
    add(from, to, static_cast<std::uint32_t>(saved_count_++), 0);
    from = to;
  }
}

template <relocatable T>
void distribution<T>::permute() noexcept {
  std::uint32_t const* const chains = plan_.data() + slots_ + 1;
  // A piece's last source is the first target of the piece after it.
  for (std::size_t i = 0; i < piece_count_; ++i)
    if (auto const& p = pieces_[i]; p.saved != nothing) relocate(at_slot(chains[p.last]), saved_block(p.saved), block);
  auto run_piece = [&](piece const& p) {
    alignas(T) std::byte storage[block * sizeof(T)];
    T* const aside = reinterpret_cast<T*>(storage);
    if (p.cycle != 0) relocate(at_slot(chains[p.last]), aside, block);
    for (auto i = p.first; i + 1 < p.last; ++i) relocate(at_slot(chains[i + 1]), at_slot(chains[i]), block);
    T* const last = p.cycle != 0 ? aside : p.saved != nothing ? saved_block(p.saved) : at_slot(chains[p.last]);
    relocate(last, at_slot(chains[p.last - 1]), block);
  };
  auto const groups = 8 * stripes_;
  auto first_of_group = [&](std::size_t g) {
    return std::partition_point(pieces_.data(), pieces_.data() + piece_count_,
                                [&](piece const& p) { return p.first < moves_end_ * g / groups; });
  };
  auto each = [&](std::size_t g) {
    for (auto p = first_of_group(g), end = first_of_group(g + 1); p != end; ++p) run_piece(*p);
  };
  for_all_parts(0, groups, each);
}

// ── 3: complete ──

template <relocatable T>
void distribution<T>::complete() noexcept {
  auto first_of_group = [this](std::size_t g) { return buckets_ * g / groups_; };
  // What sticks out of a group into the one after it, before that fills the place.
  for (std::size_t g = 0; g + 1 < groups_; ++g) {
    auto const end = first_of_group(g + 1);
    auto bucket = end;
    while (bucket != first_of_group(g) && whole_[bucket - 1] == 0) --bucket;
    if (bucket == first_of_group(g)) continue;
    --bucket;
    auto const last = (first_slot(bucket) + whole_[bucket]) * block;
    if (last > starts_[end]) relocate(data_ + starts_[end], saved_block(saves_ + g), last - starts_[end]);
  }
  auto each = [&](std::size_t g) {
    for (auto b = first_of_group(g); b != first_of_group(g + 1); ++b)
      complete_bucket(b, starts_[first_of_group(g + 1)], saved_block(saves_ + g));
  };
  for_all_parts(0, groups_, each);
}

template <relocatable T>
void distribution<T>::complete_bucket(std::size_t bucket, std::size_t group_end, T* saved_head) noexcept {
  auto const begin = starts_[bucket], end = starts_[bucket + 1];
  auto const whole_begin = whole_[bucket] == 0 ? end : first_slot(bucket) * block;
  auto const whole_end = whole_[bucket] == 0 ? end : whole_begin + whole_[bucket] * block;
  // The raw places are those before and behind the whole blocks.
  auto to = begin;
  auto pour = [&](T* from, std::size_t count) {
    if (to < whole_begin) {
      auto const here = std::min(count, whole_begin - to);
      relocate(from, data_ + to, here);
      from += here, count -= here, to += here;
    }
    if (count == 0) return;
    if (to == whole_begin) to = whole_end;
    relocate(from, data_ + to, count);
    to += count;
  };
  if (whole_end > end) {
    auto const in_group = std::min(whole_end, group_end);
    pour(data_ + end, in_group - end);
    if (whole_end > in_group) pour(saved_head, whole_end - in_group);
  }
  if (bucket == overflowed_) pour(overflow(), block);
  for (std::size_t s = 0; s < stripes_; ++s) pour(buffer(s, bucket), counts_[s * buckets_ + bucket]);
}

}  // namespace weft::detail
