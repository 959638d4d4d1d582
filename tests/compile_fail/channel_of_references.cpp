// expect-error: carries objects whose move constructor does not throw
#include <weft/weft.hpp>

int main() { weft::channel<int&> c{1}; }
