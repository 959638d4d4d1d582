// The parser of serve, against what it must take and refuse, against every way to cut it in pieces, and against noise.
#include "../http.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using serve::head_parser;
using serve::status;
using state = head_parser::state;

int failures = 0;
std::uint64_t checks = 0;

void expect(bool right, char const* what, std::string_view input) {
  ++checks;
  if (right) return;
  if (++failures > 20) return;
  std::string shown;
  for (char const c : input.substr(0, 200)) {
    char code[8];
    if (c >= ' ' && c < '\x7F') shown += c;
    else std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c)), shown += code;
  }
  std::printf("%s: \"%s\"\n", what, shown.c_str());
}

/// All that can be seen of a parser that was fed.
struct outcome {
  state now = state::reading;
  std::optional<status> why;
  std::string target, path, query, range, if_range, if_none_match, if_modified_since;
  serve::method what = serve::method::other;
  serve::connection after = serve::connection::keep;
  std::uint64_t length = 0;
  std::size_t used = 0;
  friend bool operator==(outcome const&, outcome const&) = default;
};

outcome end_of(head_parser& p, std::size_t used) {
  auto const& r = p.result();
  outcome o{p.now(),         std::nullopt,        r.target, r.path,  r.query,          r.range, r.if_range,
            r.if_none_match, r.if_modified_since, r.what,   r.after, r.content_length, used};
  if (p.now() == state::refused) o.why = p.why();
  return o;
}

outcome parse(std::string_view text) {
  head_parser p;
  auto const used = p.feed(text);
  return end_of(p, used);
}

outcome parse_in_two(std::string_view text, std::size_t cut) {
  head_parser p;
  auto used = p.feed(text.substr(0, cut));
  if (used == cut) used += p.feed(text.substr(cut));
  return end_of(p, used);
}

outcome parse_byte_by_byte(std::string_view text) {
  head_parser p;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size() && p.now() == state::reading; ++i) used += p.feed(text.substr(i, 1));
  return end_of(p, used);
}

void expect_same_in_pieces(std::string_view text) {
  auto const whole = parse(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    expect(parse_in_two(text, cut) == whole, "another result when cut in two", text);
  expect(parse_byte_by_byte(text) == whole, "another result byte by byte", text);
}

std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

void taken() {
  struct {
    std::string_view target, path, query;
  } const targets[] = {{"/", "/", ""},
                       {"/a", "/a", ""},
                       {"/a/b/", "/a/b/", ""},
                       {"/a%20b.txt", "/a b.txt", ""},
                       {"/%c3%A9", "/\xc3\xa9", ""},
                       {"/a?b=c&d", "/a", "b=c&d"},
                       {"/a?x=%zz", "/a", "x=%zz"},
                       {"/a?", "/a", ""},
                       {"/a..b/c.", "/a..b/c.", ""},
                       {"/a%3Fb", "/a?b", ""},
                       {"http://host:80/x?y", "/x", "y"},
                       {"http://host", "/", ""}};
  for (auto const& t : targets) {
    auto const text = get(t.target);
    auto const o = parse(text + "GET /next");
    expect(o.now == state::done && o.path == t.path && o.query == t.query, "other parts of a target", text);
    expect(o.used == text.size(), "took more or less than the head", text);
    expect_same_in_pieces(text + "more");
  }
  expect(parse("\r\n" + get("/")).now == state::done, "an empty line before is not forgiven", "");
  expect(parse("HEAD / HTTP/1.1\r\nHost:\r\n\r\n").what == serve::method::head, "no HEAD", "");
  auto const after = [](std::string_view version, std::string_view field) {
    return parse("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(field) + "\r\n").after;
  };
  expect(after("1.1", "") == serve::connection::keep, "1.1 keeps the connection", "");
  expect(after("1.1", "connection: foo , CLOSE\r\n") == serve::connection::close, "a list with close closes", "");
  expect(after("1.1", "Connection: closed\r\n") == serve::connection::keep, "closed is not close", "");
  expect(after("1.0", "") == serve::connection::close, "1.0 closes", "");
  expect(after("1.0", "Connection: Keep-Alive\r\n") == serve::connection::keep, "1.0 keeps when asked", "");
  expect(after("1.0", "Connection: keep-alive, close\r\n") == serve::connection::close, "close wins", "");
  auto const fields =
      parse(get("/",
                "Range:\t bytes=1-2 \t\r\nIF-RANGE: \"x\"\r\nif-none-match: *\r\nIf-Modified-Since: then\r\n"
                "Content-Length: 18446744073709551615\r\nX: \xff\x80 y\r\nY:\r\n"));
  expect(fields.now == state::done && fields.range == "bytes=1-2" && fields.if_range == "\"x\"" &&
             fields.if_none_match == "*" && fields.if_modified_since == "then" && fields.length == UINT64_MAX,
         "other fields", "");
  expect(parse("GET / HTTP/1.0\r\n\r\n").now == state::done, "1.0 needs no host", "");
}

void refused() {
  std::string const host = " HTTP/1.1\r\nHost: a\r\n";
  std::string const nul(1, '\0');
  struct {
    std::string text;
    status why;
  } const cases[] = {{"\r\n\r\n", status::bad_request},
                     {"GET /\r\n", status::bad_request},
                     {"GET  / HTTP/1.1\r\n", status::bad_request},
                     {"GET / HTTP/1.1 \r\n", status::bad_request},
                     {" GET / HTTP/1.1\r\n", status::bad_request},
                     {"GET / http/1.1\r\n", status::bad_request},
                     {"GET / HTTP/1.10\r\n", status::bad_request},
                     {"GET / HTTP/11\r\n", status::bad_request},
                     {"GET / HTTP/2.0\r\n", status::version_not_supported},
                     {"GET / HTTP/0.9\r\n", status::version_not_supported},
                     {"GET / HTTP/1.1\n", status::bad_request},
                     {"GET / HTTP/1.1\r\r\n", status::bad_request},
                     {"GET /\rHost", status::bad_request},
                     {"\x16\x03\x01", status::bad_request},
                     {"GET /" + nul, status::bad_request},
                     {"GET /\x7f HTTP/1.1\r\n", status::bad_request},
                     {"GET /\xc3\xa9 HTTP/1.1\r\n", status::bad_request},
                     {"G(T / HTTP/1.1\r\n", status::bad_request},
                     {get("a"), status::bad_request},
                     {get("*"), status::bad_request},
                     {get("https://a/"), status::bad_request},
                     {get("/%"), status::bad_request},
                     {get("/%2"), status::bad_request},
                     {get("/%2g"), status::bad_request},
                     {get("/%00"), status::bad_request},
                     {get("/a#b"), status::bad_request},
                     {get("//a"), status::bad_request},
                     {get("/a//b"), status::bad_request},
                     {get("/a/%2f"), status::bad_request},
                     {get("/.."), status::not_found},
                     {get("/../etc/passwd"), status::not_found},
                     {get("/a/../b"), status::not_found},
                     {get("/%2e%2e/b"), status::not_found},
                     {get("/a/%2E./b"), status::not_found},
                     {get("/a%2f..%2fb"), status::not_found},
                     {get("/./a"), status::not_found},
                     {get("/.git/config"), status::not_found},
                     {"GET / HTTP/1.1\r\n\r\n", status::bad_request},
                     {get("/", "Host: b\r\n"), status::bad_request},
                     {get("/", "Content-Length: 1\r\nContent-Length: 1\r\n"), status::bad_request},
                     {get("/", "Content-Length: 1, 1\r\n"), status::bad_request},
                     {get("/", "Content-Length: +1\r\n"), status::bad_request},
                     {get("/", "Content-Length: -1\r\n"), status::bad_request},
                     {get("/", "Content-Length: 0x1\r\n"), status::bad_request},
                     {get("/", "Content-Length: 18446744073709551616\r\n"), status::bad_request},
                     {get("/", "Content-Length:\r\n"), status::bad_request},
                     {get("/", "Transfer-Encoding: chunked\r\n"), status::not_implemented},
                     {get("/", "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), status::bad_request},
                     {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", status::bad_request},
                     {get("/", "X : y\r\n"), status::bad_request},
                     {get("/", " X: y\r\n"), status::bad_request},
                     {get("/", "\tX: y\r\n"), status::bad_request},
                     {get("/", ": y\r\n"), status::bad_request},
                     {get("/", "X\r\n"), status::bad_request},
                     {get("/", "X: a" + nul + "\r\n"), status::bad_request},
                     {get("/", "X: a\rb\r\n"), status::bad_request},
                     {get("/", "X: a\x1b\r\n"), status::bad_request},
                     {get("/", "Range: a\r\nRange: b\r\n"), status::bad_request},
                     {get("/", "Expect: 100-continue\r\n"), status::expectation_failed},
                     {"POST /" + host + "\r\n", status::method_not_allowed},
                     {"OPTIONS *" + host + "\r\n", status::method_not_allowed},
                     {"get /" + host + "\r\n", status::not_implemented},
                     {"BREW /" + host + "\r\n", status::not_implemented},
                     {"GET /" + std::string(9000, 'a'), status::uri_too_long},
                     {get("/", "X: " + std::string(9000, 'a')), status::fields_too_large},
                     {get("/", "X: " + std::string(8180, 'a') + "\r\nY: " + std::string(8180, 'a') + "\r\n"),
                      status::fields_too_large}};
  for (auto const& c : cases) {
    auto const o = parse(c.text);
    expect(o.now == state::refused && o.why == c.why, "not refused, or for another reason", c.text);
    if (c.text.size() < 1000) expect_same_in_pieces(c.text);
    head_parser p;
    p.feed(c.text);
    expect(p.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 0 && p.now() == state::refused, "takes more after a refusal",
           c.text);
  }
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i) many += "X: y\r\n";
  expect(parse(many + "\r\n").now == state::done, "a hundred fields are too many", many);
  expect(parse(many + "X: y\r\n").why == status::fields_too_large, "a hundred and one fields are not too many", many);
}

void ranges() {
  struct {
    std::string_view field;
    std::uint64_t size;
    serve::range_asked asked;
    serve::byte_range part;
  } const cases[] = {{"bytes=0-0", 10, serve::range_asked::satisfiable, {0, 1}},
                     {"bytes=2-4", 10, serve::range_asked::satisfiable, {2, 3}},
                     {"Bytes=2-", 10, serve::range_asked::satisfiable, {2, 8}},
                     {"bytes=-3", 10, serve::range_asked::satisfiable, {7, 3}},
                     {"bytes=-30", 10, serve::range_asked::satisfiable, {0, 10}},
                     {"bytes=9-99999999999999999", 10, serve::range_asked::satisfiable, {9, 1}},
                     {"bytes=0-18446744073709551615", 10, serve::range_asked::satisfiable, {0, 10}},
                     {"bytes=10-", 10, serve::range_asked::unsatisfiable, {}},
                     {"bytes=-0", 10, serve::range_asked::unsatisfiable, {}},
                     {"bytes=0-", 0, serve::range_asked::unsatisfiable, {}},
                     {"bytes=-1", 0, serve::range_asked::unsatisfiable, {}},
                     {"bytes=4-2", 10, serve::range_asked::none, {}},
                     {"bytes=-", 10, serve::range_asked::none, {}},
                     {"bytes=", 10, serve::range_asked::none, {}},
                     {"bytes=1", 10, serve::range_asked::none, {}},
                     {"bytes=a-b", 10, serve::range_asked::none, {}},
                     {"bytes=1-2,4-5", 10, serve::range_asked::none, {}},
                     {"bytes=18446744073709551616-", 10, serve::range_asked::none, {}},
                     {"lines=1-2", 10, serve::range_asked::none, {}},
                     {"", 10, serve::range_asked::none, {}}};
  for (auto const& c : cases) {
    serve::byte_range part;
    auto const asked = serve::asked_range(c.field, c.size, part);
    expect(asked == c.asked && (asked != serve::range_asked::satisfiable || part == c.part), "another range", c.field);
  }
}

/// Whatever comes, what is done has a path that stays below, what was used is the head or the first wrong byte, and pieces do not matter.
void expect_sane(std::string const& text, std::mt19937_64& random) {
  auto const o = parse(text);
  expect(o.used <= text.size(), "took more than there was", text);
  expect(o.now != state::reading || o.used == text.size(), "left something, and wants more", text);
  if (o.now == state::done) {
    expect(o.path.starts_with('/') && o.path.find('\0') == std::string::npos, "a path that is none", text);
    expect(o.path.find("/.") == std::string::npos && o.path.find("//") == std::string::npos,
           "a path that leads elsewhere", text);
    expect(o.what != serve::method::other, "done with a method that is not served", text);
    expect(std::string_view(text).substr(0, o.used).ends_with("\r\n\r\n"), "an end without an empty line", text);
  }
  expect(parse_in_two(text, random() % (text.size() + 1)) == o, "another result when cut in two", text);
  head_parser pieces;
  std::size_t used = 0;
  while (used < text.size() && pieces.now() == state::reading)
    used += pieces.feed(std::string_view(text).substr(used, 1 + random() % 7));
  expect(end_of(pieces, used) == o, "another result in small pieces", text);
  serve::byte_range part;
  std::uint64_t const size = random() % 20;
  if (serve::asked_range(text, size, part) == serve::range_asked::satisfiable)
    expect(part.size > 0 && part.size <= size && part.first <= size - part.size, "a range outside", text);
}

void noise(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> const good{
      get("/a/b.txt?c=d", "Range: bytes=0-5\r\nConnection: close\r\n"), get("/%41%20/", "Content-Length: 12\r\n"),
      "HEAD http://h/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "bytes=5-9", "bytes=-4"};
  static constexpr char spices[] = "\r\n\r\n\0 \t:/.%?#*-,=0129azAZ\x7f\xff\x80";
  constexpr std::string_view spice(spices, sizeof spices - 1);
  for (int round = 0; round < 40'000; ++round) {
    std::string text;
    if (round % 8 == 0) {
      text.resize(random() % 64);
      for (auto& c : text) c = round % 16 == 0 ? static_cast<char>(random()) : spice[random() % spice.size()];
    } else {
      text = good[random() % good.size()];
      for (auto changes = random() % 4; changes-- > 0 && !text.empty();) {
        auto const at = random() % text.size();
        char const c = random() % 2 ? spice[random() % spice.size()] : static_cast<char>(random());
        switch (random() % 4) {
          case 0: text[at] = c; break;
          case 1: text.insert(at, 1, c); break;
          case 2: text.erase(at, 1 + random() % 3); break;
          default: text.insert(at, text.substr(random() % text.size(), random() % 16)); break;
        }
      }
    }
    expect_sane(text, random);
  }
}

}  // namespace

int main() {
  char const* const given = std::getenv("WEFT_SEED");
  std::uint64_t const seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  taken();
  refused();
  ranges();
  noise(seed);
  std::printf("%llu checks, %d failures, WEFT_SEED=%llu\n", static_cast<unsigned long long>(checks), failures,
              static_cast<unsigned long long>(seed));
  return failures == 0 && checks > 100'000 ? 0 : 1;
}
