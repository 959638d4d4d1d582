// expect-error: pipeline_source
#include <weft/weft.hpp>

// A source says by std::nullopt that it has ended.
int main() {
  weft::pipeline([] { return 1; }) | weft::into([](int) {});
}
