// expect-error: weft reports failures by exceptions: compile without -fno-exceptions
// compile-with: -fno-exceptions
#include <weft/weft.hpp>
