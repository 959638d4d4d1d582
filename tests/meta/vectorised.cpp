// What vectorised.sh disassembles: saxpy by parallel_for, with indices of two types, and over a range.
#include <weft/parallel/for_each.hpp>

#include <cstddef>
#include <vector>

void saxpy_int(float a, float const* x, float* y, int n) {
  weft::parallel_for(0, n, [=](int i) { y[i] = a * x[i] + y[i]; });
}

void saxpy_size(float a, std::vector<float> const& x, std::vector<float>& y) {
  weft::parallel_for(std::size_t{0}, x.size(), [&, a](std::size_t i) { y[i] = a * x[i] + y[i]; });
}

void scale_range(float a, std::vector<float>& y) {
  weft::parallel_for(y, [a](float& v) { v *= a; });
}
