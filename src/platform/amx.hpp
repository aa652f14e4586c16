// Whether this process may use AMX with int8.
#pragma once

namespace sterna {

/// The processor has AMX-INT8, the system saves its tiles, and permits this process to use them. Asking
/// Linux is what makes it permit: once per process, for all its threads.
bool amx_int8_usable() noexcept;

}  // namespace sterna
