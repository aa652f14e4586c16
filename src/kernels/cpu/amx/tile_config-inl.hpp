// The shapes of AMX tiles, and keeping memory that tiles read and write where the compiler sees it.
//
// Included inside namespace sterna::amx.

namespace {

constexpr std::size_t kTileBytes = 64;  ///< of a tile's row

/// What ldtilecfg reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// The compiler sees no memory, or not all of it, behind the intrinsics of tiles: it would move or drop what
// is written for them.
inline void written(const void* memory) {
  asm volatile("" : : "r"(memory) : "memory");
}

}  // namespace
