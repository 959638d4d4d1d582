// expect-error: co_await in a weft::task needs an awaitable
#include <weft/weft.hpp>

weft::task<int> answer() { co_return 42; }
weft::task<int> forgets_to_call() { co_return co_await answer; }

int main() { return weft::run(forgets_to_call()); }
