// Einstein's sum: operands are contracted in pairs until one is left.
#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sterna/error.hpp"
#include "sterna/linalg.hpp"
#include "sterna/ops.hpp"
#include "tensor/axis.hpp"
#include "tensor/linalg/subscripts.hpp"

namespace sterna {
namespace {

using linalg::Labels;

/// A tensor whose axes have labels, each once.
struct Term {
  Tensor tensor;
  Labels labels;
};

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// The view of a diagonal: axes of one label become one, whose stride is the sum of theirs.
Term diagonal(const Tensor& tensor, const Labels& labels, std::string_view subscripts) {
  Term term{tensor, {}};
  Shape shape;
  Strides strides;
  for (std::size_t k = 0; k < labels.size(); ++k) {
    const auto at = static_cast<std::size_t>(std::find(term.labels.begin(), term.labels.end(), labels[k]) -
                                             term.labels.begin());
    if (at == term.labels.size()) {
      term.labels.push_back(labels[k]);
      shape.push_back(tensor.shape()[k]);
      strides.push_back(tensor.strides()[k]);
    } else if (shape[at] == tensor.shape()[k]) {
      strides[at] += tensor.strides()[k];
    } else {
      throw tensor_error(ErrorCategory::Mismatch, "einsum", "the axes of a diagonal have different lengths",
                         tensor, {{"subscripts", std::string(subscripts)}});
    }
  }
  if (term.labels.size() < labels.size()) {
    term.tensor = tensor.size() == 0
                      ? Tensor::empty(shape, tensor.dtype())
                      : Tensor(tensor.storage(), tensor.dtype(), shape, strides, tensor.offset());
  }
  return term;
}

/// Lengths of labels over all terms. An axis of length 1 repeats where another is longer; it is removed.
std::map<int, std::int64_t> broadcast(std::vector<Term>& terms, std::string_view subscripts) {
  std::map<int, std::int64_t> lengths;
  for (const Term& term : terms) {
    for (std::size_t k = 0; k < term.labels.size(); ++k) {
      const std::int64_t length = term.tensor.shape()[k];
      std::int64_t& known = lengths.emplace(term.labels[k], 1).first->second;
      if (known != 1 && length != 1 && known != length) {
        std::string shapes;
        for (const Term& each : terms)
          shapes += (shapes.empty() ? "" : ", ") + to_string(each.tensor.shape());
        throw Error(ErrorCategory::Mismatch, "an axis has different lengths",
                    {{"operation", "einsum"}, {"subscripts", std::string(subscripts)}, {"operands", shapes}});
      }
      if (known == 1) known = length;
    }
  }
  for (Term& term : terms) {
    for (std::size_t k = term.labels.size(); k-- > 0;) {
      if (term.tensor.shape()[k] == lengths[term.labels[k]]) continue;
      term.tensor = term.tensor.select(static_cast<std::int64_t>(k), 0);
      term.labels.erase(term.labels.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }
  return lengths;
}

/// Sums over the axes that are not kept. Bool: "or", as its products are "and".
Term summed(const Term& term, const Labels& kept) {
  Axes axes;
  Term result{term.tensor, {}};
  for (std::size_t k = 0; k < term.labels.size(); ++k) {
    if (has(kept, term.labels[k])) {
      result.labels.push_back(term.labels[k]);
    } else {
      axes.push_back(static_cast<std::int64_t>(k));
    }
  }
  if (!axes.empty()) {
    result.tensor = term.tensor.dtype() == DType::Bool ? any(term.tensor, axes)
                                                       : sum(term.tensor, axes).to(term.tensor.dtype());
  }
  return result;
}

/// The term with its axes in the order of `labels`, all of which it has.
Tensor ordered(const Term& term, const Labels& labels) {
  Axes axes;
  for (const int label : labels)
    axes.push_back(std::find(term.labels.begin(), term.labels.end(), label) - term.labels.begin());
  return term.tensor.permute(axes);
}

/// Σ over the labels of both that are not kept: a product of matrices for each value of those that are kept
/// and of both.
Term contracted(const Term& first, const Term& second, const Labels& kept) {
  Labels a_kept = kept;
  a_kept.insert(a_kept.end(), second.labels.begin(), second.labels.end());
  Labels b_kept = kept;
  b_kept.insert(b_kept.end(), first.labels.begin(), first.labels.end());
  const Term a = summed(first, a_kept);
  const Term b = summed(second, b_kept);
  Labels stack;
  Labels inner;
  Labels rows;
  Labels cols;
  for (const int label : a.labels)
    (!has(b.labels, label) ? rows : has(kept, label) ? stack : inner).push_back(label);
  for (const int label : b.labels) {
    if (!has(a.labels, label)) cols.push_back(label);
  }
  const auto joined = [](Labels x, const Labels& y, const Labels& z) {
    x.insert(x.end(), y.begin(), y.end());
    x.insert(x.end(), z.begin(), z.end());
    return x;
  };
  const Tensor left = ordered(a, joined(stack, rows, inner));
  const Tensor right = ordered(b, joined(stack, inner, cols));
  const auto lengths = [](const Tensor& t, std::size_t begin, std::size_t count) {
    return Shape(std::span(t.shape().data() + begin, count));
  };
  const Shape stack_shape = lengths(left, 0, stack.size());
  const Shape row_shape = lengths(left, stack.size(), rows.size());
  const Shape col_shape = lengths(right, stack.size() + inner.size(), cols.size());
  const std::int64_t k = element_count(lengths(right, stack.size(), inner.size()));
  const auto matrix = [&](std::int64_t m, std::int64_t n) {
    Shape shape = stack_shape;
    shape.push_back(m);
    shape.push_back(n);
    return shape;
  };
  const Tensor x = left.reshape(matrix(element_count(row_shape), k));
  const Tensor y = right.reshape(matrix(k, element_count(col_shape)));
  Shape shape = stack_shape;
  for (const std::int64_t n : row_shape) shape.push_back(n);
  for (const std::int64_t n : col_shape) shape.push_back(n);
  // Nothing to sum over: element by element.
  const Tensor product = inner.empty() ? multiply(x, y) : matmul(x, y);
  return {product.reshape(shape), joined(stack, rows, cols)};
}

/// Labels of the output and of all terms but these two.
Labels kept_of(const std::vector<Term>& terms, std::size_t i, std::size_t j, const Labels& output) {
  Labels kept = output;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    if (k != i && k != j) kept.insert(kept.end(), terms[k].labels.begin(), terms[k].labels.end());
  }
  return kept;
}

/// Elements of the contraction of two terms.
double size_of(const Term& a, const Term& b, const Labels& kept, const std::map<int, std::int64_t>& lengths) {
  double size = 1;
  for (const auto& [label, length] : lengths) {
    if ((has(a.labels, label) || has(b.labels, label)) && has(kept, label))
      size *= static_cast<double>(length);
  }
  return size;
}

}  // namespace

Tensor einsum(std::string_view subscripts, std::span<const Tensor> operands) {
  const linalg::Subscripts parsed = linalg::parse_subscripts(subscripts, operands);
  DType type = operands.front().dtype();
  for (const Tensor& operand : operands) {
    require_plain("einsum", operand.dtype());
    type = result_type(type, operand.dtype());
  }
  // Half floats are rounded once, at the end.
  const DType computed = type == DType::F16 || type == DType::BF16 ? DType::F32 : type;
  std::vector<Term> terms;
  for (std::size_t k = 0; k < operands.size(); ++k)
    terms.push_back(diagonal(operands[k].to(computed), parsed.operands[k], subscripts));
  const std::map<int, std::int64_t> lengths = broadcast(terms, subscripts);

  while (terms.size() > 1) {
    std::size_t best_i = 0;
    std::size_t best_j = 1;
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < terms.size(); ++i) {
      for (std::size_t j = i + 1; j < terms.size(); ++j) {
        const double size = size_of(terms[i], terms[j], kept_of(terms, i, j, parsed.output), lengths);
        if (size < best) {
          best = size;
          best_i = i;
          best_j = j;
        }
      }
    }
    terms[best_i] = contracted(terms[best_i], terms[best_j], kept_of(terms, best_i, best_j, parsed.output));
    terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(best_j));
  }
  const Term last = summed(terms.front(), parsed.output);
  const Tensor result = ordered(last, parsed.output).to(type);
  return result.shares_storage_with(operands.front()) ? result.clone() : result.contiguous();
}

}  // namespace sterna
