#include "sterna/registration.hpp"

#include "memory/callback_list.hpp"

namespace sterna {

void Registration::reset() noexcept {
  if (!entry_) return;
  {
    const std::lock_guard lock(entry_->running);
    entry_->live = false;
    if (!entry_->runs) entry_->drop();
  }
  entry_.reset();
}

}  // namespace sterna
