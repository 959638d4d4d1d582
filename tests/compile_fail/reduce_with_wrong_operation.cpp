// expect-error: reducing
#include <weft/weft.hpp>

#include <string>
#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  auto const text = weft::parallel_reduce(values, std::string());
  return static_cast<int>(text.size());
}
