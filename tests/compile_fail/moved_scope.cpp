// expect-error: deleted
#include <weft/weft.hpp>

#include <utility>

weft::task<> keeps_the_scope() {
  co_await weft::with_scope([](weft::scope& s) {
    auto const kept = std::move(s);
    static_cast<void>(kept);
  });
}

int main() { weft::run(keeps_the_scope()); }
