// expect-error: local<T> holds an object
#include <weft/weft.hpp>

int number = 0;
weft::local<int&> const reference{number};

int main() { return reference.bound(); }
