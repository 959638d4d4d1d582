// command: a program to be started, with its arguments and its surroundings; and how one has ended.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/os/child.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

struct command_access;

template <class A>
concept command_word = std::constructible_from<std::string, A> && !std::is_null_pointer_v<std::remove_cvref_t<A>>;

}  // namespace detail

/// What to start: `command("git", "rev-parse", "HEAD")`. No shell reads it: each argument reaches the program as it is. Changed by calls
/// that can be chained, `command("make").directory("/src").env("LANG", "C")`; nothing is looked at before it is started. A value: as
/// often as wanted. One thread at a time.
class command {
 public:
  /// The program, by its path where that has a slash (a relative one is taken from the command's directory), else looked for in PATH, that
  /// of the command's environment; and its arguments.
  template <detail::command_word Program, detail::command_word... Args>
  explicit command(Program&& program, Args&&... args) {
    words_.reserve(1 + sizeof...(Args));
    words_.emplace_back(std::forward<Program>(program));
    (words_.emplace_back(std::forward<Args>(args)), ...);
  }
  command(command const&) = default;
  command(command&&) noexcept = default;
  command& operator=(command const&) = default;
  command& operator=(command&&) noexcept = default;
  ~command() = default;

  /// One more argument.
  command& arg(std::string word) {
    words_.push_back(std::move(word));
    return *this;
  }
  /// More arguments, of a range.
  template <class Range>
  command& args(Range&& words) {
    for (auto&& w : words) words_.emplace_back(w);
    return *this;
  }

  /// A variable of the child's environment, which begins as that of this process at the time of the start.
  command& env(std::string name, std::string value) {
    forget(name);
    variables_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  /// The child has no variable of that name.
  command& unset(std::string name) {
    forget(name);
    variables_.emplace_back(std::move(name), std::nullopt);
    return *this;
  }
  /// The child has no variables but those that are set after this.
  command& clear_env() {
    variables_.clear();
    inherits_environment_ = false;
    return *this;
  }

  /// Where it begins; otherwise where this process is.
  command& directory(std::string path) {
    directory_ = std::move(path);
    return *this;
  }

  /// The child gets a copy of this descriptor too, as its descriptor 3, the next one as 4, and so on. It stays open until the start.
  command& pass(int descriptor) {
    passed_.push_back(descriptor);
    return *this;
  }

  [[nodiscard]] std::string const& program() const noexcept { return words_.front(); }
  /// The program, and its arguments behind it.
  [[nodiscard]] std::vector<std::string> const& words() const noexcept { return words_; }

 private:
  friend struct detail::command_access;

  void forget(std::string_view name) {
    std::erase_if(variables_, [&](auto const& v) { return v.first == name; });
  }

  std::vector<std::string> words_;
  std::vector<std::pair<std::string, std::optional<std::string>>> variables_;
  bool inherits_environment_ = true;
  std::optional<std::string> directory_;
  std::vector<int> passed_;
};

/// Where one of a child's three standard descriptors leads.
class stdio {
 public:
  enum class kind : std::uint8_t { inherit, null, pipe, descriptor, as_out };

  /// Where that of this process leads.
  static stdio const inherit;
  /// To /dev/null: nothing to read, and what is written is dropped.
  static stdio const null;
  /// To this process: process::std_in, std_out, std_err.
  static stdio const pipe;
  /// For std_err: where std_out leads, whatever that is, in the order in which it is written.
  static stdio const as_out;
  /// To a copy of this descriptor, which is open until the start: of a file, a socket, a pipe to another child.
  [[nodiscard]] static constexpr stdio to(int descriptor) noexcept { return stdio(kind::descriptor, descriptor); }

  [[nodiscard]] constexpr kind type() const noexcept { return kind_; }
  /// Of one made by to().
  [[nodiscard]] constexpr int descriptor() const noexcept { return descriptor_; }

 private:
  constexpr explicit stdio(kind k, int descriptor = -1) noexcept : descriptor_(descriptor), kind_(k) {}
  int descriptor_;
  kind kind_;
};

inline constexpr stdio stdio::inherit{kind::inherit};
inline constexpr stdio stdio::null{kind::null};
inline constexpr stdio stdio::pipe{kind::pipe};
inline constexpr stdio stdio::as_out{kind::as_out};

/// Whom a signal to the child reaches.
enum class process_group : std::uint8_t {
  inherited,  ///< a Ctrl-C at the terminal reaches it as it does this process; process::kill reaches it alone
  own         ///< no Ctrl-C reaches it; process::kill reaches it and all that it has started
};

/// How a process has ended: with an exit code, or killed by a signal.
class exit_status {
 public:
  /// Exit code 0.
  exit_status() noexcept = default;
  explicit exit_status(detail::child_end const& end) noexcept : end_(end) {}

  /// It has ended by itself, with code 0.
  [[nodiscard]] bool success() const noexcept { return exited() && end_.code == 0; }
  /// It has ended by itself.
  [[nodiscard]] bool exited() const noexcept { return end_.signal == 0; }
  /// 0 to 255, of one that has ended by itself.
  [[nodiscard]] int code() const noexcept {
    WEFT_ASSERT(exited(), "the exit code is asked for of a process that was killed: look at exited() first");
    return end_.code;
  }
  /// The signal that has killed it; 0: none.
  [[nodiscard]] int signal() const noexcept { return end_.signal; }
  [[nodiscard]] bool dumped_core() const noexcept { return end_.dumped_core; }

  /// "exit code 1", "signal 15 (Terminated)".
  [[nodiscard]] std::string to_string() const {
    if (exited()) return "exit code " + std::to_string(end_.code);
    char const* const name = detail::describe_signal(end_.signal);
    auto text = "signal " + std::to_string(end_.signal);
    if (name) text.append(" (").append(name).append(")");
    if (end_.dumped_core) text += ", core dumped";
    return text;
  }

  friend bool operator==(exit_status const& a, exit_status const& b) noexcept {
    return a.end_.signal == b.end_.signal && a.end_.code == b.end_.code;
  }

 private:
  detail::child_end end_;
};

namespace detail {

/// A command as the system takes it. Throws std::system_error that names the program.
class prepared_command : pinned {
 public:
  explicit prepared_command(command const& c);

  [[nodiscard]] child_plan plan() const noexcept {
    return {.program = words_.front(),
            .path = path_,
            .argv = argv_,
            .environ = environ_,
            .directory = directory_.get(),
            .descriptors = {},
            .own_group = false};
  }

  /// "start git in /src"
  [[nodiscard]] std::string const& what() const noexcept { return what_; }
  [[noreturn]] void fail(int error, std::string const& why = "") const {
    throw std::system_error(error, std::system_category(), why.empty() ? what_ : what_ + ": " + why);
  }

 private:
  void check(std::string const& text, char const* which) const {
    if (text.find('\0') != std::string::npos) fail(EINVAL, std::string(which) + " with a zero byte");
  }
  static char* pointer(std::string const& s) noexcept { return const_cast<char*>(s.c_str()); }

  std::vector<std::string> const& words_;
  std::string what_;
  std::vector<std::string> variables_;
  std::string_view path_;
  std::vector<char*> argv_, environ_;
  file_handle directory_;
};

struct command_access {
  static auto const& variables(command const& c) noexcept { return c.variables_; }
  static bool inherits_environment(command const& c) noexcept { return c.inherits_environment_; }
  static auto const& directory(command const& c) noexcept { return c.directory_; }
  static std::vector<int> const& passed(command const& c) noexcept { return c.passed_; }
};

inline prepared_command::prepared_command(command const& c) : words_(c.words()), what_("start " + c.program()) {
  for (auto const& word : words_) {
    check(word, "an argument");
    argv_.push_back(pointer(word));
  }
  argv_.push_back(nullptr);

  auto const& changed = command_access::variables(c);
  if (command_access::inherits_environment(c)) {
    for (char** v = ::environ; v && *v; ++v) {
      std::string_view const variable(*v);
      auto const name = variable.substr(0, variable.find('='));
      if (std::none_of(changed.begin(), changed.end(), [&](auto const& own) { return own.first == name; }))
        variables_.emplace_back(variable);
    }
  }
  for (auto const& [name, value] : changed) {
    check(name, "a variable's name");
    if (name.empty() || name.find('=') != std::string::npos) fail(EINVAL, "no name of a variable: '" + name + "'");
    if (!value) continue;
    check(*value, "a variable");
    variables_.push_back(name + "=" + *value);
  }
  path_ = "/bin:/usr/bin";
  for (auto const& v : variables_) {
    environ_.push_back(pointer(v));
    if (v.starts_with("PATH=")) path_ = std::string_view(v).substr(5);
  }
  environ_.push_back(nullptr);

  if (auto const& directory = command_access::directory(c)) {
    check(*directory, "a directory");
    what_ += " in " + *directory;
    int const fd = ::open(directory->c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail(errno, "its directory");
    directory_ = file_handle::adopt(fd);
  }
}

}  // namespace detail
}  // namespace weft
