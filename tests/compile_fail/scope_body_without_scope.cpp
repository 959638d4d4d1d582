// expect-error: callable_with
#include <weft/weft.hpp>

weft::task<> takes_none() {
  co_await weft::with_scope([] {});
}

int main() { weft::run(takes_none()); }
