// Runs every form in a child process and prints one line for each:
// group, name, text and verdict, separated by tabs.
//
//   constructs_probe         all forms
//   constructs_probe NAME    one form, in this process: for a debugger

#include "probe.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace constructs {
namespace {

constexpr unsigned seconds_per_form = 20;
constexpr unsigned char fresh_byte = 0xcd;
constexpr unsigned char dead_byte = 0xdd;

struct frame_record {
  unsigned char* memory;
  std::size_t size;
  bool released;
};

// What a form left behind, in the order of the words that name it.
enum evidence : int {
  wrong_value = 1,
  exception_escaped = 2,
  destroyed_twice = 4,
  leaked = 8,
  copied_bitwise = 16,
  dead_frame_written = 32,
  stack_grows = 64,
  stale_thread = 128,
};

struct finding {
  evidence bit;
  char const* words;
};

constexpr finding findings[] = {
    {wrong_value, "wrong value"},
    {exception_escaped, "exception"},
    {copied_bitwise, "bitwise copy"},
    {destroyed_twice, "destroyed twice"},
    {leaked, "leak"},
    {dead_frame_written, "dead frame written"},
    {stack_grows, "stack grows"},
    {stale_thread, "another thread's"},
};

std::vector<form>& forms() {
  static std::vector<form> list;
  return list;
}

std::vector<void const*> alive;
int births = 0;
int deaths = 0;
bool died_unborn = false;
std::vector<frame_record> frames;
int noted = 0;

bool is_alive(void const* object) { return std::find(alive.begin(), alive.end(), object) != alive.end(); }

int examine(form const& entry) {
  int found = 0;
  try {
    if (!entry.check()) found |= wrong_value;
  } catch (...) {
    found |= exception_escaped;
  }
  if (deaths > births) {
    found |= destroyed_twice;
  } else if (deaths < births) {
    found |= leaked;
  } else if (died_unborn) {
    found |= copied_bitwise;
  }
  for (frame_record const& frame : frames) {
    if (!frame.released) {
      found |= leaked;
    } else if (std::any_of(frame.memory, frame.memory + frame.size,
                           [](unsigned char byte) { return byte != dead_byte; })) {
      found |= dead_frame_written;
    }
  }
  return found | noted;
}

std::string in_words(int found) {
  if (found == 0) return "safe";
  std::string words;
  for (finding const& each : findings) {
    if ((found & each.bit) == 0) continue;
    words += words.empty() ? "wrong: " : ", ";
    words += each.words;
  }
  return words;
}

std::string verdict_of(form const& entry) {
  if (entry.check == nullptr) return "does not compile";
  pid_t const child = fork();
  if (child < 0) {
    std::perror("constructs_probe: fork");
    std::exit(2);
  }
  if (child == 0) {
    rlimit const no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    // A form that crashes on purpose has nothing to say on the terminal.
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(0xff);
    alarm(seconds_per_form);
    _exit(examine(entry));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return in_words(WEXITSTATUS(status));
  return WTERMSIG(status) == SIGALRM ? "hangs" : "crashes";
}

}  // namespace

void enlist(form const& entry) { forms().push_back(entry); }

void note_birth(void const* object) {
  ++births;
  alive.push_back(object);
}

void note_death(void const* object) {
  ++deaths;
  auto const place = std::find(alive.begin(), alive.end(), object);
  if (place == alive.end()) {
    died_unborn = true;
  } else {
    alive.erase(place);
  }
}

void note_use(void const* object) {
  // Used where nothing was constructed: the bytes got there by themselves.
  if (!is_alive(object)) noted |= copied_bitwise;
}

void note_stack_growth() { noted |= stack_grows; }

void note_stale_thread() { noted |= stale_thread; }

void* allocate_frame(std::size_t size) {
  auto* const memory = static_cast<unsigned char*>(std::malloc(size));
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, fresh_byte, size);
  frames.push_back({memory, size, false});
  return memory;
}

void release_frame(void* frame) {
  auto const place =
      std::find_if(frames.begin(), frames.end(), [frame](frame_record const& each) { return each.memory == frame; });
  if (place == frames.end() || place->released) {
    noted |= destroyed_twice;
    return;
  }
  place->released = true;
  std::memset(place->memory, dead_byte, place->size);
}

[[gnu::noinline]] std::size_t stack_position() { return reinterpret_cast<std::size_t>(__builtin_frame_address(0)); }

}  // namespace constructs

int main(int argument_count, char** arguments) {
  using namespace constructs;
  if (argument_count > 1) {
    for (form const& entry : forms()) {
      if (std::strcmp(entry.name, arguments[1]) != 0) continue;
      if (entry.check == nullptr) return std::puts("does not compile"), 0;
      std::puts(in_words(examine(entry)).c_str());
      return 0;
    }
    std::fprintf(stderr, "constructs_probe: no form is called %s\n", arguments[1]);
    return 2;
  }
  for (form const& entry : forms()) {
    std::string const verdict = verdict_of(entry);
    std::printf("%s\t%s\t%s\t%s\n", entry.group, entry.name, entry.text, verdict.c_str());
    std::fflush(stdout);
  }
  return forms().empty() ? 2 : 0;
}
