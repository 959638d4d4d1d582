// expect-error: this stage cannot be called with what the one before it gives
#include <weft/weft.hpp>

#include <string>
#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  weft::pipeline(values) | weft::serial([](std::string const& s) { return s; }) | weft::into([](std::string const&) {});
}
