// needle: finds a fixed string in a text, many places at a time.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace seek {

enum class letter_case { matters, ignored };  // ignored: of ASCII letters

/// A string to be searched for. Two of its bytes that are rare in text are compared at sixteen places at once; the whole
/// string only where both are right. Any thread.
class needle {
 public:
  needle(std::string text, letter_case how) : text_(std::move(text)), folds_(text_.size(), '\0') {
    if (how == letter_case::ignored) fold_letters();
    rarest_ = rarest_byte(text_.size());
    second_ = text_.size() > 1 ? rarest_byte(rarest_) : rarest_;
  }

  /// Where the string first begins in [from, to); null if nowhere. The empty string is at every place but the end.
  [[nodiscard]] char const* find(char const* from, char const* to) const noexcept {
    if (from == to || static_cast<std::size_t>(to - from) < text_.size()) return nullptr;
    if (text_.empty()) return from;
    auto const* const last = to - text_.size();
    auto const* place = from;
#if defined(__SSE2__)
    for (; last - place >= places - 1; place += places)
      if (auto const* const found = find_in_places(place)) return found;
    // What is left overlaps places that have been looked at.
    if (place <= last && last - from >= places - 1) return find_in_places(last - (places - 1));
#endif
    for (; place <= last; ++place)
      if (is_at(place)) return place;
    return nullptr;
  }

 private:
  // A letter and its other case differ in one bit: with that bit set both are the small letter.
  void fold_letters() {
    for (std::size_t i = 0; i < text_.size(); ++i) {
      auto const small = static_cast<char>(text_[i] | case_bit);
      if (small < 'a' || small > 'z') continue;
      text_[i] = small;
      folds_[i] = case_bit;
      folded_ = true;
    }
  }

  [[nodiscard]] std::size_t rarest_byte(std::size_t other_than) const noexcept {
    // Bytes of source code and prose, the commonest first; what is not here is rare.
    constexpr std::string_view common = " etnrisaoldcu_pfmhgb/*;.,()=0v1ywk2x-\"<>:#\n\t3ETASIRNOCLDPUMFGBHVXKWYjqz";
    std::size_t best = other_than == 0 ? 1 : 0;
    for (std::size_t i = 0; i < text_.size(); ++i)
      if (i != other_than && common.find(text_[i]) > common.find(text_[best])) best = i;
    return best;
  }

  [[nodiscard]] bool is_at(char const* place) const noexcept {
    if (!folded_) return std::memcmp(place, text_.data(), text_.size()) == 0;
    for (std::size_t i = 0; i < text_.size(); ++i)
      if (static_cast<char>(place[i] | folds_[i]) != text_[i]) return false;
    return true;
  }

#if defined(__SSE2__)
  static constexpr std::ptrdiff_t places = sizeof(__m128i);

  /// One bit for each of the places: whether the byte of the string with this index is right there.
  [[nodiscard]] unsigned right_byte(char const* place, std::size_t index) const noexcept {
    auto const bytes = _mm_loadu_si128(reinterpret_cast<__m128i const*>(place + index));
    auto const folded = _mm_or_si128(bytes, _mm_set1_epi8(folds_[index]));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(folded, _mm_set1_epi8(text_[index]))));
  }

  [[nodiscard]] char const* find_in_places(char const* first) const noexcept {
    for (auto candidates = right_byte(first, rarest_) & right_byte(first, second_); candidates != 0;
         candidates &= candidates - 1) {
      auto const* const place = first + __builtin_ctz(candidates);
      if (is_at(place)) return place;
    }
    return nullptr;
  }
#endif

  static constexpr char case_bit = 0x20;

  std::string text_;
  std::string folds_;  // for each byte, what is set in the text before the two are compared
  bool folded_ = false;
  std::size_t rarest_ = 0, second_ = 0;
};

}  // namespace seek
