// words: how often each word stands in some texts, counted on all cores.
//
// The texts are cut into pieces of about the same size, between words, so that one long page is shared like many short ones. Each part of the
// loop counts into a table of its own, and tables are put together as the parts end.
#pragma once

#include <weft/parallel/reduce.hpp>
#include <weft/parallel/sort.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace crawl {

struct by_text {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>()(s); }
};
using tally = std::unordered_map<std::string, std::uint64_t, by_text, std::equal_to<>>;

struct word_count {
  std::string word;
  std::uint64_t times;
};

struct word_counts {
  std::vector<word_count> words;  ///< the most frequent first, and of those as frequent the first in the alphabet
  std::uint64_t all = 0;
};

/// Letters, digits, and whatever is no ASCII.
[[nodiscard]] inline bool in_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// In small letters (those of ASCII); a number alone is no word.
[[nodiscard]] inline tally count(std::string_view text) {
  tally counted;
  std::string word;
  bool number = true;
  auto const end_word = [&] {
    if (!number) {
      if (auto const known = counted.find(std::string_view(word)); known != counted.end()) ++known->second;
      else counted.emplace(word, 1);
    }
    word.clear();
    number = true;
  };
  for (char const c : text) {
    if (in_word(c)) {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      number = number && c >= '0' && c <= '9';
    } else if (!word.empty()) {
      end_word();
    }
  }
  end_word();
  return counted;
}

[[nodiscard]] inline tally together(tally a, tally b) {
  if (a.size() < b.size()) std::swap(a, b);
  for (auto& [word, times] : b) a[word] += times;
  return a;
}

/// Pieces of about so many bytes, none of which ends within a word.
[[nodiscard]] inline std::vector<std::string_view> pieces(std::vector<std::string_view> const& texts,
                                                          std::size_t size) {
  std::vector<std::string_view> all;
  for (auto text : texts) {
    while (!text.empty()) {
      auto end = std::min(size, text.size());
      while (end < text.size() && in_word(text[end])) ++end;
      all.push_back(text.substr(0, end));
      text.remove_prefix(end);
    }
  }
  return all;
}

[[nodiscard]] inline word_counts count_words(std::vector<std::string_view> const& texts) {
  constexpr std::size_t piece = 64 * 1024;
  auto counted = weft::parallel_transform_reduce(pieces(texts, piece), tally(), together, count);
  word_counts result;
  result.words.reserve(counted.size());
  while (!counted.empty()) {
    auto one = counted.extract(counted.begin());
    result.all += one.mapped();
    result.words.push_back({std::move(one.key()), one.mapped()});
  }
  weft::parallel_sort(result.words, [](word_count const& a, word_count const& b) {
    return a.times != b.times ? a.times > b.times : a.word < b.word;
  });
  return result;
}

}  // namespace crawl
