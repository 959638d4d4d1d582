// expect-error: scanning
#include <weft/weft.hpp>

#include <string>
#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  std::vector<std::string> texts(3);
  weft::parallel_exclusive_scan(values, texts.begin(), std::string());
}
