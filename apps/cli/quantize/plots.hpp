// The plots of the report as inline SVG, each with axes in units and a sentence that says what it shows. An
// empty string where there is nothing to draw.
#pragma once

#include <string>
#include <string_view>

#include "sterna/quantize.hpp"

namespace sterna::cli {

/// Colours: a class p0 … p4 for each precision, in `kPlotStyle`.
extern const std::string_view kPlotStyle;

/// A dot for each matrix and precision: what storing it so alone costs.
std::string sensitivity_plot(const QuantizeReport& report);
/// Size against perplexity: measured, predicted, and what was chosen.
std::string frontier_plot(const QuantizeReport& report);
/// The weights of each matrix.
std::string histograms(const QuantizeReport& report);

}  // namespace sterna::cli
