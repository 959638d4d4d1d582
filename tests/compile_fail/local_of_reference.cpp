// expect-error: local<T> holds an object; for a reference, hold a pointer
#include <weft/weft.hpp>

int number = 0;
weft::local<int&> const reference{number};

int main() { return reference.bound(); }
