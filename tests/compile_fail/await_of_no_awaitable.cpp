// expect-error: co_await in a weft::task needs an awaitable
#include <weft/weft.hpp>

weft::task<int> waits_for_a_number() { co_return co_await 42; }

int main() { return weft::run(waits_for_a_number()); }
