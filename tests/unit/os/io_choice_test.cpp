#include "support/catch.hpp"

#include <weft/os/cpu_quota.hpp>
#include <weft/os/io_choice.hpp>

#include <cstdlib>
#include <string>
#include <vector>

using weft::io_backend;
using weft::detail::privileges;

namespace {

struct choice {
  io_backend chosen;
  std::vector<std::string> lines;
};

choice choose(io_backend asked, char const* requested, privileges of_program = privileges::usual) {
  choice c{};
  c.chosen =
      weft::detail::chosen_io(asked, requested, of_program, [&](std::string const& line) { c.lines.push_back(line); });
  return c;
}

}  // namespace

TEST_CASE("files are waited for as the program says, else as WEFT_IO says, else by threads") {
  for (char const* const unset : {static_cast<char const*>(nullptr), ""}) {
    CHECK(choose(io_backend::automatic, unset).chosen == io_backend::epoll);
    CHECK(choose(io_backend::epoll, unset).chosen == io_backend::epoll);
    CHECK(choose(io_backend::io_uring, unset).chosen == io_backend::io_uring);
  }
  CHECK(choose(io_backend::automatic, "io_uring").chosen == io_backend::io_uring);
  CHECK(choose(io_backend::epoll, "io_uring").chosen == io_backend::epoll);
  CHECK(choose(io_backend::io_uring, "io_uring").chosen == io_backend::io_uring);
}

TEST_CASE("WEFT_IO=epoll keeps io_uring out, whatever the program says") {
  for (auto const asked : {io_backend::automatic, io_backend::epoll, io_backend::io_uring}) {
    auto const c = choose(asked, "epoll");
    CHECK(c.chosen == io_backend::epoll);
    CHECK(c.lines.empty());
  }
}

TEST_CASE("a program with raised privileges never uses io_uring") {
  for (auto const asked : {io_backend::automatic, io_backend::epoll, io_backend::io_uring})
    for (char const* const requested : {static_cast<char const*>(nullptr), "", "epoll", "io_uring", "nonsense"}) {
      auto const c = choose(asked, requested, privileges::raised);
      CHECK(c.chosen == io_backend::epoll);
      CHECK(c.lines.empty());  // what stands there is not looked at
    }
}

TEST_CASE("a WEFT_IO that is not understood is ignored, with a line that names what was expected") {
  for (std::string const wish : {"nonsense", "IO_URING", "io_uring ", "uring", "1", "\x1b[31m\n"}) {
    auto const c = choose(io_backend::automatic, wish.c_str());
    CHECK(c.chosen == io_backend::epoll);
    REQUIRE(c.lines.size() == 1);
    CHECK_THAT(c.lines[0], Catch::Matchers::ContainsSubstring("expected epoll or io_uring; using epoll"));
    CHECK(c.lines[0].find('\n') == c.lines[0].size() - 1);
    CHECK(c.lines[0].find('\x1b') == std::string::npos);
  }
  auto const c = choose(io_backend::io_uring, "nonsense");
  CHECK(c.chosen == io_backend::io_uring);
  REQUIRE(c.lines.size() == 1);
  CHECK(c.lines[0] == "weft: WEFT_IO=\"nonsense\" is ignored: expected epoll or io_uring; using io_uring\n");
}
