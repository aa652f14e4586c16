// Where the codes (trit + 1) of a row lie.
//
// Both 2-bit layouts keep 128 weights in 32 bytes, four fields to a byte: field f of byte p is element 32·f +
// p of the group. They differ in the order of the fields and in what lies between the groups.
//
// Included inside namespace sterna::<isa>.

namespace {

constexpr std::size_t kGroupCols = 128;
constexpr std::size_t kGroupBytes = 32;
constexpr int kFields = 4;
constexpr std::size_t kFieldCols = kGroupCols / kFields;

/// byte p = c[p]<<6 | c[p+32]<<4 | c[p+64]<<2 | c[p+96], groups without gaps
struct LayoutI2S {
  static constexpr int shift(int field) { return 6 - 2 * field; }
  static constexpr std::size_t offset(std::size_t group) { return group * kGroupBytes; }
};

/// byte p = c[p] | c[p+32]<<2 | c[p+64]<<4 | c[p+96]<<6, two groups to a block of 66 bytes; the scale in the
/// last two is not the integer kernel's
struct LayoutTQ2 {
  static constexpr int shift(int field) { return 2 * field; }
  static constexpr std::size_t offset(std::size_t group) { return group / 2 * 66 + group % 2 * kGroupBytes; }
};

/// Base 3: 256 weights in 54 bytes, which are three runs and a scale that is not the integer kernel's. Byte m
/// of a run of S bytes holds the weights m, m + S, m + 2 S, … of the run: five of them in the first two runs,
/// four in the last. Digit i of byte b is ⌊3 · (3^i · b mod 256) / 256⌋, and every byte is valid.
struct LayoutTQ1 {
  static constexpr std::size_t kCols = 256;
  static constexpr std::size_t kBytes = 54;
  // Run 0: 32 bytes at 0, columns from 0 on. Run 1: 16 bytes. Run 2: 4 bytes.
  static constexpr std::size_t kRun1 = 32;
  static constexpr std::size_t kRun1Cols = 160;
  static constexpr std::size_t kRun2 = 48;
  static constexpr std::size_t kRun2Cols = 240;
  static constexpr std::size_t blocks_of(std::size_t cols) { return cols / kCols + (cols % kCols != 0); }
};

constexpr std::size_t groups_of(std::size_t cols) {
  return cols / kGroupCols + (cols % kGroupCols != 0);
}
constexpr std::size_t least(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}

}  // namespace
