// connection: to whoever an address names, in the clear or, where the program is built with OpenSSL, by TLS.
#pragma once

#include "url.hpp"

#include <weft/coro/task.hpp>
#include <weft/io/tcp.hpp>

#ifndef WEB_HTTPS
#define WEB_HTTPS 0
#endif
#if WEB_HTTPS
#include <weft/interop/tls.hpp>
#endif

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace web {

/// Another try may end better.
struct temporary : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// None will.
struct refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class connection {
 public:
  /// Throws refused, where the server's certificate is not good; std::system_error.
  static weft::task<connection> to(url const& at) {
    if (at.how == url::scheme::https && !WEB_HTTPS) throw refused("built without OpenSSL: no https");
    auto stream = co_await weft::tcp_stream::connect(at.host, at.port);
    connection c(std::move(stream));
    if (at.how == url::scheme::https) {
      auto securing = c.secure(at.host);
      co_await std::move(securing);
    }
    co_return c;
  }

#if WEB_HTTPS
  weft::task<std::size_t> read(std::span<std::byte> into) {
    if (!secured_) co_return co_await clear_.read(into);
    std::string failure;
    try {
      co_return co_await secure_.read(into);
    } catch (weft::tls_error const& e) {
      failure = e.what();
    }
    throw temporary(failure);
  }

  weft::task<> write(std::string_view text) {
    if (!secured_) co_return co_await clear_.write(text);
    std::string failure;
    try {
      co_return co_await secure_.write(text);
    } catch (weft::tls_error const& e) {
      failure = e.what();
    }
    throw temporary(failure);
  }

 private:
  weft::task<> secure(std::string const& host) {
    // The system's authorities, or those in SSL_CERT_FILE.
    static weft::tls_context const trusted = weft::tls_context::client();
    std::string failure;
    try {
      secure_ = co_await weft::tls_stream::connect(trusted, std::move(clear_), host);
      secured_ = true;
    } catch (weft::tls_error const& e) {
      failure = e.what();
    }
    if (!secured_) throw refused(failure);
  }

  bool secured_ = false;
  weft::tls_stream secure_;
#else
  auto read(std::span<std::byte> into) { return clear_.read(into); }
  auto write(std::string_view text) { return clear_.write(text); }

 private:
  static weft::task<> secure(std::string const&) { co_return; }  // never called
#endif

  explicit connection(weft::tcp_stream&& s) noexcept : clear_(std::move(s)) {}
  weft::tcp_stream clear_;
};

}  // namespace web
