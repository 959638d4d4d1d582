// expect-error: forward_range
#include <weft/weft.hpp>

#include <ranges>
#include <sstream>

int main() {
  std::istringstream numbers("1 2 3");
  weft::parallel_for(std::views::istream<int>(numbers), [](int) {});
}
