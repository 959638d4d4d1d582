// What unstolen_path.sh disassembles: a fork and join that nobody steals from. With PLANTED, something that must not be there.
#include <weft/parallel/fork_join.hpp>

#if PLANTED == 1
#include <atomic>
std::atomic<int> planted;
#elif PLANTED == 2
int* planted;
#endif

[[gnu::noinline]] long unstolen_fib(int n) {
  if (n < 2) return n;
#if PLANTED == 1
  ++planted;
#elif PLANTED == 2
  planted = new int(n);
#endif
  auto [a, b] = weft::fork_join([n] { return unstolen_fib(n - 1); }, [n] { return unstolen_fib(n - 2); });
  return a + b;
}
