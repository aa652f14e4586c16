// Ternary products with AMX: tdpbsud multiplies 16 tokens × 64 columns of signed activations, as they lie,
// by 64 columns × 16 rows of unsigned codes, a quarter of a panel of ternary-inl.hpp, and adds to 16 × 16
// int32 sums. Few tokens are AVX-512's.
//
// Two by two tiles of sums need four loads for four products, two by one, of 16 rows alone, three for two.
// They stay in tiles for as much of a row as is unpacked at once: loading and storing them for every 1024
// columns costs more than reading the codes of whole rows, and the activations, from the second-level cache
// (docs/performance.md).
#include <immintrin.h>

#include "kernels/kernel_args.hpp"

namespace sterna::amx {

// Each builds on those before it.
// clang-format off
#include "kernels/cpu/declarations-inl.hpp"
#include "kernels/cpu/ternary_layouts-inl.hpp"
#include "kernels/cpu/avx512/ternary-inl.hpp"
#include "kernels/cpu/avx512/base3-inl.hpp"
#include "kernels/cpu/amx/tile_config-inl.hpp"
// clang-format on

namespace {

constexpr std::size_t kTileTokens = 16;
constexpr std::size_t kTileSteps = kTileBytes / kStepCols;
constexpr std::size_t kAmxPanels = 2;
constexpr std::size_t kAmxBlocks = 28;  // 7168 columns: whole rows of a 2B model in 224 KiB, on the stack
constexpr std::size_t kAmxPanelBytes = kAmxBlocks * kBlockCols * kPanelRows;

/// Tiles 0 and 1 are the sums of the first 16 tokens with each panel, 2 and 3 those of the others, 4 and 5
/// the activations of each 16 tokens, 6 and 7 the codes of each panel.
inline void configure(std::size_t tokens, std::size_t rows) {
  TileConfig config;
  const std::size_t tokens_of[2] = {least(tokens, kTileTokens), tokens - least(tokens, kTileTokens)};
  const std::size_t rows_of[2] = {least(rows, kPanelRows), rows - least(rows, kPanelRows)};
  const auto set = [&](int tile, std::size_t tile_rows, std::size_t bytes) {
    if (tile_rows == 0 || bytes == 0) return;  // stays without shape
    config.rows[tile] = static_cast<std::uint8_t>(tile_rows);
    config.row_bytes[tile] = static_cast<std::uint16_t>(bytes);
  };
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) set(2 * i + j, tokens_of[i], rows_of[j] * sizeof(std::int32_t));
    set(4 + i, tokens_of[i], kTileBytes);
    set(6 + i, kTileSteps, rows_of[i] * kStepCols);
  }
  written(&config);
  _tile_loadconfig(&config);
}

/// out += codes · activations for 16 · kTokenTiles tokens, or as many as are configured, and kPanels panels.
template <int kTokenTiles, int kPanels>
inline void multiply_tiles(const std::uint8_t* panels, std::size_t cols, const std::int8_t* x,
                           std::size_t x_stride, std::int32_t* out, std::size_t out_stride) {
  const std::size_t out_bytes = out_stride * sizeof(std::int32_t);
  std::int32_t* const out_below = out + kTileTokens * out_stride;
  const std::int8_t* const x_below = x + kTileTokens * x_stride;
  const std::uint8_t* const other = panels + kAmxPanelBytes;
  _tile_loadd(0, out, out_bytes);
  if constexpr (kPanels == 2) _tile_loadd(1, out + kPanelRows, out_bytes);
  if constexpr (kTokenTiles == 2) {
    _tile_loadd(2, out_below, out_bytes);
    if constexpr (kPanels == 2) _tile_loadd(3, out_below + kPanelRows, out_bytes);
  }
  for (std::size_t k = 0; k < cols; k += kTileBytes) {
    const std::size_t at = k / kStepCols * kStepBytes;
    // All loads, then the products, those with the same codes together: measured to be the fastest order.
    _tile_loadd(4, x + k, x_stride);
    if constexpr (kTokenTiles == 2) _tile_loadd(5, x_below + k, x_stride);
    _tile_loadd(6, panels + at, kStepBytes);
    if constexpr (kPanels == 2) _tile_loadd(7, other + at, kStepBytes);
    _tile_dpbsud(0, 4, 6);
    if constexpr (kTokenTiles == 2) _tile_dpbsud(2, 5, 6);
    if constexpr (kPanels == 2) _tile_dpbsud(1, 4, 7);
    if constexpr (kTokenTiles == 2 && kPanels == 2) _tile_dpbsud(3, 5, 7);
  }
  _tile_stored(0, out, out_bytes);
  if constexpr (kPanels == 2) _tile_stored(1, out + kPanelRows, out_bytes);
  if constexpr (kTokenTiles == 2) {
    _tile_stored(2, out_below, out_bytes);
    if constexpr (kPanels == 2) _tile_stored(3, out_below + kPanelRows, out_bytes);
  }
}

template <int kPanels>
inline void multiply_block(std::size_t tokens, const std::uint8_t* panels, std::size_t cols,
                           const std::int8_t* x, std::size_t x_stride, std::int32_t* out,
                           std::size_t out_stride) {
  if (tokens > kTileTokens) {
    multiply_tiles<2, kPanels>(panels, cols, x, x_stride, out, out_stride);
  } else {
    multiply_tiles<1, kPanels>(panels, cols, x, x_stride, out, out_stride);
  }
}

template <class Packing>
inline void many_tokens_amx(const TernaryArgs& a) {
  constexpr std::size_t kRows = kAmxPanels * kPanelRows;
  constexpr std::size_t kTokens = 2 * kTileTokens;
  alignas(64) std::uint8_t panels[kAmxPanels * kAmxPanelBytes];
  start_sums(a);
  const std::size_t blocks = blocks_of(a.cols);
  const std::size_t pieces = (blocks + kAmxBlocks - 1) / kAmxBlocks;
  const std::size_t piece = (blocks + pieces - 1) / pieces;  // all about equally long
  std::size_t configured_tokens = 0;
  std::size_t configured_rows = 0;
  for (std::size_t row = a.row_begin; row < a.row_end; row += kRows) {
    const std::size_t rows = least(kRows, a.row_end - row);
    for (std::size_t first = 0; first < blocks; first += piece) {
      const std::size_t count = least(piece, blocks - first);
      for (std::size_t r = 0; r < rows; r += kPanelRows) {
        Packing::unpack_panel(a, row + r, least(kPanelRows, rows - r), first, count, kRows,
                              panels + r / kPanelRows * kAmxPanelBytes);
      }
      written(panels);
      for (std::size_t m = 0; m < a.tokens; m += kTokens) {
        const std::size_t tokens = least(kTokens, a.tokens - m);
        if (tokens != configured_tokens || rows != configured_rows) {
          configure(tokens, rows);
          configured_tokens = tokens;
          configured_rows = rows;
        }
        const std::int8_t* x = a.x + m * a.x_stride + first * kBlockCols;
        std::int32_t* out = a.out + m * a.out_stride + row;
        if (rows > kPanelRows) {
          multiply_block<2>(tokens, panels, count * kBlockCols, x, a.x_stride, out, a.out_stride);
        } else {
          multiply_block<1>(tokens, panels, count * kBlockCols, x, a.x_stride, out, a.out_stride);
        }
      }
    }
  }
  written(a.out);
  // A tile left in use would be saved at every switch of threads, and slows the core's other work.
  _tile_release();
}

// Below it a tile of activations is mostly empty, and vpdpbusd as fast.
constexpr std::size_t kTokensForTiles = kFewTokens + 1;

template <class Packing>
inline void ternary(const TernaryArgs& a) {
  if (a.tokens < kTokensForTiles) {
    ternary_vnni<Packing>(a);
  } else {
    many_tokens_amx<Packing>(a);
  }
}

}  // namespace

void ternary_i2_s(const TernaryArgs& args) {
  ternary<TwoBits<LayoutI2S>>(args);
}
void ternary_tq2_0(const TernaryArgs& args) {
  ternary<TwoBits<LayoutTQ2>>(args);
}
void ternary_tq1_0(const TernaryArgs& args) {
  ternary<Base3>(args);
}

}  // namespace sterna::amx
