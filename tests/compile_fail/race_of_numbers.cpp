// expect-error: runnable
#include <weft/weft.hpp>

weft::task<> races_numbers() { co_await weft::race(1, 2); }

int main() { weft::run(races_numbers()); }
