// What crawl makes of pages and addresses: known ones, all their beginnings, and noise. The generator's seed is printed and taken back
// (WEFT_SEED).
#include "../../web/reply.hpp"
#include "../../web/url.hpp"
#include "../html.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

int failures = 0;
std::uint64_t checks = 0;

void expect(std::string_view got, std::string_view wanted, std::string_view input) {
  ++checks;
  if (got == wanted || ++failures > 20) return;
  std::printf("%.*s: \"%.*s\" instead of \"%.*s\"\n", static_cast<int>(input.size()), input.data(),
              static_cast<int>(got.size()), got.data(), static_cast<int>(wanted.size()), wanted.data());
}

/// Its words, with one blank between them, then its links.
std::string seen(std::string_view page) {
  crawl::html read(page);
  std::string all;
  for (char const c : read.text())
    if (c > ' ' || c < 0) all += c;
    else if (!all.empty() && all.back() != ' ') all += ' ';
  if (!all.empty() && all.back() == ' ') all.pop_back();
  for (auto const& link : read.links()) all += " [" + link + ']';
  if (!read.base().empty()) all += " {" + read.base() + '}';
  return all;
}

constexpr struct {
  char const *page, *wanted;
} pages[] = {
    {"", ""},
    {"plain  text\n", "plain text"},
    {"<p>one<b>two</b>three", "one two three"},
    {"<a href=x>y</a>", "y [x]"},
    {"<A\nHREF = \"x y\" >z", "z [x y]"},
    {"<a title='>' href='a\"b'>c", "c [a\"b]"},
    {"<a href=a/b/>c", "c [a/b/]"},
    {"<a href>c<a href=>d<a href=''>e", "c d e [] [] []"},
    {"<area href=m><link href=n><abbr href=o>", " [m]"},
    {"<a data-href=x href=y name=z href=w>", " [y] [w]"},
    {"<base href=/b/><base href=/c/>", " {/b/}"},
    {"a<!-- <a href=x> > -- -->b<!---->c", "a b c"},
    {"a<!DOCTYPE b><?c?></d>e", "a e"},
    {"a<script>if (a < b) '<a href=x>' </Script >b<style>c</style>d", "a b d"},
    {"a<script>b</scrip></script", "a"},
    {"a < b <3 <", "a < b <3 <"},
    {"&lt;a href=x&gt; &amp;amp; &quot;&apos;&#65;&#x42;&#X43;", "<a href=x> &amp; \"'ABC"},
    {"&#233;&#8364;&#x1F600;", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
    {"&#0; &#x110000; &#; &#x; &unknown; & &; &amp", "&#0; &#x110000; &#; &#x; &unknown; & &; &amp"},
    {"<a href='?a=1&amp;b=2'>", " [?a=1&b=2]"},
};

constexpr struct {
  char const *from, *link, *wanted;
} links[] = {
    // RFC 3986, 5.4, as far as there is http.
    {"http://a/b/c/d;p?q", "g", "http://a/b/c/g"},
    {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
    {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"},
    {"http://a/b/c/d;p?q", "/g", "http://a/g"},
    {"http://a/b/c/d;p?q", "//g", "http://g/"},
    {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
    {"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y"},
    {"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q"},
    {"http://a/b/c/d;p?q", "g#s", "http://a/b/c/g"},
    {"http://a/b/c/d;p?q", ";x", "http://a/b/c/;x"},
    {"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"},
    {"http://a/b/c/d;p?q", ".", "http://a/b/c/"},
    {"http://a/b/c/d;p?q", "..", "http://a/b/"},
    {"http://a/b/c/d;p?q", "../g", "http://a/b/g"},
    {"http://a/b/c/d;p?q", "../../g", "http://a/g"},
    {"http://a/b/c/d;p?q", "../../../../g", "http://a/g"},
    {"http://a/b/c/d;p?q", "/./g/../h", "http://a/h"},
    {"http://a/b/c/d;p?q", "g..", "http://a/b/c/g.."},
    {"http://a/b/c/d;p?q", "..g", "http://a/b/c/..g"},
    {"http://a/b/c/d;p?q", "g;x=1/../y", "http://a/b/c/y"},
    {"http://a/b/c/d;p?q", "g?y/../x", "http://a/b/c/g?y/../x"},
    {"http://a/b/c/d;p?q", "mailto:g@h", "refused"},
    {"http://a/b/c/d;p?q", "javascript:g()", "refused"},
    {"http://a/b/c/d;p?q", "a b", "refused"},
    {"https://a:1/", "x/y", "https://a:1/x/y"},
    {"https://a:1/", "//b/../c", "https://b/c"},
    {"https://a", "http://b?c", "http://b/?c"},
    {"https://a", "http://[::1]:2/c", "http://[::1]:2/c"},
    {"https://a", "http://[::1", "refused"},
    {"https://a", "http://::1]/", "refused"},
    {"https://a", "http://[[::1]]/", "refused"},
};

std::string resolved(std::string_view from, std::string_view link) {
  try {
    return web::url::parse(from).resolved(link).to_string();
  } catch (web::bad_url const&) {
    return "refused";
  }
}

void known_ones() {
  for (auto const& [page, wanted] : pages) expect(seen(page), wanted, page);
  for (auto const& [from, link, wanted] : links) expect(resolved(from, link), wanted, link);
  auto const reply = web::reply::parse("HTTP/1.1 200 OK\r\ncontent-TYPE: \tText/HTML;charset=x\r\nContent-Length: 3");
  expect(reply.type, "text/html", "Content-Type");
  expect(std::to_string(reply.length), "3", "Content-Length");
}

/// Whatever it says is right, as long as sanitizers do not complain and it comes to an end.
void cut_and_noisy_ones() {
  char const* const given = std::getenv("WEFT_SEED");
  std::uint64_t const seed = given ? std::strtoull(given, nullptr, 0) : std::random_device()();
  std::printf("WEFT_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  std::string all;
  for (auto const& [page, wanted] : pages) all += page;
  for (std::size_t end = 0; end != all.size(); ++end) seen(std::string(all, 0, end));
  constexpr std::string_view marks = "<>&;=/\"'!-# ax\0\xC3";
  for (int i = 0; i != 20'000; ++i) {
    std::string noise(random() % 60, ' ');
    for (char& c : noise) c = marks[random() % marks.size()];
    auto page = all;
    page.replace(random() % page.size(), random() % 20, noise);
    seen(i % 2 == 0 ? page : noise);
    resolved("http://a/b/c", noise);
    ++checks;
  }
}

}  // namespace

int main() {
  known_ones();
  cut_and_noisy_ones();
  std::printf("%llu checks\n", static_cast<unsigned long long>(checks));
  return failures == 0 && checks > 20'000 ? 0 : 1;
}
