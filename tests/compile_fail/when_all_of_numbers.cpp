// expect-error: runnable
#include <weft/weft.hpp>

weft::task<> waits_for_numbers() { co_await weft::when_all(1, 2); }

int main() { weft::run(waits_for_numbers()); }
