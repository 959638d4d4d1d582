// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

#include <vector>

// Without a sink nothing runs.
int main() {
  std::vector<int> const values{1, 2, 3};
  weft::pipeline(values) | weft::serial([](int v) { return v; });
}
