// The probes of kernels/peak_table.hpp that an instruction set may define.
//
// Each keeps as many sums as hide the latency of its instructions. The instructions of a vector unit are
// written as such, and volatile: a compiler can neither hoist a product that stays the same, nor merge sums
// that are equal, nor drop what nobody reads.
//
// Included inside namespace sterna::<isa>, by the table and by the files that define them.

std::uint64_t peak_int8(std::size_t steps, std::int8_t code, std::int8_t activation);
std::uint64_t peak_int8_widened(std::size_t steps, std::int8_t code, std::int8_t activation);
std::uint64_t peak_int16(std::size_t steps, std::int8_t code, std::int8_t activation);
std::uint64_t peak_float(std::size_t steps, std::int8_t code, std::int8_t activation);
std::uint64_t peak_fused(std::size_t steps, std::int8_t code, std::int8_t activation);
