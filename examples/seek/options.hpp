// options: the command line, read as grep reads its own.
#pragma once

#include "needle.hpp"

#include <getopt.h>

#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace seek {

enum class output { lines, counts, names };
enum class binary_files { skipped, as_text };
enum class statistics { off, on };

struct options {
  std::string pattern;
  std::vector<std::string> paths;  ///< none: everything below the current directory
  output what = output::lines;
  letter_case letters = letter_case::matters;
  binary_files binary = binary_files::skipped;
  statistics stats = statistics::off;
  unsigned threads = 0;  ///< 0: as many as there are cores to use
  bool help = false;
};

inline constexpr char usage[] =
    "usage: seek [options] PATTERN [PATH...]\n"
    "Prints every line with the fixed string PATTERN in the files below each PATH, sorted by path and line:\n"
    "what `LC_ALL=C grep -rnFI` finds. Without a PATH, below the current directory; `-` is the standard input.\n"
    "What is below two PATHs is found twice, each time among what is below that PATH.\n"
    "  -c, --count               for each file, the number of lines instead\n"
    "  -l, --files-with-matches  only the names of the files with such a line\n"
    "  -i, --ignore-case         A to Z are the same as a to z\n"
    "  -a, --text                search binary files (those with a NUL byte) as if they were text\n"
    "      --threads N           search with N threads\n"
    "      --stats               at the end, what was searched and how fast, on standard error\n"
    "      --help                this text\n"
    "Exit status: 0 found, 1 not found, 2 something could not be read, 130 interrupted.\n";

/// What is wrong with the command line.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline unsigned parse_threads(std::string_view text) {
  unsigned threads = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads == 0 || threads > 1024)
    throw usage_error("--threads: '" + std::string(text) + "' is not a number from 1 to 1024");
  return threads;
}

inline options parse(int argc, char** argv) {
  enum : int { long_threads = 256, long_stats, long_help };
  static constexpr option long_options[] = {{"count", no_argument, nullptr, 'c'},
                                            {"files-with-matches", no_argument, nullptr, 'l'},
                                            {"ignore-case", no_argument, nullptr, 'i'},
                                            {"text", no_argument, nullptr, 'a'},
                                            {"threads", required_argument, nullptr, long_threads},
                                            {"stats", no_argument, nullptr, long_stats},
                                            {"help", no_argument, nullptr, long_help},
                                            {nullptr, 0, nullptr, 0}};
  options parsed;
  bool counts = false, names = false;
  for (int which; (which = getopt_long(argc, argv, "clia", long_options, nullptr)) != -1;) {
    switch (which) {
      case 'c': counts = true; break;
      case 'l': names = true; break;
      case 'i': parsed.letters = letter_case::ignored; break;
      case 'a': parsed.binary = binary_files::as_text; break;
      case long_threads: parsed.threads = parse_threads(optarg); break;
      case long_stats: parsed.stats = statistics::on; break;
      case long_help: parsed.help = true; return parsed;
      default: throw usage_error("");  // getopt has said what is wrong
    }
  }
  if (names) parsed.what = output::names;
  else if (counts) parsed.what = output::counts;

  if (optind == argc) throw usage_error("the PATTERN is missing");
  parsed.pattern = argv[optind];
  if (parsed.pattern.find('\n') != std::string::npos)
    throw usage_error("a PATTERN of several lines cannot be searched for");
  parsed.paths.assign(argv + optind + 1, argv + argc);
  return parsed;
}

}  // namespace seek
