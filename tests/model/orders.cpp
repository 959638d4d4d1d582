#include <algorithm>
#include <array>
#include <model/orders.hpp>
#include <string_view>
#include <utility>

namespace weft_model {
namespace {

std::string_view short_name(char const* file) {
  std::string_view name(file);
  auto slash = name.rfind('/');
  if (slash != std::string_view::npos && slash != 0) slash = name.rfind('/', slash - 1);
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

bool same_place(order_site const& s, operation what, where const& w) {
  return s.line == w.line() && s.column == w.column() && s.what == what && s.file == short_name(w.file_name());
}

}  // namespace

char const* name_of(std::memory_order o) noexcept {
  switch (o) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_consume:
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    case std::memory_order_seq_cst: return "seq_cst";
  }
  return "?";
}

std::string print(order_site const& s) {
  static constexpr std::array names{"load", "store", "update", "failed exchange"};
  return s.file + ':' + std::to_string(s.line) + ':' + std::to_string(s.column) + ' ' +
         names[static_cast<std::size_t>(s.what)] + ' ' + name_of(s.order);
}

std::vector<std::memory_order> weaker(operation what, std::memory_order order) {
  using enum std::memory_order;
  switch (order) {
    case seq_cst:
      if (what == operation::store) return {release};
      if (what == operation::update) return {acq_rel};
      return {acquire};
    case acq_rel: return {acquire, release};
    case acquire:
    case consume:
    case release: return {relaxed};
    case relaxed: break;
  }
  return {};
}

order_table order_table::the_one_;

std::vector<order_site> order_table::take() {
  std::sort(seen_.begin(), seen_.end());
  return std::exchange(seen_, {});
}

void order_table::weaken(order_site const& site, std::memory_order to) {
  site_ = site;
  to_ = to;
  weakened_ = busy_ = true;
}

std::memory_order order_table::look(operation what, std::memory_order order, where const& w) {
  if (weakened_) {
    matched_ = order == site_.order && same_place(site_, what, w);
    return matched_ ? to_ : order;
  }
  for (order_site const& s : seen_)
    if (s.order == order && same_place(s, what, w)) return order;
  seen_.push_back({std::string(short_name(w.file_name())), w.line(), w.column(), what, order});
  return order;
}

}  // namespace weft_model
