#include "client/demo/gcide_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <set>
#include <utility>

namespace almagest::client {
namespace {

constexpr size_t kLineWidth = 66;  // The printed width: a line that could have held the next
                                   // word ends a paragraph.

bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool IsUpper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view TrimBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

// "[1913 Webster]" alone on its line: where the preceding definition came from.
std::optional<std::string_view> SourceTag(std::string_view line) {
  const std::string_view text = TrimBlanks(line);
  if (!text.starts_with('[') || !text.ends_with(']')) return {};
  const std::string_view inside = text.substr(1, text.size() - 2);
  for (const std::string_view name : {"Webster", "WordNet", "PJC", "Century", "AS", "GG"}) {
    if (inside.find(name) != std::string_view::npos) return inside;
  }
  return {};
}

// Length of a leading "12. " or "(a) " (also both), 0 if there is none.
size_t NumberLength(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) ++at;
  if (at > 0 && at + 1 < text.size() && text[at] == '.' && text[at + 1] == ' ') {
    at += 2;
  } else {
    at = 0;
  }
  const std::string_view rest = text.substr(at);
  if (rest.size() > 4 && rest[0] == '(' && rest[1] >= 'a' && rest[1] <= 'z' && rest[2] == ')' &&
      rest[3] == ' ') {
    at += 4;
  }
  return at;
}

// The line of the first paragraph at which the definition begins: heads wrap at the same indent as
// definitions, so it is the first line break that the width did not force, outside all brackets.
size_t HeadLines(const std::vector<std::string_view>& lines, size_t count) {
  int depth = 0;
  std::optional<size_t> forced;  // A break that may be wrapping, but looks like an end.
  for (size_t i = 0; i < count; ++i) {
    for (const char c : lines[i]) {
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
    }
    if (depth != 0 || i + 1 >= count) continue;
    const std::string_view next = TrimBlanks(lines[i + 1]);
    const std::string_view word = next.substr(0, next.find(' '));
    if (NumberLength(next) > 0) return i + 1;
    const bool fits = lines[i].size() + 1 + word.size() < kLineWidth;
    const char last = TrimBlanks(lines[i]).empty() ? ' ' : TrimBlanks(lines[i]).back();
    const bool ended = last == '.' || last == ']' || last == ')';
    if (fits) return i + 1;
    if (!forced && ended && !next.empty() && IsUpper(next.front())) forced = i + 1;
  }
  return forced.value_or(count);
}

void EraseBracketed(std::string& text, char open, char close) {
  std::string kept;
  int depth = 0;
  for (const char c : text) {
    if (c == open) ++depth;
    if (depth == 0) kept += c;
    if (c == close && depth > 0) --depth;
  }
  text = std::move(kept);
}

void CutAt(std::string& text, std::string_view mark) {
  if (const size_t at = text.find(mark); at != std::string::npos) text.resize(at);
}

// What a reader would call the definition: without numbers, labels, examples and quotations.
std::string CleanDefinition(std::string_view printed) {
  std::string text = PlainLetters(printed);
  text.erase(0, NumberLength(text));
  EraseBracketed(text, '[', ']');
  while (TrimBlanks(text).starts_with('(')) {  // "(Zool.) A fish."
    const size_t close = text.find(')');
    if (close == std::string::npos) break;
    text.erase(0, close + 1);
  }
  CutAt(text, "; as, ");
  CutAt(text, ", as, ");
  CutAt(text, " as, ");
  CutAt(text, ". See ");
  CutAt(text, "; -- ");
  CutAt(text, ". -- ");
  CutAt(text, " \"");
  for (size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at + 1)) {
    if (at + 2 < text.size() && IsUpper(text[at + 2])) {  // "--Shak.": an author.
      text.resize(at);
      break;
    }
  }
  std::string clean;
  for (const char c : text) {
    if (c == '{' || c == '}') continue;
    const char blank = c == '\n' || c == '\t' ? ' ' : c;
    if (blank == ' ' && (clean.empty() || clean.back() == ' ')) continue;
    clean += blank;
  }
  while (!clean.empty() &&
         std::string_view(" .;:,-").find(clean.back()) != std::string_view::npos) {
    clean.pop_back();
  }
  return clean;
}

std::string Headword(std::string_view first_line) {
  std::string head = PlainLetters(first_line.substr(0, first_line.find(" \\")));
  CutAt(head, ",");
  for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::string(TrimBlanks(head));
}

std::string ReadGzip(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw ClientError(path.string() + " cannot be opened (Debian's dict-gcide)");
  std::string text;
  std::string block(1 << 20, '\0');
  for (;;) {
    const int bytes = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    if (bytes < 0) throw ClientError(path.string() + " is not readable as gzip");
    if (bytes == 0) return text;
    text.append(block, 0, static_cast<size_t>(bytes));
  }
}

}  // namespace

std::optional<uint64_t> ParseDictdNumber(std::string_view digits) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (digits.empty() || digits.size() > 10) return {};
  uint64_t value = 0;
  for (const char c : digits) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return {};
    value = value * 64 + digit;
  }
  return value;
}

std::string PlainLetters(std::string_view text) {
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t close = text[at] == '[' ? text.find(']', at) : std::string_view::npos;
    if (close == std::string_view::npos || close - at > 5 || close == at + 1) {
      plain += text[at];
      continue;
    }
    const std::string_view inside = text.substr(at + 1, close - at - 1);
    std::string letters;
    for (const char c : inside) {
      if (IsLetter(c)) letters += c;
    }
    const bool ligature = inside == "ae" || inside == "oe" || inside == "AE" || inside == "OE";
    const bool umlaut = inside.size() == 3 && inside.ends_with("um");
    const bool accent =
        letters.size() == 1 && inside.size() == 2 && !(IsUpper(inside[0]) && inside[1] == '.');
    if (ligature) {
      plain += inside;
    } else if (umlaut) {
      plain += inside.front();
    } else if (accent) {
      plain += letters;
    } else {
      plain += text[at];
      continue;
    }
    at = close;
  }
  return plain;
}

std::vector<Definition> ParseGcideEntry(std::string_view entry) {
  std::vector<std::string_view> lines = SplitLines(entry);
  while (!lines.empty() && TrimBlanks(lines.front()).empty()) lines.erase(lines.begin());
  std::vector<Definition> definitions;
  if (lines.empty() || lines.front().starts_with(' ') ||
      lines.front().find(" \\") == std::string_view::npos) {
    return definitions;
  }
  const std::string headword = Headword(lines.front());
  size_t paragraph = 0;  // Lines of the first paragraph.
  while (paragraph < lines.size() && !TrimBlanks(lines[paragraph]).empty() &&
         !SourceTag(lines[paragraph])) {
    ++paragraph;
  }

  std::string printed;  // The definition being collected; empty: none.
  size_t untagged = 0;  // First definition that has not met its source yet.
  const auto finish = [&] {
    std::string text = CleanDefinition(printed);
    if (!text.empty()) definitions.push_back({headword, std::move(text), ""});
    printed.clear();
  };
  bool collecting = true;    // The head is followed by a definition without a number.
  bool in_compound = false;  // "{Sand dab}, (a) ...": its parts do not define the headword.
  for (size_t i = HeadLines(lines, paragraph); i < lines.size(); ++i) {
    const std::string_view line = TrimBlanks(lines[i]);
    if (const auto source = SourceTag(line)) {
      finish();
      for (; untagged < definitions.size(); ++untagged) definitions[untagged].source = *source;
      collecting = definitions.empty();
      continue;
    }
    if (line.empty()) {
      if (!printed.empty()) {
        finish();
        collecting = false;
      }
      continue;
    }
    if (IsDigit(line.front()) && NumberLength(line) > 0) in_compound = false;
    if (printed.empty() && line.starts_with('{')) in_compound = true;
    if (NumberLength(line) > 0 && !in_compound) {
      finish();
      collecting = true;
    } else if (printed.empty() &&
               (line.starts_with("Syn:") || line.starts_with("Note:") || line.starts_with('{') ||
                !lines[i].starts_with("   ") || lines[i].starts_with("         "))) {
      collecting = false;  // Synonyms, notes, compounds, quotations.
    }
    if (!collecting) continue;
    if (!printed.empty()) printed += ' ';
    printed += line;
  }
  definitions.resize(untagged);  // Text after the last source has none.
  return definitions;
}

std::vector<Definition> ReadGcide(const std::filesystem::path& folder) {
  const std::string text = ReadGzip(folder / "gcide.dict.dz");
  const std::filesystem::path index_path = folder / "gcide.index";
  std::ifstream index(index_path);
  if (!index) throw ClientError(index_path.string() + " cannot be opened (Debian's dict-gcide)");
  std::set<std::pair<uint64_t, uint64_t>> entries;  // Offset and length.
  std::string line;
  for (size_t number = 1; std::getline(index, line); ++number) {
    if (line.starts_with("00-")) continue;  // About the dictionary itself.
    const size_t first = line.find('\t');
    const size_t second = first == std::string::npos ? first : line.find('\t', first + 1);
    std::optional<uint64_t> offset, length;
    if (second != std::string::npos) {
      const size_t third = std::min(line.find('\t', second + 1), line.size());
      offset = ParseDictdNumber(std::string_view(line).substr(first + 1, second - first - 1));
      length = ParseDictdNumber(std::string_view(line).substr(second + 1, third - second - 1));
    }
    if (!offset || !length || *offset > text.size() || *length > text.size() - *offset) {
      throw ClientError(index_path.string() + " line " + std::to_string(number) +
                        " does not name a part of gcide.dict.dz");
    }
    entries.emplace(*offset, *length);
  }
  std::vector<Definition> definitions;
  for (const auto& [offset, length] : entries) {
    for (Definition& definition : ParseGcideEntry(std::string_view(text).substr(offset, length))) {
      definitions.push_back(std::move(definition));
    }
  }
  return definitions;
}

}  // namespace almagest::client
