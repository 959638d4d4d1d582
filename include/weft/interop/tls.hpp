// TLS over a tcp_stream, by OpenSSL 1.1.1 or later: tls_context says whom to trust and who one is, tls_stream reads and writes. OpenSSL
// sees memory alone, and weft moves the bytes, so that nothing blocks a worker and every wait honours a stop.
//
// Not part of weft.hpp: link weft::tls, which is there where CMake finds OpenSSL.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/tcp.hpp>
#include <weft/sync/mutex.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

/// What TLS finds wrong: a certificate that is not trusted or of another host, a peer that speaks something else, an end without a
/// farewell. what() names the peer and OpenSSL's reason.
struct tls_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Whom a client trusts.
struct tls_client_options {
  char const* authorities = nullptr;  ///< a file of certificates in PEM; null: those that the system trusts
};

namespace detail {

/// OpenSSL's reasons on this thread, which it keeps no longer.
[[nodiscard]] inline std::string openssl_reasons() {
  std::string all;
  while (auto const code = ::ERR_get_error()) {
    std::array<char, 256> text;
    ::ERR_error_string_n(code, text.data(), text.size());
    if (!all.empty()) all += "; ";
    all += text.data();
  }
  return all.empty() ? "no reason given" : all;
}

struct free_ssl {
  void operator()(::SSL* s) const noexcept { ::SSL_free(s); }
  void operator()(::SSL_CTX* c) const noexcept { ::SSL_CTX_free(c); }
};

}  // namespace detail

/// What is the same for many connections: TLS 1.2 or later. Constant once it is made, shared by any number of connections on any threads, which
/// keep what they need of it. Moved, not copied.
class tls_context {
 public:
  /// Connects, and verifies whom it has reached. Throws tls_error, where the authorities cannot be read.
  [[nodiscard]] static tls_context client(tls_client_options options = {}) {
    tls_context c(::TLS_client_method());
    int const found = options.authorities
                          ? ::SSL_CTX_load_verify_locations(c.context_.get(), options.authorities, nullptr)
                          : ::SSL_CTX_set_default_verify_paths(c.context_.get());
    if (found != 1) throw tls_error("weft::tls_context: authorities: " + detail::openssl_reasons());
    ::SSL_CTX_set_verify(c.context_.get(), SSL_VERIFY_PEER, nullptr);
    return c;
  }

  /// Accepts. Both files in PEM: the certificate, followed by those that lead to an authority, and its key. Throws tls_error, where they cannot
  /// be read or are not of each other.
  [[nodiscard]] static tls_context server(std::string const& certificates, std::string const& key) {
    tls_context c(::TLS_server_method());
    if (::SSL_CTX_use_certificate_chain_file(c.context_.get(), certificates.c_str()) != 1)
      throw tls_error("weft::tls_context: " + certificates + ": " + detail::openssl_reasons());
    if (::SSL_CTX_use_PrivateKey_file(c.context_.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        ::SSL_CTX_check_private_key(c.context_.get()) != 1)
      throw tls_error("weft::tls_context: " + key + ": " + detail::openssl_reasons());
    return c;
  }

  /// OpenSSL's own, for options that weft has no name for; before the first connection.
  [[nodiscard]] ::SSL_CTX* native() const noexcept { return context_.get(); }

 private:
  explicit tls_context(::SSL_METHOD const* method) : context_(::SSL_CTX_new(method)) {
    if (!context_) throw tls_error("weft::tls_context: " + detail::openssl_reasons());
    ::SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION);
    // What is sent has been copied before; memory goes back while nothing is in flight.
    ::SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS);
  }

  std::unique_ptr<::SSL_CTX, detail::free_ssl> context_;
};

namespace detail {

//   tls_     guards OpenSSL's objects; held for a call, never while a task waits
//   sending_ held by the task that takes bytes out of outgoing_ and sends them, so that they go in the order in which OpenSSL has made them.
//            A reader may have to send (an answer to a key update), beside the writer
//
/// One connection. One task at a time reads, one writes.
class tls_connection : pinned {
 public:
  enum class side { client, server };

  tls_connection(tls_context const& context, tcp_stream&& connected, side which)
      : stream(std::move(connected)), ssl_(::SSL_new(context.native())) {
    incoming_ = ::BIO_new(::BIO_s_mem());
    outgoing_ = ::BIO_new(::BIO_s_mem());
    if (!ssl_ || !incoming_ || !outgoing_) {
      ::BIO_free(incoming_);
      ::BIO_free(outgoing_);
      throw std::bad_alloc();
    }
    ::BIO_set_mem_eof_return(incoming_, -1);
    ::SSL_set_bio(ssl_.get(), incoming_, outgoing_);  // which owns both from here on
    if (which == side::client) ::SSL_set_connect_state(ssl_.get());
    else ::SSL_set_accept_state(ssl_.get());
  }

  /// Before the handshake of a client: whose certificate it has to be.
  void expect_host(std::string const& host) {
    auto* const wanted = ::SSL_get0_param(ssl_.get());
    if (::X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return;
    ::ERR_clear_error();
    ::SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (host.empty() || ::SSL_set1_host(ssl_.get(), host.c_str()) != 1 ||
        ::SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) != 1)
      throw tls_error("weft::tls_stream: not a host's name: " + host);
  }

  task<> shake_hands() {
    for (;;) {
      auto const step = attempt([this] { return ::SSL_do_handshake(ssl_.get()); });
      co_await send_outgoing();  // the alert that says why not, too
      if (step.error == SSL_ERROR_NONE) co_return;
      if (step.error != SSL_ERROR_WANT_READ) throw tls_error("tls handshake " + name() + ": " + step.reason);
      bool const more = co_await receive();
      if (!more) throw tls_error("tls handshake " + name() + ": the connection has ended");
    }
  }

  task<std::size_t> read(std::span<std::byte> into) {
    if (into.empty()) co_return std::size_t{0};
    for (;;) {
      std::size_t got = 0;
      auto const step = attempt([&] { return ::SSL_read_ex(ssl_.get(), into.data(), into.size(), &got); });
      if (step.to_send) co_await send_outgoing();
      if (step.error == SSL_ERROR_NONE) co_return got;
      if (step.error == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
      if (step.error != SSL_ERROR_WANT_READ) throw tls_error("tls read " + name() + ": " + step.reason);
      bool const more = co_await receive();
      if (!more)
        throw tls_error("tls read " + name() + ": the connection has ended without a farewell: perhaps cut off");
    }
  }

  task<> write(std::span<std::byte const> bytes) {
    constexpr std::size_t record = 16 * 1024;
    while (!bytes.empty()) {
      auto const piece = bytes.first(std::min(bytes.size(), 4 * record));
      std::size_t put = 0;
      auto const step = attempt([&] { return ::SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &put); });
      if (step.error != SSL_ERROR_NONE) throw tls_error("tls write " + name() + ": " + step.reason);
      co_await send_outgoing();
      bytes = bytes.subspan(put);
    }
  }

  task<> say_farewell() {
    static_cast<void>(attempt([this] { return ::SSL_shutdown(ssl_.get()) < 0 ? -1 : 1; }));
    co_await send_outgoing();
    stream.shutdown_write();
  }

  tcp_stream stream;

 private:
  struct outcome_of_call {
    int error;           // SSL_ERROR_…
    bool to_send;        // OpenSSL has bytes for the peer
    std::string reason;  // of a failure
  };

  // OpenSSL keeps its reasons by thread: they are fetched before the task can go on elsewhere.
  template <class F>
  outcome_of_call attempt(F&& call) {
    small_lock const guard(tls_);
    ::ERR_clear_error();
    int const result = call();
    outcome_of_call out{result > 0 ? SSL_ERROR_NONE : ::SSL_get_error(ssl_.get(), result), false, {}};
    out.to_send = ::BIO_ctrl_pending(outgoing_) != 0;
    if (out.error == SSL_ERROR_SSL || out.error == SSL_ERROR_SYSCALL) {
      out.reason = openssl_reasons();
      if (auto const verdict = ::SSL_get_verify_result(ssl_.get()); verdict != X509_V_OK)
        out.reason += std::string(": ") + ::X509_verify_cert_error_string(verdict);
    }
    return out;
  }

  task<> send_outgoing() {
    auto const turn = co_await sending_.lock();
    for (;;) {
      std::size_t size = 0;
      {
        small_lock const guard(tls_);
        to_send_.resize(std::min<std::size_t>(::BIO_ctrl_pending(outgoing_), 256 * 1024));
        if (!to_send_.empty()) {
          int const taken = ::BIO_read(outgoing_, to_send_.data(), static_cast<int>(to_send_.size()));
          size = taken > 0 ? static_cast<std::size_t>(taken) : 0;
        }
      }
      if (size == 0) co_return;
      co_await stream.write(std::span<std::byte const>(to_send_).first(size));
    }
  }

  // False: the other side has ended.
  task<bool> receive() {
    if (!received_) received_ = std::make_unique_for_overwrite<std::byte[]>(most_received);
    auto const n = co_await stream.read(std::span(received_.get(), most_received));
    if (n == 0) co_return false;
    small_lock const guard(tls_);
    if (::BIO_write(incoming_, received_.get(), static_cast<int>(n)) != static_cast<int>(n)) throw std::bad_alloc();
    co_return true;
  }

  [[nodiscard]] std::string name() const { return stream.peer().to_string(); }

  static constexpr std::size_t most_received = 16 * 1024;

  small_mutex tls_;
  std::unique_ptr<::SSL, free_ssl> ssl_;  // guarded by tls_
  ::BIO* incoming_ = nullptr;             // guarded by tls_; ssl_ owns both
  ::BIO* outgoing_ = nullptr;             // guarded by tls_
  mutex sending_;
  std::vector<std::byte> to_send_;         // guarded by sending_
  std::unique_ptr<std::byte[]> received_;  // the reader's
};

}  // namespace detail

/// A TCP connection on which nobody listens in, and of which a client knows whose it is. Read and written like a tcp_stream: one task at a
/// time reads and one writes. An operation that was stopped or has failed may have been half done: only close() is left then.
class tls_stream {
 public:
  /// No connection: nothing may be done with it but to assign another.
  tls_stream() noexcept = default;

  /// auto s = co_await tls_stream::connect(context, "example.org", 443);      the context is borrowed until then
  ///   completes   when the connection is made, and the certificate has been found good and of this host, a name or an address
  ///   result      the stream
  ///   on error    throws tls_error; std::system_error as tcp_stream::connect
  ///   on stop     gives up, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] static task<tls_stream> connect(tls_context const& context, std::string host, std::uint16_t port) {
    auto stream = co_await tcp_stream::connect(host, port);
    auto secured = co_await connect(context, std::move(stream), std::move(host));
    co_return secured;
  }
  /// The same over a connection that is there, perhaps through a proxy.
  [[nodiscard]] static task<tls_stream> connect(tls_context const& context, tcp_stream stream, std::string host) {
    tls_stream s(context, std::move(stream), detail::tls_connection::side::client);
    s.connection_->expect_host(host);
    co_await s.connection_->shake_hands();
    co_return s;
  }

  /// auto s = co_await tls_stream::accept(context, co_await listener.accept());
  ///   completes   when the client has agreed
  ///   result      the stream
  ///   on error    throws tls_error, std::system_error
  ///   on stop     gives up, completes as stopped
  ///   resumes on  the pool it was awaited on
  /// A client may take its time: bound it with timeout.
  [[nodiscard]] static task<tls_stream> accept(tls_context const& context, tcp_stream stream) {
    tls_stream s(context, std::move(stream), detail::tls_connection::side::server);
    co_await s.connection_->shake_hands();
    co_return s;
  }

  /// auto n = co_await s.read(buffer);
  ///   completes   when at least one byte has come, or the other side has said farewell; at once where the buffer is empty
  ///   result      the number of bytes at the beginning of the buffer; 0: the end
  ///   on error    throws tls_error, also for an end without a farewell; std::system_error
  ///   on stop     completes as stopped; what has come stays for the next read
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] task<std::size_t> read(std::span<std::byte> into) { return connection_->read(into); }

  /// co_await s.write(bytes);         the bytes stay until then
  ///   completes   when the system has taken all of them
  ///   on error    throws tls_error, std::system_error; a part may have been sent
  ///   on stop     completes as stopped; a part may have been sent, and nothing more can be
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] task<> write(std::span<std::byte const> bytes) { return connection_->write(bytes); }
  [[nodiscard]] task<> write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

  /// co_await s.shutdown_write();
  ///   completes   when the farewell has been sent (close_notify): the other side reads the end after what has been written. Reading goes on
  ///   on error    throws std::system_error
  ///   on stop     completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] task<> shutdown_write() { return connection_->say_farewell(); }

  /// Ends both ways, without a farewell. Operations in flight complete as stopped. Any thread, again and again.
  void close() noexcept {
    if (connection_) connection_->stream.close();
  }

  [[nodiscard]] endpoint const& peer() const noexcept { return connection_->stream.peer(); }

 private:
  tls_stream(tls_context const& context, tcp_stream&& stream, detail::tls_connection::side which)
      : connection_(std::make_unique<detail::tls_connection>(context, std::move(stream), which)) {}

  std::unique_ptr<detail::tls_connection> connection_;
};

}  // namespace weft
