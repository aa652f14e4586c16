// Where the 2-bit codes (trit + 1) of a row lie. Both layouts keep 128 weights in 32 bytes, four fields to a
// byte: field f of byte p is element 32·f + p of the group. They differ in the order of the fields and in
// what lies between the groups.
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

constexpr std::size_t groups_of(std::size_t cols) {
  return cols / kGroupCols + (cols % kGroupCols != 0);
}
constexpr std::size_t least(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}

}  // namespace
