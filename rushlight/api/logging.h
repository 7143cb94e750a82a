// Messages and checks of c10/util/Logging.h, which programs include apart: other libraries have macros of these names too.
// What would end the process in glog is a c10::Error here, as in PyTorch.
#pragma once
#include <iostream>

#include "rushlight/api/check.h"

namespace rushlight::api::detail {

enum class Severity { Info, Warning, Error, Fatal };
// Writes a line to the standard error stream at its end; Fatal throws it. Info is not shown, as in PyTorch by default.
class LogLine {
 public:
  LogLine(Severity severity, const char* file, int line) : severity_(severity), file_(file), line_(line) {}
  LogLine(const LogLine&) = delete;
  ~LogLine() noexcept(false) {
    if (severity_ == Severity::Fatal) throw RuntimeError(out_.str());
    if (severity_ == Severity::Info) return;
    std::cerr << (severity_ == Severity::Error ? "[E " : "[W ") << file_ << ":" << line_ << "] " << out_.str() << "\n";
  }
  std::ostream& stream() { return out_; }

 private:
  Severity severity_;
  const char* file_;
  int line_;
  std::ostringstream out_;
};
constexpr Severity INFO_ = Severity::Info, WARNING_ = Severity::Warning, ERROR_ = Severity::Error,
                   FATAL_ = Severity::Fatal;

}  // namespace rushlight::api::detail
namespace rushlight::api {
// There is no stack trace to fetch.
inline void SetStackTraceFetcher(const std::function<std::string()>&) {}
inline void ShowLogInfoToStderr() {}
}  // namespace rushlight::api

#define RL_LOG(severity) \
  ::rushlight::api::detail::LogLine(::rushlight::api::detail::severity##_, __FILE__, __LINE__).stream()
#ifndef LOG
#define LOG(severity) RL_LOG(severity)
#endif
#ifndef LOG_IF
#define LOG_IF(severity, condition) \
  if (!(condition)) {               \
  } else RL_LOG(severity)
#endif
#ifndef VLOG
#define VLOG(level)  \
  if ((level) > 0) { \
  } else RL_LOG(INFO)
#endif
#ifndef CHECK
#define CHECK(condition) \
  if (condition) {       \
  } else ::rushlight::api::detail::Thrower("Check failed: " #condition " ").stream()
#define CHECK_EQ(a, b) RL_CHECK_COMPARE(a, b, ==)
#define CHECK_NE(a, b) RL_CHECK_COMPARE(a, b, !=)
#define CHECK_LT(a, b) RL_CHECK_COMPARE(a, b, <)
#define CHECK_LE(a, b) RL_CHECK_COMPARE(a, b, <=)
#define CHECK_GT(a, b) RL_CHECK_COMPARE(a, b, >)
#define CHECK_GE(a, b) RL_CHECK_COMPARE(a, b, >=)
#define CHECK_NOTNULL(p) (p)
#endif
#ifndef DCHECK
#ifdef NDEBUG
#define DCHECK(condition) \
  while (false) CHECK(condition)
#define DCHECK_EQ(a, b) \
  while (false) CHECK_EQ(a, b)
#else
#define DCHECK(condition) CHECK(condition)
#define DCHECK_EQ(a, b) CHECK_EQ(a, b)
#endif
#endif
#define CAFFE_ENFORCE(condition, ...)                                                                                \
  do {                                                                                                               \
    if (!(condition))                                                                                                \
      throw ::rushlight::RuntimeError(                                                                               \
          ::rushlight::api::str("[enforce fail at ", __FILE__, ":", __LINE__, "] " #condition ". ", ##__VA_ARGS__)); \
  } while (false)
#define RL_ENFORCE(a, b, op, ...) CAFFE_ENFORCE((a)op(b), ##__VA_ARGS__)
#define CAFFE_ENFORCE_EQ(a, b, ...) RL_ENFORCE(a, b, ==, ##__VA_ARGS__)
#define CAFFE_ENFORCE_NE(a, b, ...) RL_ENFORCE(a, b, !=, ##__VA_ARGS__)
#define CAFFE_ENFORCE_LT(a, b, ...) RL_ENFORCE(a, b, <, ##__VA_ARGS__)
#define CAFFE_ENFORCE_LE(a, b, ...) RL_ENFORCE(a, b, <=, ##__VA_ARGS__)
#define CAFFE_ENFORCE_GT(a, b, ...) RL_ENFORCE(a, b, >, ##__VA_ARGS__)
#define CAFFE_ENFORCE_GE(a, b, ...) RL_ENFORCE(a, b, >=, ##__VA_ARGS__)
#define CAFFE_THROW(...) CAFFE_ENFORCE(false, ##__VA_ARGS__)
