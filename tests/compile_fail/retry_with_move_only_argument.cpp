// expect-error: with arguments that can be copied
#include <weft/weft.hpp>

#include <memory>

weft::task<int> fetch(std::unique_ptr<int> p) { co_return *p; }

int main() { static_cast<void>(weft::retry({.tries = 3}, fetch, std::make_unique<int>(1))); }
