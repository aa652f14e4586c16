#include "sterna/model.hpp"

#include <algorithm>

#include "model/coarse_head.hpp"
#include "model/model_impl.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

std::uint64_t bytes_of(const Matrix& matrix) {
  return matrix.rows * matrix.stride;
}

std::uint64_t bytes_read_per_token(const Weights& weights) {
  std::uint64_t bytes =
      bytes_of(weights.head.matrix) + weights.embedding.stride + weights.output_norm.size() * sizeof(float);
  for (const Layer& layer : weights.layers) {
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate,
                                 &layer.up, &layer.down}) {
      bytes += bytes_of(linear->matrix) + (linear->bias.size() + linear->input_norm.size()) * sizeof(float);
    }
    bytes += (layer.attention_norm.size() + layer.attention_sub_norm.size() + layer.ffn_norm.size() +
              layer.ffn_sub_norm.size()) *
             sizeof(float);
  }
  return bytes;
}

/// Of the matrices that a token is multiplied by, as the files hold them.
std::uint64_t stored_weight_bytes(const Checkpoint& checkpoint) {
  std::uint64_t bytes = 0;
  for (const LayerSource& layer : checkpoint.layers) {
    for_each_linear(layer, [&](const LinearSource& source) { bytes += source.weight->bytes.size(); });
  }
  return bytes;
}

void note_kernel(std::vector<std::string>& names, std::string name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
}

/// Those of one token first.
std::vector<std::string> kernels_in_use(const Weights& weights, const Dispatch& dispatch) {
  std::vector<std::string> names;
  for (const Kernels& kernels : dispatch.kernels) {
    for (const Layer& layer : weights.layers) {
      for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                                   &layer.gate, &layer.up, &layer.down}) {
        const Matrix& matrix = linear->matrix;
        if (matrix.ternary) note_kernel(names, std::string(ternary_kernel(kernels, matrix.dtype)->name));
      }
    }
  }
  for (const BackendChoice& choice : dispatch.choices) {
    if (choice.operation != Operation::Ternary) note_kernel(names, "float-" + choice.variant);
  }
  return names;
}

}  // namespace

Model::Model() : impl_(std::make_unique<Impl>()) {}
Model::~Model() = default;

std::shared_ptr<const Model> Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  return load_mutable(path, options);
}

std::shared_ptr<Model> Model::load_mutable(const std::filesystem::path& path, const LoadOptions& options) {
  auto model = std::shared_ptr<Model>(new Model);
  Impl& impl = *model->impl_;
  impl.checkpoint = open_checkpoint(
      path, {.map = {.map = options.map, .lock = options.lock}, .i2s_group = options.i2s_group});
  impl.dispatch = make_dispatch({.backend = options.backend,
                                 .kernel = options.kernel,
                                 .weight_bytes = stored_weight_bytes(impl.checkpoint),
                                 .threads = options.threads});
  ThreadPool pool(options.threads);
  impl.weights = load_weights(impl.checkpoint, impl.dispatch, pool,
                              {.pack = options.pack, .progress = options.progress}, impl.reports);
  if (options.screen_head) {
    impl.weights.coarse_head = make_coarse_head(
        impl.weights.head,
        screen_kernel_of(impl.dispatch.variant(Operation::Dense, impl.weights.head.matrix.dtype, 1)), pool);
  }
  if (impl.checkpoint.tokenizer) {
    impl.tokenizer = std::make_shared<const Tokenizer>(std::move(*impl.checkpoint.tokenizer));
    impl.checkpoint.tokenizer.reset();
  }
  impl.kernel_names = kernels_in_use(impl.weights, impl.dispatch);
  impl.bytes_per_token = bytes_read_per_token(impl.weights);
  for (const WeightReport& report : impl.reports.weights)
    impl.parameters += report.shape[0] * report.shape[1];
  return model;
}

const ModelConfig& Model::config() const noexcept {
  return impl_->checkpoint.config;
}

const std::shared_ptr<const Tokenizer>& Model::tokenizer() const {
  if (!impl_->tokenizer) {
    throw Error(ErrorCategory::Unsupported, "the model comes without a tokenizer",
                {{"file", impl_->checkpoint.path.string()}});
  }
  return impl_->tokenizer;
}

bool Model::has_tokenizer() const noexcept {
  return impl_->tokenizer != nullptr;
}

const std::string& Model::chat_template_source() const noexcept {
  static const std::string none;
  return impl_->tokenizer ? impl_->tokenizer->spec().chat_template : none;
}

const std::vector<WeightReport>& Model::weights() const noexcept {
  return impl_->reports.weights;
}
const PackingReport& Model::packing() const noexcept {
  return impl_->reports.packing;
}
std::uint64_t Model::bytes_per_token() const noexcept {
  return impl_->bytes_per_token;
}
std::uint64_t Model::parameters() const noexcept {
  return impl_->parameters;
}
std::uint64_t Model::head_screen_bytes() const noexcept {
  return impl_->weights.coarse_head ? impl_->weights.coarse_head->bytes() : 0;
}
const std::vector<std::string>& Model::kernels() const noexcept {
  return impl_->kernel_names;
}
const std::vector<BackendChoice>& Model::backends() const noexcept {
  return impl_->dispatch.choices;
}
const Model::GenerationDefaults& Model::generation_defaults() const noexcept {
  return impl_->checkpoint.generation;
}

}  // namespace sterna
