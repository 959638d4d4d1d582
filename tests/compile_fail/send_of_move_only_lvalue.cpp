// expect-error: send
#include <weft/weft.hpp>

#include <memory>

weft::task<> sends_what_it_keeps(weft::channel<std::unique_ptr<int>>& c, std::unique_ptr<int>& mine) {
  co_await c.send(mine);
}

int main() {
  weft::channel<std::unique_ptr<int>> c{1};
  auto mine = std::make_unique<int>(1);
  weft::run(sends_what_it_keeps(c, mine));
}
