// expect-success
// Programs that take warnings for errors can use small integers.
#pragma GCC diagnostic error "-Wconversion"
#pragma GCC diagnostic error "-Wshadow"
#include <weft/weft.hpp>

#include <cstdint>
#include <functional>
#include <vector>

int main() {
  std::vector<std::uint8_t> const bytes(1000, 1);
  std::vector<std::int16_t> const shorts(1000, 1);
  auto const or_of = weft::parallel_reduce(bytes, std::uint8_t{0}, std::bit_or<>());
  auto const sum = weft::parallel_reduce(bytes, std::uint8_t{0});
  auto const product =
      weft::parallel_transform_reduce(shorts, std::int16_t{1}, std::multiplies<>(), [](std::int16_t v) { return v; });
  weft::parallel_for(std::int8_t{0}, std::int8_t{100}, [](std::int8_t) {});
  weft::parallel_for(std::uint16_t{0}, 100, [](int) {});
  weft::run(weft::parallel_for(std::int8_t{0}, std::int8_t{100}, [](std::int8_t) -> weft::task<> { co_return; }));
  return or_of + sum + product;
}
