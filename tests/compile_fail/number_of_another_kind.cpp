// expect-success
// A task may return a number of another kind than its result: what the conversion does is said by its type.
#pragma GCC diagnostic error "-Wconversion"
#pragma GCC diagnostic error "-Wsign-conversion"
#include <weft/weft.hpp>

#include <cstddef>

weft::task<std::size_t> size_of(int n) { co_return n; }
weft::task<float> ratio(double d) { co_return d; }

int main() { return static_cast<int>(weft::run(size_of(0))) + static_cast<int>(weft::run(ratio(0.0))); }
