// expect-error: spawn keeps what it is given: std::move what cannot be copied
#include <weft/weft.hpp>

weft::task<int> one() { co_return 1; }

int main() {
  auto t = one();
  return weft::spawn(t).get();  // std::move(t): whoever is given a task has it alone
}
