// answer: what a server says before the content: the status, and fields about it.
#pragma once

#include "http.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace serve {

inline std::string_view reason(status s) noexcept {
  switch (s) {
    case status::ok: return "OK";
    case status::partial_content: return "Partial Content";
    case status::moved_permanently: return "Moved Permanently";
    case status::not_modified: return "Not Modified";
    case status::bad_request: return "Bad Request";
    case status::not_found: return "Not Found";
    case status::method_not_allowed: return "Method Not Allowed";
    case status::request_timeout: return "Request Timeout";
    case status::content_too_large: return "Content Too Large";
    case status::uri_too_long: return "URI Too Long";
    case status::range_not_satisfiable: return "Range Not Satisfiable";
    case status::expectation_failed: return "Expectation Failed";
    case status::fields_too_large: return "Request Header Fields Too Large";
    case status::internal_error: return "Internal Server Error";
    case status::not_implemented: return "Not Implemented";
    case status::version_not_supported: return "HTTP Version Not Supported";
  }
  return "";
}

/// As HTTP writes times: "Sun, 06 Nov 1994 08:49:37 GMT". Each thread remembers some: the present one is asked for by every request of a
/// second, and that of a file by every request for it.
inline std::string http_date(std::time_t t) {
  struct remembered {
    std::time_t when = -1;
    std::size_t size = 0;
    std::array<char, 40> text{};
  };
  static thread_local std::array<remembered, 8> all;
  auto& known = all[static_cast<std::uint64_t>(t) % all.size()];
  if (known.when != t || known.size == 0) {
    std::tm parts{};
    ::gmtime_r(&t, &parts);
    known.size = std::strftime(known.text.data(), known.text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    known.when = t;
  }
  return std::string(known.text.data(), known.size);
}

/// The type of a file, by its name.
inline std::string_view media_type(std::string_view path) noexcept {
  struct known {
    std::string_view end, type;
  };
  static constexpr known types[] = {{".html", "text/html; charset=utf-8"},
                                    {".css", "text/css; charset=utf-8"},
                                    {".js", "text/javascript; charset=utf-8"},
                                    {".txt", "text/plain; charset=utf-8"},
                                    {".md", "text/plain; charset=utf-8"},
                                    {".json", "application/json"},
                                    {".svg", "image/svg+xml"},
                                    {".png", "image/png"},
                                    {".jpg", "image/jpeg"},
                                    {".gif", "image/gif"},
                                    {".ico", "image/vnd.microsoft.icon"},
                                    {".wasm", "application/wasm"},
                                    {".pdf", "application/pdf"}};
  for (auto const& t : types)
    if (path.ends_with(t.end)) return t.type;
  return "application/octet-stream";
}

inline void add_field(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

/// The first lines of an answer, up to where fields of its own can be added, then an empty line.
inline std::string begin_head(status s, connection after) {
  std::string head;
  head.reserve(512);
  head.append("HTTP/1.1 ").append(std::to_string(static_cast<int>(s))).append(" ").append(reason(s)).append("\r\n");
  add_field(head, "Date", http_date(std::time(nullptr)));
  if (after == connection::close) add_field(head, "Connection", "close");
  return head;
}

/// A whole answer of plain text.
inline std::string text_answer(status s, connection after, method asked, std::string_view text) {
  auto answer = begin_head(s, after);
  if (s == status::method_not_allowed) add_field(answer, "Allow", "GET, HEAD");
  add_field(answer, "Content-Type", "text/plain; charset=utf-8");
  add_field(answer, "Content-Length", std::to_string(text.size()));
  answer += "\r\n";
  if (asked != method::head) answer += text;
  return answer;
}

/// A whole answer that says what went wrong.
inline std::string failure_answer(status s, connection after, method asked) {
  return text_answer(s, after, asked, std::to_string(static_cast<int>(s)) + " " + std::string(reason(s)) + "\n");
}

}  // namespace serve
