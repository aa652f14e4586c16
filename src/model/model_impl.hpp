// What a Model holds; for the layers above that run it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/dispatch.hpp"
#include "model/checkpoint.hpp"
#include "model/weights.hpp"

namespace sterna {

struct Model::Impl {
  Checkpoint checkpoint;  ///< its tokenizer moved into `tokenizer`
  Dispatch dispatch;
  Weights weights;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null when the files hold none
  WeightReports reports;
  std::vector<std::string> kernel_names;
  std::uint64_t bytes_per_token = 0;
  std::uint64_t parameters = 0;
};

}  // namespace sterna
