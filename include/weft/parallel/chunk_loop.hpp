// Loops that keep nothing but what their body writes: a call for each chunk, in whose frame the compiler sees all that the
// inner loop needs.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/parallel/range_split.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace weft::detail {

/// Calls chunk(first, last) for chunks that together are [0, count).
template <class Chunk>
class chunk_work {
 public:
  using accumulator = unit;
  explicit chunk_work(Chunk& chunk) noexcept : chunk_(chunk) {}
  void run(unit&, std::size_t first, std::size_t last) { chunk_(first, last); }
  void combine(unit&, unit&&) noexcept {}

 private:
  Chunk& chunk_;
};

template <class Chunk>
void for_chunks(std::size_t count, loop_options const& o, Chunk chunk) {
  chunk_work<Chunk> work(chunk);
  run_loop(work, count, o);
}

/// A small function object that calling does not change: nobody can tell a call of it from a call of a copy.
template <class F, class... Args>
concept copied_unseen = std::is_object_v<F> && std::is_trivially_copy_constructible_v<F> &&
                        std::is_trivially_destructible_v<F> && sizeof(F) <= 128 && std::invocable<F const&, Args...>;

/// How the loop over a chunk holds its body: chunk_local<F, Args...> f = body. A copy lies in the loop's frame, and no address of it gets out:
/// what it has captured may stay in registers, and the loop may become vector code, whatever its stores are feared to hit.
template <class F, class... Args>
using chunk_local = std::conditional_t<copied_unseen<F, Args...>, F, F&>;

}  // namespace weft::detail
