// expect-error: this function cannot be called with the results of these predecessors
#include <weft/weft.hpp>

#include <string>

int main() {
  weft::graph g;
  auto const number = g.add([] { return 1; });
  g.add([](std::string const& s) { return s; }, number);
}
