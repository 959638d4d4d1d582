// SHA-1 of messages that fit into one block: the random numbers of the unbalanced tree search.
// Source: FIPS 180-4, section 6.1.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench::uts {

/// The hash, as five big-endian words.
using digest = std::array<std::uint32_t, 5>;

/// The hash of `Words` words of 32 bits, each taken as four bytes, the highest first.
template <std::size_t Words>
  requires(Words <= 13)
constexpr digest sha1(std::array<std::uint32_t, Words> const& message) {
  // The last 16 words of the schedule are kept, in a ring.
  std::array<std::uint32_t, 16> w{};
  for (std::size_t i = 0; i < Words; ++i) w[i] = message[i];
  w[Words] = 0x80000000;
  w[15] = Words * 32;

  digest h{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  auto const round = [&](std::size_t i, std::uint32_t f, std::uint32_t k) {
    if (i >= 16) w[i % 16] = std::rotl(w[(i + 13) % 16] ^ w[(i + 8) % 16] ^ w[(i + 2) % 16] ^ w[i % 16], 1);
    std::uint32_t const next = std::rotl(a, 5) + f + e + k + w[i % 16];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  };
#pragma GCC unroll 20
  for (std::size_t i = 0; i < 20; ++i) round(i, d ^ (b & (c ^ d)), 0x5a827999);
#pragma GCC unroll 20
  for (std::size_t i = 20; i < 40; ++i) round(i, b ^ c ^ d, 0x6ed9eba1);
#pragma GCC unroll 20
  for (std::size_t i = 40; i < 60; ++i) round(i, (b & c) | (d & (b | c)), 0x8f1bbcdc);
#pragma GCC unroll 20
  for (std::size_t i = 60; i < 80; ++i) round(i, b ^ c ^ d, 0xca62c1d6);
  return {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
}

// "abc", the example of the standard, as far as whole words go: "abcd".
static_assert(sha1(std::array<std::uint32_t, 1>{0x61626364}) ==
              digest{0x81fe8bfe, 0x87576c3e, 0xcb22426f, 0x8e578473, 0x82917acf});

}  // namespace bench::uts
