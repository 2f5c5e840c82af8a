// A plain text table: columns as wide as their longest cell.
#pragma once

#include <string>
#include <vector>

namespace almagest::client {

// The first row is the head. The first column is aligned left, the others right (numbers); with
// `all_left` all are. Rows may be shorter than the head. Ends with a newline.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows, bool all_left = false);

// "0.2513" with `digits` decimals.
std::string Decimal(double value, int digits);
// Cuts to `width` characters (bytes of a code point are kept together), ending in "...".
std::string Shortened(const std::string& text, size_t width);

}  // namespace almagest::client
