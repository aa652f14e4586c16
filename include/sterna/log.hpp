// Where the library's warnings go. The library itself never prints.
#pragma once

#include <functional>
#include <string_view>

namespace sterna {

enum class LogLevel { Debug, Info, Warning };

/// Called from any thread that has something to say; must be safe to call from several at once.
using LogSink = std::function<void(LogLevel, std::string_view message)>;

/// Replaces the sink of the process; an empty one (the default) drops messages. Not to be called while other
/// threads use the library.
void set_log_sink(LogSink sink);

/// Reports progress of long work: `done` of `total` units (bytes, tokens, tensors) of `what`. `done` never
/// decreases and the last call has `done == total`. Called on the thread that started the work.
using Progress =
    std::function<void(unsigned long long done, unsigned long long total, std::string_view what)>;

}  // namespace sterna
