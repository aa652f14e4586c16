// The functions every instruction set defines; what they compute is said in kernels/kernel_table.hpp.
//
// Included inside namespace sterna::<isa>, by the table and by the files that define them.

void ternary_i2_s(const TernaryArgs& args);
void ternary_tq2_0(const TernaryArgs& args);
void ternary_tq1_0(const TernaryArgs& args);

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* out);
QuantizeResult quantize(const float* x, std::size_t n, std::size_t padded, std::int8_t* out);
float quantize16(const float* x, std::size_t n, std::int16_t* out);
void silu_mul(const GateArgs& args);
void relu2_mul(const GateArgs& args);
void gelu_mul(const GateArgs& args);
void add(const AddArgs& args);
void rope(float* x, const float* cosines, const float* sines, std::size_t n);
void scale_rows(const ScaleArgs& args);

void attention_f32(const AttentionArgs& args);
void attention_f16(const AttentionArgs& args);
void attention_i8(const AttentionArgs& args);
void attention_finish(const AttentionFinishArgs& args);
void kv_append_f32(const KvAppendArgs& args);
void kv_append_f16(const KvAppendArgs& args);
void kv_append_i8(const KvAppendArgs& args);

void dense_f32(const DenseArgs& args);
void dense_f16(const DenseArgs& args);
void dense_bf16(const DenseArgs& args);
void dense_q8_0(const DenseArgs& args);
void dense_q6_k(const DenseArgs& args);
void dense_q4_0(const DenseArgs& args);
