// The most that AMX multiplies and adds.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace sterna::amx {

#include "kernels/cpu/amx/tile_config-inl.hpp"
#include "kernels/cpu/peaks-inl.hpp"

/// Four tiles of sums, two of activations and two of codes, as in the kernels; loaded once.
std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation) {
  constexpr std::size_t kRows = 16;
  alignas(64) std::int8_t codes[kRows * kTileBytes];
  alignas(64) std::int8_t activations[kRows * kTileBytes];
  alignas(64) std::int32_t sums[4][kRows * kTileBytes / sizeof(std::int32_t)];
  for (std::int8_t& c : codes) c = code;
  for (std::int8_t& q : activations) q = activation;
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.rows[tile] = kRows;
    config.row_bytes[tile] = kTileBytes;
  }
  written(&config);
  written(codes);
  written(activations);
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, activations, kTileBytes);
  _tile_loadd(5, activations, kTileBytes);
  _tile_loadd(6, codes, kTileBytes);
  _tile_loadd(7, codes, kTileBytes);
  for (std::size_t s = 0; s < steps; ++s) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_stored(0, sums[0], kTileBytes);
  _tile_stored(1, sums[1], kTileBytes);
  _tile_stored(2, sums[2], kTileBytes);
  _tile_stored(3, sums[3], kTileBytes);
  written(sums);
  _tile_release();
  std::uint64_t all = 0;
  for (const auto& tile : sums) {
    for (const std::int32_t lane : tile) all += static_cast<std::uint64_t>(lane);
  }
  return all;
}

}  // namespace sterna::amx
