"""Small random checkpoints of every architecture and option, against a forward pass written here from the formulas of
docs/formats.md in NumPy; then the same after `convert`, which must change no bit."""

import json
import struct
import unittest

import numpy

from support import ProgramTest

VOCAB, LAYERS, TOKENS = 160, 2, 24


class Checkpoint:
    """A model's configuration and its tensors, by Hugging Face's names."""

    def __init__(self, seed: int, *, model_class: str, hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=384,
                 sub_norms: tuple[str, str] | None = None, activation="silu", tied=False, bias=False, theta=10000.0,
                 scaling: dict | None = None, quantisation: dict | None, eps=1e-5):
        self.random = numpy.random.default_rng(seed)
        self.heads, self.kv_heads, self.head_dim, self.eps = heads, kv_heads, head_dim, eps
        self.activation, self.theta, self.sub_norms = activation, theta, sub_norms
        self.position_divisor = scaling["factor"] if scaling else 1.0
        self.quantisation = quantisation or {"quantization_mode": "online"}
        self.stored: dict[str, tuple[str, numpy.ndarray]] = {}  # what the file holds
        self.linears: dict[str, tuple] = {}                     # trits, scale, bias, norm
        self.config = {
            "architectures": [model_class], "vocab_size": VOCAB, "hidden_size": hidden, "num_hidden_layers": LAYERS,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_dim, "intermediate_size": ffn,
            "max_position_embeddings": 64, "rms_norm_eps": eps, "rope_theta": theta, "tie_word_embeddings": tied,
            "hidden_act": activation, "attention_bias": bias, "mlp_bias": bias,
            **({"rope_scaling": scaling} if scaling else {}),
            **({"quantization_config": {"quant_method": "bitnet", **quantisation}} if quantisation else {})}

        self.embedding = self.values("model.embed_tokens.weight", (VOCAB, hidden), 1.0)
        self.head = self.embedding if tied else self.values("lm_head.weight", (VOCAB, hidden), 0.1)
        self.norm("model.norm", hidden)
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}."
            self.norm(prefix + "input_layernorm", hidden)
            self.norm(prefix + "post_attention_layernorm", hidden)
            if sub_norms:
                self.norm(prefix + sub_norms[0], heads * head_dim)
                self.norm(prefix + sub_norms[1], ffn)
            for name, rows, cols in (("self_attn.q_proj", heads * head_dim, hidden),
                                     ("self_attn.k_proj", kv_heads * head_dim, hidden),
                                     ("self_attn.v_proj", kv_heads * head_dim, hidden),
                                     ("self_attn.o_proj", hidden, heads * head_dim),
                                     ("mlp.gate_proj", ffn, hidden), ("mlp.up_proj", ffn, hidden),
                                     ("mlp.down_proj", hidden, ffn)):
                self.linear(prefix + name, rows, cols, bias)

    def values(self, name: str, shape, spread: float) -> numpy.ndarray:
        # Values of float16, so that a converted embedding holds them exactly.
        array = (self.random.standard_normal(shape) * spread).astype(numpy.float16).astype(numpy.float32)
        self.stored[name] = ("F32", array)
        return array

    def norm(self, name: str, n: int):
        self.stored[name + ".weight"] = ("F32", (1 + 0.2 * self.random.standard_normal(n)).astype(numpy.float32))

    def linear(self, name: str, rows: int, cols: int, bias: bool):
        if self.quantisation["quantization_mode"] == "online":
            master = (self.random.standard_normal((rows, cols)) / numpy.sqrt(cols)).astype(numpy.float32)
            self.stored[name + ".weight"] = ("F32", master)
            scale = max(numpy.abs(master.astype(numpy.float64)).mean(), 1e-5)
            trits = numpy.clip(numpy.rint(master / scale), -1, 1)
        else:
            trits = self.random.integers(-1, 2, (rows, cols))
            codes = (trits + 1).astype(numpy.uint8).reshape(4, rows // 4, cols)
            self.stored[name + ".weight"] = ("U8", codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6)
            scale = 2.0 ** -round(numpy.log2(numpy.sqrt(cols)))
            divides = self.quantisation["linear_class"] == "bitlinear"
            self.stored[name + ".weight_scale"] = ("F32", numpy.array([1 / scale if divides else scale], numpy.float32))
        if bias:
            self.values(name + ".bias", rows, 0.3)
        if self.quantisation.get("use_rms_norm"):
            self.norm(name + ".rms_norm", cols)
        self.linears[name] = (trits, scale)

    def write(self, folder):
        (folder / "config.json").write_text(json.dumps(self.config))
        header, data = {}, b""
        for name, (dtype, array) in self.stored.items():
            header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
            data += array.tobytes()
        text = json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)

    # The forward pass, in float64 but for the int8 activations.

    def rms_norm(self, x, name: str, eps: float):
        return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + eps) * self.stored[name + ".weight"][1]

    def product(self, x, name: str):
        trits, scale = self.linears[name]
        if self.quantisation.get("use_rms_norm"):
            x = self.rms_norm(x, name + ".rms_norm", self.quantisation["rms_norm_eps"])
        s = 127 / numpy.maximum(numpy.abs(x).max(-1, keepdims=True), 1e-5)
        y = numpy.clip(numpy.rint(x * s), -128, 127) @ trits.T / s * scale
        return y + self.stored[name + ".bias"][1] if name + ".bias" in self.stored else y

    def rope(self, x):
        half = self.head_dim // 2
        angles = (numpy.arange(len(x))[:, None] / self.position_divisor
                  * self.theta ** (-numpy.arange(half) / half))[:, None, :]
        a, b = x[..., :half], x[..., half:]
        return numpy.concatenate([a * numpy.cos(angles) - b * numpy.sin(angles),
                                  b * numpy.cos(angles) + a * numpy.sin(angles)], -1)

    def attention(self, x, prefix: str):
        q, k, v = (self.product(x, prefix + f"self_attn.{part}_proj").reshape(len(x), -1, self.head_dim) for part in "qkv")
        q, k = self.rope(q), self.rope(k)
        k, v = (numpy.repeat(part, self.heads // self.kv_heads, axis=1) for part in (k, v))
        scores = numpy.einsum("ihd,jhd->hij", q, k) / numpy.sqrt(self.head_dim)
        scores[:, ~numpy.tri(len(x), dtype=bool)] = -numpy.inf
        weights = numpy.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return numpy.einsum("hij,jhd->ihd", weights, v).reshape(len(x), -1)

    def logits(self, ids):
        x = self.embedding[ids].astype(numpy.float64)
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}."
            y = self.attention(self.rms_norm(x, prefix + "input_layernorm", self.eps), prefix)
            if self.sub_norms:
                y = self.rms_norm(y, prefix + self.sub_norms[0], self.eps)
            x = x + self.product(y, prefix + "self_attn.o_proj")
            y = self.rms_norm(x, prefix + "post_attention_layernorm", self.eps)
            gate, up = self.product(y, prefix + "mlp.gate_proj"), self.product(y, prefix + "mlp.up_proj")
            y = (numpy.maximum(gate, 0) ** 2 if self.activation == "relu2" else gate / (1 + numpy.exp(-gate))) * up
            if self.sub_norms:
                y = self.rms_norm(y, prefix + self.sub_norms[1], self.eps)
            x = x + self.product(y, prefix + "mlp.down_proj")
        return self.rms_norm(x, "model.norm", self.eps) @ self.head.T


class Architectures(ProgramTest):
    def check(self, **shape):
        checkpoint = Checkpoint(seed=7, **shape)
        checkpoint.write(self.folder)
        ids = checkpoint.random.integers(0, VOCAB, TOKENS).tolist()
        tokens = self.write("ids.json", ids)

        def logits(model):
            out = self.folder / "out.npy"
            self.ok("logits", "-m", model, "--tokens", tokens, "-o", out)
            return numpy.load(out)[0]

        found, expected = logits(self.folder), checkpoint.logits(ids)
        # Where float32 and float64 round one activation differently, everything after it differs a little.
        error = numpy.linalg.norm(found - expected) / numpy.linalg.norm(expected)
        self.assertLess(error, 0.01)
        self.assertGreaterEqual((found.argmax(-1) == expected.argmax(-1)).mean(), 0.95)
        self.ok("convert", self.folder, self.folder / "out.gguf", "--type", "i2_s", "--head", "f16")
        numpy.testing.assert_array_equal(logits(self.folder / "out.gguf"), found)

    def test_bitnet_b158(self):
        self.check(model_class="BitNetForCausalLM", heads=6, kv_heads=2, activation="relu2", tied=True, theta=500000.0,
                   sub_norms=("self_attn.attn_sub_norm", "mlp.ffn_sub_norm"),
                   quantisation={"linear_class": "bitlinear", "quantization_mode": "offline"})

    def test_bitnet(self):
        self.check(model_class="BitnetForCausalLM", kv_heads=4, tied=True, eps=1e-6, quantisation=None,
                   sub_norms=("self_attn.inner_attn_ln", "mlp.ffn_layernorm"))

    def test_heads_wider_than_the_hidden_state(self):
        self.check(model_class="LlamaForCausalLM", heads=4, kv_heads=1, head_dim=128, theta=1000042.0, eps=1e-6,
                   quantisation={"linear_class": "bitlinear", "quantization_mode": "offline"})

    def test_norms_inside_the_linear_layers(self):
        self.check(model_class="LlamaForCausalLM", quantisation={
            "linear_class": "autobitlinear", "quantization_mode": "online", "use_rms_norm": True, "rms_norm_eps": 1e-6})

    def test_biases_and_linear_rope_scaling(self):
        self.check(model_class="LlamaForCausalLM", bias=True, scaling={"rope_type": "linear", "factor": 4.0},
                   quantisation={"linear_class": "autobitlinear", "quantization_mode": "offline"})


if __name__ == "__main__":
    unittest.main()
