// expect-error: command_word
#include <weft/weft.hpp>

int main() { return weft::run(weft::output(weft::command("make", "-j", 4))).status.code(); }
