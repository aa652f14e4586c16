#include "backend/weight_stream.hpp"

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"

namespace sterna {
namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;  // filled between two looks at the clock

}  // namespace

WeightStream::WeightStream(std::size_t least, std::size_t bytes, double seconds, ThreadPool& pool)
    : memory_(std::max(least, bytes)) {
  const Stopwatch clock;
  while (filled_ < memory_.size() && (filled_ < least || clock.seconds() < seconds)) {
    const std::size_t size = std::min(kPiece, memory_.size() - filled_);
    pool.parallel_for(size, 4096, [&](std::size_t begin, std::size_t end, unsigned) {
      std::memset(memory_.data() + filled_ + begin, 0x55, end - begin);
    });
    filled_ += size;
  }
}

const std::byte* WeightStream::next(std::size_t bytes) noexcept {
  if (at_ + bytes > filled_) at_ = 0;
  return memory_.data() + std::exchange(at_, at_ + bytes);
}

}  // namespace sterna
