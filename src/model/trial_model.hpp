// A model some of whose matrices are replaced for a while: to measure what storing them otherwise does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint.hpp"
#include "model/weights.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// A matrix [rows, cols] whose layer is given float inputs, from `bytes` in a dense or packed dtype: as a
/// file that holds these bytes would be run, bit for bit.
Matrix matrix_of(DType dtype, std::uint64_t rows, std::uint64_t cols, Bytes bytes);

class TrialModel {
 public:
  TrialModel(const std::filesystem::path& path, const LoadOptions& options);

  /// The model as it is now. Sessions made before a change must not be used after it.
  std::shared_ptr<const Model> model() const noexcept { return model_; }

  /// Puts a matrix in the place of a linear layer's ("blk.0.attn_q"), of "token_embd" (and of the head, where
  /// that is the embedding) or of "output". Throws InvalidArgument for another name or shape.
  void replace(const std::string& name, Matrix matrix);
  /// Puts the norm's weights in the place of "blk.0.attn_norm" and so on.
  void replace_norm(const std::string& name, std::vector<float> weights);
  /// Undoes every replacement of a name; of all.
  void restore(const std::string& name);
  void restore();

 private:
  Matrix& place(const std::string& name);
  std::vector<float>& norm_place(const std::string& name);
  void tie();

  std::shared_ptr<Model> model_;
  Weights& weights_;
  bool tied_;
  std::map<std::string, Matrix*> places_;
  std::map<std::string, std::vector<float>*> norms_;
  std::map<std::string, Matrix> originals_;
  std::map<std::string, std::vector<float>> original_norms_;
};

}  // namespace sterna
