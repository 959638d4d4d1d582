// expect-error: the predecessors of a node are nodes, or ranges of nodes
#include <weft/weft.hpp>

int main() {
  weft::graph g;
  g.add([](int i) { return i; }, 42);
}
