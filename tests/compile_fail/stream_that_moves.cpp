// expect-error: resume_on moves a weft::task
#include <weft/weft.hpp>

weft::stream<int> wanders(weft::pool& p) {
  co_await weft::this_task::resume_on(p);
  co_yield 1;
}

int main() {
  weft::pool p;
  auto s = wanders(p);
}
