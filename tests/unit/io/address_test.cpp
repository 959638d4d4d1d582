#include "support/catch.hpp"

#include <weft/io/address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using Catch::Matchers::ContainsSubstring;
using weft::endpoint;

namespace {

template <class T>
std::vector<int> bytes_of(T const& v) {
  unsigned char bytes[sizeof(T)];
  std::memcpy(bytes, &v, sizeof(T));
  return {bytes, bytes + sizeof(T)};
}

}  // namespace

TEST_CASE("an endpoint prints what it was parsed from") {
  for (std::string const text :
       {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0", "[2001:db8::8:800:200c:417a]:443",
        "[::ffff:192.0.2.1]:8080", "[fe80::1%lo]:1", "unix:/run/socket", "unix:relative", "unix:@abstract",
        "unix:/with:colons:and [brackets]"}) {
    CHECK(endpoint::parse(text).to_string() == text);
    CHECK(endpoint::parse(text) == endpoint::parse(text));
  }
}

TEST_CASE("equal addresses that are written differently are equal") {
  CHECK(endpoint::parse("[0:0:0:0:0:0:0:1]:80") == endpoint::parse("[::1]:80"));
  CHECK(endpoint::parse("[2001:DB8::1]:080") == endpoint::parse("[2001:db8:0::1]:80"));
  CHECK(endpoint::parse("127.0.0.1:1") != endpoint::parse("127.0.0.1:2"));
  CHECK(endpoint::parse("127.0.0.1:1") != endpoint::parse("127.0.0.2:1"));
  CHECK(endpoint::parse("[::]:1") != endpoint::parse("0.0.0.0:1"));
  CHECK(endpoint::parse("unix:/a") != endpoint::parse("unix:/b"));
  CHECK(endpoint() == endpoint());
  CHECK(endpoint() != endpoint::parse("0.0.0.0:0"));
}

TEST_CASE("what is no endpoint is rejected with the text and the reason") {
  struct bad {
    char const* text;
    char const* reason;
  };
  for (auto const& [text, reason] : {bad{"", "port is missing"},
                                     {"127.0.0.1", "port is missing"},
                                     {"127.0.0.1:", "port is missing"},
                                     {"127.0.0.1:http", "not a number"},
                                     {"127.0.0.1:80x", "not a number"},
                                     {"127.0.0.1:-1", "not a number"},
                                     {"127.0.0.1:+1", "not a number"},
                                     {"127.0.0.1: 80", "not a number"},
                                     {"127.0.0.1:65536", "above 65535"},
                                     {"127.0.0.1:99999999999999999999", "above 65535"},
                                     {"127.0.0:80", "not an IPv4 address"},
                                     {"127.0.0.256:80", "not an IPv4 address"},
                                     {"127.0.0.01:80", "not an IPv4 address"},
                                     {"0x7f.0.0.1:80", "not an IPv4 address"},
                                     {"localhost:80", "resolve"},
                                     {":80", "not an IPv4 address"},
                                     {"::1:80", "brackets"},
                                     {"[::1]", "port is missing"},
                                     {"[::1]80", "':'"},
                                     {"[::1]:", "port is missing"},
                                     {"[::1:80", "']'"},
                                     {"[:::1]:80", "not an IPv6 address"},
                                     {"[127.0.0.1]:80", "not an IPv6 address"},
                                     {"[]:80", "not an IPv6 address"},
                                     {"[fe80::1%no-such-interface]:80", "interface"},
                                     {"unix:", "empty"}}) {
    INFO(text);
    CHECK_THROWS_AS(endpoint::parse(text), std::invalid_argument);
    CHECK_THROWS_WITH(endpoint::parse(text),
                      ContainsSubstring(std::string("\"") + text + "\"") && ContainsSubstring(reason));
  }
  CHECK_THROWS_AS(endpoint::parse(std::string_view("127.0.0.1\0:80", 13)), std::invalid_argument);
  CHECK_THROWS_AS(endpoint::parse(std::string_view("unix:/a\0b", 9)), std::invalid_argument);
}

TEST_CASE("an IPv6 address is written in the shortest way that there is, and one way only") {
  struct pair {
    char const* written;
    char const* shortest;
  };
  for (auto const& [written, shortest] :
       {pair{"[0102:0304:0506:0708:090a:0b0c:0d0e:0f10]:1", "[102:304:506:708:90a:b0c:d0e:f10]:1"},
        {"[1:10:100:1000:0:0:0:0]:1", "[1:10:100:1000::]:1"},
        {"[0:0:506:708:90a:b0c:d0e:f10]:1", "[::506:708:90a:b0c:d0e:f10]:1"},
        {"[102:304:0:0:0:b0c:d0e:f10]:1", "[102:304::b0c:d0e:f10]:1"},
        {"[102:304:506:708:90a:b0c:0:0]:1", "[102:304:506:708:90a:b0c::]:1"},
        // Of two runs of zeros as long as each other, the first.
        {"[102:304:0:0:90a:b0c:0:0]:1", "[102:304::90a:b0c:0:0]:1"},
        {"[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"},
        {"[::0001]:1", "[::1]:1"},
        {"[2001:DB8:85A3:8D3:1319:8A2E:370:7348]:1", "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:1"}}) {
    INFO(written);
    CHECK(endpoint::parse(written).to_string() == shortest);
    CHECK(endpoint::parse(written) == endpoint::parse(shortest));
  }
}

TEST_CASE("an IPv6 address may end in the four numbers of an IPv4 one") {
  CHECK(endpoint::parse("[::ffff:192.168.0.1]:1") == endpoint::parse("[::ffff:c0a8:1]:1"));
  CHECK(endpoint::parse("[102:304::128.69.32.17]:1") == endpoint::parse("[102:304::8045:2011]:1"));
  CHECK(endpoint::parse("[1:2:3:4:5:6:255.255.0.1]:1").to_string() == "[1:2:3:4:5:6:ffff:1]:1");
  CHECK(endpoint::parse("[64:ff9b::10.0.0.1]:1").to_string() == "[64:ff9b::a00:1]:1");
  // Too many groups before it, or behind it; in the place of too few; more than four numbers.
  for (std::string const text : {"1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:1.2.3.4",
                                 "::1.2.3.4.5", "::ffff:1.2.3.", "::ffff:.1.2.3", "::ffff:123.12.45.301"}) {
    INFO(text);
    CHECK_THROWS_AS(endpoint::parse("[" + text + "]:80"), std::invalid_argument);
  }
}

TEST_CASE("a port is a number from 0 to 65535, right behind the address") {
  for (std::string const address : {"127.0.0.1", "[2001:db8:85a3::8a2e:370:7334]"}) {
    for (unsigned const port : {0u, 1u, 80u, 32768u, 65535u}) {
      auto const text = address + ":" + std::to_string(port);
      CHECK(endpoint::parse(text).port() == port);
      CHECK(endpoint::parse(text).to_string() == text);
    }
    for (std::string const port :
         {"", ":", ": 1", " :1", ":1 ", ":65536", ":6553600", ":1:1", ":0x1", ":1.0", "::1", "/1"}) {
      INFO(address + port);
      CHECK_THROWS_AS(endpoint::parse(address + port), std::invalid_argument);
    }
  }
}

TEST_CASE("the system gets addresses and ports with their highest byte first") {
  ::sockaddr_storage storage;
  static_cast<void>(endpoint::parse("19.63.129.200:4660").to(storage));
  auto const& four = reinterpret_cast<::sockaddr_in const&>(storage);
  CHECK(bytes_of(four.sin_addr) == std::vector<int>{19, 63, 129, 200});
  CHECK(bytes_of(four.sin_port) == std::vector<int>{0x12, 0x34});
  static_cast<void>(endpoint::parse("[102:304:506:708:90a:b0c:d0e:f10]:4660").to(storage));
  auto const& six = reinterpret_cast<::sockaddr_in6 const&>(storage);
  CHECK(bytes_of(six.sin6_addr) == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  CHECK(bytes_of(six.sin6_port) == std::vector<int>{0x12, 0x34});
}

TEST_CASE("what is almost an IP address is none") {
  for (std::string const text :
       {"", "123", "foo", ":1234", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:", "01022:3:4:5:6:7:8:9",
        " ::1", "::1 ", "1::2::3", "g::1", "1:2:3:192.168.0.1:6:7:8", "64:ff9b::12f.100.30.1", "64:ff9b::123.10a.30.1",
        "::ffff:456.12.45.30", "::ffff:45.256.45.30", "::ffff:45.25.45"}) {
    INFO(text);
    CHECK_THROWS_AS(endpoint::parse("[" + text + "]:80"), std::invalid_argument);
  }
  for (std::string const text : {"", "1", "1.2", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4 ",
                                 " 1.2.3.4", "1.2.3.400", "1.2.3.-4", "1.2.3.a", "0x1.2.3.4", "99999999999.1.1.1"}) {
    INFO(text);
    CHECK_THROWS_AS(endpoint::parse(text + ":80"), std::invalid_argument);
  }
}

TEST_CASE("a path may be as long as the system takes, and no longer") {
  std::string const longest(107, 'x'), abstract = "@" + std::string(107, 'y');
  CHECK(endpoint::unix_path(longest).path() == longest);
  CHECK(endpoint::unix_path(abstract).path() == abstract);
  CHECK_THROWS_AS(endpoint::unix_path(longest + "x"), std::invalid_argument);
  CHECK_THROWS_AS(endpoint::unix_path(abstract + "y"), std::invalid_argument);
}

TEST_CASE("an endpoint survives the way to the system and back") {
  for (std::string const text :
       {"192.0.2.7:1234", "[2001:db8::7]:1234", "[fe80::1%lo]:9", "unix:/a/path", "unix:@name"}) {
    auto const e = endpoint::parse(text);
    ::sockaddr_storage storage;
    auto const length = e.to(storage);
    CHECK(endpoint::from(reinterpret_cast<::sockaddr*>(&storage), length) == e);
    CHECK(storage.ss_family == e.family());
    CHECK(e.with_port(77).port() == 77);
  }
  CHECK(endpoint::loopback(7).to_string() == "127.0.0.1:7");
  CHECK(endpoint::any().to_string() == "0.0.0.0:0");
  // A socket of the other side without a name; too little to be an address at all.
  ::sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;
  auto const e = endpoint::from(reinterpret_cast<::sockaddr*>(&unnamed), sizeof(::sa_family_t));
  CHECK(e.to_string() == "unix:");
  CHECK(e.path().empty());
  CHECK(endpoint::from(reinterpret_cast<::sockaddr*>(&unnamed), 0) == endpoint());
  CHECK(endpoint().to_string().empty());
}

TEST_CASE("no name, a file's name and an abstract name stay what they are on the way from the system and back") {
  auto const from = [](std::string_view name) {
    ::sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::memcpy(a.sun_path, name.data(), name.size());
    return endpoint::from(reinterpret_cast<::sockaddr*>(&a),
                          static_cast<::socklen_t>(offsetof(::sockaddr_un, sun_path) + name.size()));
  };
  ::sockaddr_storage storage;
  auto const& back = reinterpret_cast<::sockaddr_un const&>(storage);
  CHECK(from("").to(storage) == sizeof(::sa_family_t));

  // A file "@name", which to_string could not tell from the abstract name otherwise.
  auto const file = from("@name");
  CHECK(file.to_string() == "unix:./@name");
  CHECK(endpoint::parse(file.to_string()) == file);
  static_cast<void>(file.to(storage));
  CHECK(std::string(back.sun_path) == "./@name");
  auto const no_room = from("@" + std::string(sizeof back.sun_path - 3, 'x'));
  CHECK(no_room.to_string() == "unix:");

  // A file whose name has all the room that there is, and no zero byte behind it.
  std::string const longest(sizeof back.sun_path, 'x');
  CHECK(from(longest).path() == longest);
  CHECK(from(longest).to(storage) == sizeof(::sockaddr_un));
  CHECK(std::string_view(back.sun_path, sizeof back.sun_path) == longest);
}

TEST_CASE("a copied endpoint is one of its own") {
  auto const e = endpoint::parse("unix:/path");
  auto copy = e;
  CHECK(copy == e);
  copy = endpoint::parse("127.0.0.1:1");
  CHECK(e.path() == "/path");
  CHECK(copy.path().empty());
  auto moved = std::move(copy);
  CHECK(moved.port() == 1);
  auto& same = moved;
  moved = same;
  CHECK(moved.port() == 1);
}
