// expect-error: a container that into() is to fill must be there afterwards
#include <weft/weft.hpp>

#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  weft::pipeline(values) | weft::into(std::vector<int>());
}
