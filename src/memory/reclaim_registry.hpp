// What a ReclaimRegistry holds; for the cleaner that walks it.
#pragma once

#include "memory/callback_list.hpp"
#include "sterna/cleanup.hpp"

namespace sterna {

struct ReclaimRegistry::State {
  struct Owner {
    Reclaimable what;
    std::shared_ptr<std::atomic<std::uint64_t>> uses;  ///< shared with the handle, which counts
  };
  using Owners = CallbackList<Owner, std::uint64_t(PressureLevel)>;
  Owners owners;
  ReclaimHandle heap, pool;  ///< of the process's registry
};

}  // namespace sterna
