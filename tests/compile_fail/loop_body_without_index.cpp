// expect-error: computing_body
#include <weft/weft.hpp>

int main() {
  weft::parallel_for(0, 10, [] {});
}
