// What the HTML reports share: one page that needs nothing but itself, light and dark. No script, no font, no
// image from elsewhere.
#pragma once

#include <string>
#include <string_view>

namespace sterna::cli {

/// Text as the content of an element or an attribute's value.
std::string escaped(std::string_view text);

/// From the doctype to the first heading, the title. `style` is what this page adds to the common one, whose
/// variables are --paper, --ink, --soft, --line, --ours and --base.
std::string page_begin(std::string_view title, std::string_view style);
std::string page_end();

}  // namespace sterna::cli
