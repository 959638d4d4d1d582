// expect-error: deleted
#include <weft/weft.hpp>

int main() {
  // The source is gone at the end of the line, and the token points into it.
  auto const token = weft::stop_source().get_token();
  return token.stop_requested() ? 1 : 0;
}
