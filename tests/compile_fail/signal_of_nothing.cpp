// expect-error: signal_numbers
#include <weft/weft.hpp>

int main() { return weft::run(weft::signal()); }
