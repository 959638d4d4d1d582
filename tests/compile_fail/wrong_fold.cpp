// expect-error: op is called with a value of init's type
#include <weft/weft.hpp>

#include <string>
#include <vector>

int main() {
  auto const append = [](std::string& so_far, int) { return so_far; };
  static_cast<void>(weft::when_all(std::vector<weft::task<int>>(), std::string(), append));
}
