// expect-error: an outcome of nothing is outcome<weft::unit>
#include <weft/weft.hpp>

#include <utility>

int main() { static_cast<void>(weft::outcome<void>(std::in_place)); }
