// expect-error: run takes a callable with its arguments, or an awaitable alone
#include <weft/weft.hpp>

int add(int a, int b) { return a + b; }

int main() { return weft::run(add, 1); }
