// options: the command line.
#pragma once

#include <weft/os/cpu_quota.hpp>

#include <getopt.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace run {

enum class printing { lines, jobs };
enum class tags { off, on };
enum class on_failure { go_on, halt };

struct options {
  std::vector<std::string> command;  ///< none: each line is one for the shell
  std::size_t jobs = 1;              ///< at most so many at a time
  std::string file;                  ///< where the lines come from; none: the standard input
  char end_of_line = '\n';
  printing how = printing::lines;
  tags tag = tags::off;
  on_failure failure = on_failure::go_on;
  std::chrono::duration<double> timeout{};  ///< of a job; 0: none
  bool help = false;
};

inline constexpr char usage[] =
    "usage: run [options] [COMMAND [ARG...]]\n"
    "Runs COMMAND for each line of the standard input, several at a time. {} in an ARG stands for the line; if there "
    "is none,\n"
    "the line is the last argument. Without a COMMAND each line is a command for the shell. What the jobs write is "
    "printed as\n"
    "it comes, by whole lines, so that jobs do not mix within one. A job reads nothing: its standard input is empty.\n"
    "  -j, --jobs N          at most N jobs at a time; otherwise as many as there are cores to use\n"
    "  -a, --arg-file FILE   the lines of FILE instead\n"
    "  -0, --null            lines end with a zero byte\n"
    "  -g, --group           print what a job writes when it has ended, all at once\n"
    "  -t, --tag             begin each line that is printed with that of the input and a tab\n"
    "  -x, --halt            when a job fails, end the others and start no more\n"
    "  -T, --timeout SECONDS end a job that takes longer; it has failed\n"
    "      --help            this text\n"
    "Ctrl-C and SIGTERM end all jobs, with all that they have started: by SIGTERM, after two seconds or a second "
    "Ctrl-C by SIGKILL.\n"
    "Exit status: 0 all jobs did well, 123 some failed, 126 a COMMAND could not be run, 127 it was not found, 2 the "
    "command line is\n"
    "wrong or the input cannot be read, 128 + N ended by signal N.\n";

/// What is wrong with the command line.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class Number>
Number parse_number(char const* option, std::string_view text, Number least, Number most) {
  Number number{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= least && number <= most))
    throw usage_error(std::string(option) + ": '" + std::string(text) + "' is not a number that it can be");
  return number;
}

inline options parse(int argc, char** argv) {
  static constexpr option long_options[] = {{"jobs", required_argument, nullptr, 'j'},
                                            {"arg-file", required_argument, nullptr, 'a'},
                                            {"null", no_argument, nullptr, '0'},
                                            {"group", no_argument, nullptr, 'g'},
                                            {"tag", no_argument, nullptr, 't'},
                                            {"halt", no_argument, nullptr, 'x'},
                                            {"timeout", required_argument, nullptr, 'T'},
                                            {"help", no_argument, nullptr, 'h'},
                                            {nullptr, 0, nullptr, 0}};
  options parsed;
  parsed.jobs = weft::usable_cores();
  // +: the first word that is no option is the COMMAND, and what follows is its own.
  for (int which; (which = getopt_long(argc, argv, "+j:a:0gtxT:", long_options, nullptr)) != -1;) {
    switch (which) {
      case 'j': parsed.jobs = parse_number<std::size_t>("--jobs", optarg, 1, 100'000); break;
      case 'a': parsed.file = optarg; break;
      case '0': parsed.end_of_line = '\0'; break;
      case 'g': parsed.how = printing::jobs; break;
      case 't': parsed.tag = tags::on; break;
      case 'x': parsed.failure = on_failure::halt; break;
      case 'T': parsed.timeout = std::chrono::duration<double>(parse_number("--timeout", optarg, 1e-3, 1e9)); break;
      case 'h': parsed.help = true; return parsed;
      default: throw usage_error("");  // getopt has said what is wrong
    }
  }
  parsed.command.assign(argv + optind, argv + argc);
  return parsed;
}

}  // namespace run
