// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

#include <vector>

// With a stage that waits the pipeline is a task: without co_await nothing happens.
int main() {
  std::vector<int> const values{1, 2, 3};
  weft::pipeline(values) | weft::concurrent(2, [](int) -> weft::task<int> { co_return 1; }) | weft::into([](int) {});
}
