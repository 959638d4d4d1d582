// The request's head as examples/serve reads it: whatever pieces it comes in, the same is read; what is taken is one head that nobody could
// read otherwise, with a path that stays below; a part of a file that is asked for lies inside it.
#include "../../examples/serve/http.hpp"
#include "fuzz.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

using serve::head_parser;
using weft_fuzz::must;
using state = head_parser::state;

auto all_of(head_parser& p, std::size_t used) {
  auto& r = p.result();
  return std::tuple(p.now(), p.now() == state::refused ? std::optional(p.why()) : std::nullopt, used, r.what, r.target,
                    r.path, r.query, r.after, r.content_length, r.range, r.if_range, r.if_none_match,
                    r.if_modified_since);
}

/// Fed with so many bytes at a time, as the numbers say in turn.
auto read_in_pieces(std::string_view text, std::string_view sizes) {
  head_parser p;
  std::size_t used = 0;
  for (std::size_t i = 0; used < text.size() && p.now() == state::reading; ++i) {
    std::size_t const piece = sizes.empty() ? 1 : 1 + static_cast<unsigned char>(sizes[i % sizes.size()]) % 9u;
    auto const taken = p.feed(text.substr(used, piece));
    must(taken <= piece, "no more is taken than was given", text);
    used += taken;
    must(p.now() != state::reading || taken == std::min(piece, text.size() - used + taken),
         "who reads on has taken all of it", text);
  }
  return all_of(p, used);
}

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// The grammar once more, for heads that were taken: line by line, and for every byte.
void check_taken(std::string_view head, serve::request const& r) {
  must(head.ends_with("\r\n\r\n"), "a head ends with an empty line", head);
  std::vector<std::string_view> lines;
  for (auto rest = head; !rest.empty();) {
    auto const end = rest.find("\r\n");
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 2);
  }
  if (lines.front().empty()) lines.erase(lines.begin());
  must(lines.size() >= 2 && lines.back().empty(), "a head has one empty line, at its end", head);
  lines.pop_back();
  int hosts = 0, lengths = 0;
  for (std::size_t i = 0; i != lines.size(); ++i) {
    auto const line = lines[i];
    for (char const c : line)
      must(c == '\t' || static_cast<unsigned char>(c) >= ' ', "no line has control characters", head);
    if (i == 0) continue;
    must(line[0] != ' ' && line[0] != '\t', "no line continues the one before", head);
    std::string name(line.substr(0, line.find(':')));
    std::transform(name.begin(), name.end(), name.begin(), small);
    must(!name.empty() && name.size() < line.size() && name.find_first_of(" \t\"(),/;<=>?@[\\]{}") == std::string::npos,
         "a field has a name", head);
    hosts += name == "host";
    lengths += name == "content-length";
    must(name != "transfer-encoding", "a coding is not understood", head);
  }
  auto const first = lines.front();
  bool const is_get = first.starts_with("GET "), is_old = first.ends_with(" HTTP/1.0");
  must(is_get || first.starts_with("HEAD "), "what is served is GET and HEAD", head);
  must(r.what == (is_get ? serve::method::get : serve::method::head), "the method is what was asked", head);
  must(std::count(first.begin(), first.end(), ' ') == 2, "the first line has three words", head);
  must(first.substr(first.rfind(' ')).starts_with(" HTTP/1."), "the version is 1", head);
  must(hosts == 1 || (hosts == 0 && is_old), "there is one host", head);
  must(lengths <= 1 && (lengths == 1 || r.content_length == 0), "there is one length", head);

  must(r.path.starts_with('/') && r.path.find('\0') == std::string::npos, "a path begins at the root", head);
  must(r.path.find("/.") == std::string::npos && r.path.find("//") == std::string::npos, "a path stays below", head);
  must(first.find(r.target) != std::string_view::npos, "the target is what was asked", head);
  must(r.target ==
           r.target.substr(0, r.target.find('?')) + (r.target.find('?') == std::string::npos ? "" : "?") + r.query,
       "the target is path and query", head);

  // Asked for in the plainest way, it is the same.
  std::string const plain = (is_get ? "GET " : "HEAD ") + r.target + " HTTP/1.1\r\nHost: a\r\n\r\n";
  head_parser p;
  p.feed(plain);
  must(p.now() == state::done && p.result().path == r.path && p.result().query == r.query,
       "the same target is read again as the same", head);
}

void check_range(std::string_view field, std::uint64_t size) {
  serve::byte_range part;
  if (serve::asked_range(field, size, part) != serve::range_asked::satisfiable) return;
  must(part.size > 0 && part.first < size && part.size <= size - part.first, "a part lies inside", field);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const text = weft_fuzz::text_of(data, size);
  head_parser whole;
  auto const used = whole.feed(text);
  auto const result = all_of(whole, used);
  must(read_in_pieces(text, {}) == result, "byte by byte it is the same", text);
  must(read_in_pieces(text, text.substr(text.size() / 2)) == result, "in pieces it is the same", text);
  must(whole.now() != state::reading || used == text.size(), "who waits for more has taken all", text);
  if (whole.now() == state::done) check_taken(text.substr(0, used), whole.result());
  if (whole.now() != state::reading) must(whole.feed(text) == 0, "who is done takes no more", text);
  for (std::uint64_t const of : {std::uint64_t{0}, std::uint64_t{10}, UINT64_MAX}) {
    check_range(text, of);
    check_range(whole.result().range, of);
  }
  return 0;
}
