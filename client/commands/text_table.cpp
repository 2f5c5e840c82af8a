#include "client/commands/text_table.h"

#include <algorithm>
#include <cstdio>

namespace almagest::client {
namespace {

bool ContinuesCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !ContinuesCodePoint(c); }));
}

}  // namespace

std::string FormatTable(const std::vector<std::vector<std::string>>& rows, bool all_left) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const std::string padding(widths[c] - Width(rows[r][c]), ' ');
      if (c > 0) line += "  ";
      line += c == 0 || all_left ? rows[r][c] + padding : padding + rows[r][c];
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
    if (r == 0) {
      std::string rule;
      for (size_t c = 0; c < widths.size(); ++c) {
        rule += (c > 0 ? "  " : "") + std::string(widths[c], '-');
      }
      text += rule + "\n";
    }
  }
  return text;
}

std::string Decimal(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string Shortened(const std::string& text, size_t width) {
  if (Width(text) <= width) return text;
  std::string kept;
  size_t count = 0;
  for (const char c : text) {
    if (!ContinuesCodePoint(c) && ++count > width - 3) break;
    kept += c;
  }
  return kept + "...";
}

}  // namespace almagest::client
