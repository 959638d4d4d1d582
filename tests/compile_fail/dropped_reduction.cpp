// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  weft::parallel_reduce(values, 0);
}
