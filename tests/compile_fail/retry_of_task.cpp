// expect-error: retry takes a callable
#include <weft/weft.hpp>

weft::task<int> fetch() { co_return 1; }

int main() { static_cast<void>(weft::retry({.tries = 3}, fetch())); }
