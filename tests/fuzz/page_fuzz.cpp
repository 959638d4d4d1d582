// What examples/fetch and crawl are told by servers: addresses, the head of an answer, pages. An address that is taken has no way to be sent
// as something else, and prints as itself; a link leads to an address without steps up; no page is too broken to be read.
#include "../../examples/crawl/html.hpp"
#include "../../examples/web/reply.hpp"
#include "../../examples/web/url.hpp"
#include "fuzz.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace {

using web::url;
using weft_fuzz::must;

std::optional<url> parsed(std::string_view text) {
  try {
    return url::parse(text);
  } catch (web::bad_url const& e) {
    for (char const c : std::string_view(e.what()))
      must(c >= ' ' && c <= '~', "what a terminal is shown is printable", text);
    return std::nullopt;
  }
}

bool is_same(url const& a, url const& b) {
  return a.how == b.how && a.host == b.host && a.port == b.port && a.target == b.target;
}

void check(url const& u, std::string_view text) {
  must(!u.host.empty() && u.port != 0, "an address has a host and a port", text);
  must(u.host.find_first_of("/?#@[] \r\n") == std::string::npos, "a host is a name or an address", text);
  must(u.target.starts_with('/') && u.target.find('#') == std::string::npos, "a target is a path and a query", text);
  for (char const c : u.target + u.authority) must(url::printable(c), "what is sent is one word", text);
  auto const again = parsed(u.to_string());
  must(again && is_same(*again, u), "an address prints as itself", text);
  auto const name = u.file_name();
  must(!name.empty() && name.front() != '.' && name.find('/') == std::string::npos, "a file's name stays here", text);
}

void check_link(url const& from, std::string_view link) {
  std::optional<url> to;
  try {
    to = from.resolved(link);
  } catch (web::bad_url const&) {
    return;
  }
  check(*to, link);
  auto const path = to->target.substr(0, to->target.find('?')) + '/';
  must(path.find("/./") == std::string::npos && path.find("/../") == std::string::npos, "no step is left", link);
  must(is_same(to->resolved(to->to_string()), *to), "where a link leads is where it leads again", link);
}

void check_answer(std::string_view head) {
  try {
    auto const r = web::reply::parse(head);
    must(r.status >= 100 && r.status <= 999, "a status has three digits", head);
    must(r.length == 0 || r.how == web::framing::length, "a length is told where it counts", head);
    must(r.type.find_first_of("; \tABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos, "a type is plain", head);
    must(r.location.find("\r\n") == std::string::npos, "a field is one line", head);
  } catch (web::bad_reply const&) {
  }
  try {
    static_cast<void>(web::reply::chunk_size(head));
    must(!head.empty() && head[0] != '-' && head[0] != '+', "a size is hexadecimal digits", head);
  } catch (web::bad_reply const&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const text = weft_fuzz::text_of(data, size);
  static auto const home = url::parse("https://host:81/a/b/c?d");
  if (auto const u = parsed(text)) {
    check(*u, text);
    check_link(*u, "../x");
  }
  check_link(home, text);
  check_answer(text);

  crawl::html page(text);
  must(page.text().size() <= 2 * text.size() + 1, "a text is not longer than its page", text);
  must(page.links().size() <= text.size() / 2, "a link takes a tag", text);
  for (auto const& link : page.links()) check_link(home, link);
  if (!page.base().empty()) check_link(home, page.base());
  return 0;
}
