// expect-success
// A body with captures is named before it is awaited: g++ 12 destroys the captures of an unnamed one twice.
#include <weft/weft.hpp>

#include <string>

weft::task<> named_bodies(std::string text) {
  auto const constant = [text](weft::scope& s) -> weft::task<> {
    s.spawn([] {});
    co_return;
  };
  auto variable = [text](weft::scope&) { return text.size(); };
  co_await weft::with_scope(constant);
  auto const size = co_await weft::with_scope(variable, {.limit = 2});
  static_cast<void>(size);
}

int main() { weft::run(named_bodies("text")); }
