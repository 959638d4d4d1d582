// expect-error: carries objects whose move constructor does not throw
#include <weft/weft.hpp>

struct copied_only {
  copied_only() = default;
  copied_only(copied_only const&) {}
};

int main() { weft::channel<copied_only> c{1}; }
