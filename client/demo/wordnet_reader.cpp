#include "client/demo/wordnet_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

namespace almagest::client {
namespace {

// lexnames(5WN): the numbers of the lexicographer files. The package does not ship the table.
constexpr std::array<std::string_view, 45> kLexnames = {
    "adj.all",          "adj.pert",           "adv.all",
    "noun.Tops",        "noun.act",           "noun.animal",
    "noun.artifact",    "noun.attribute",     "noun.body",
    "noun.cognition",   "noun.communication", "noun.event",
    "noun.feeling",     "noun.food",          "noun.group",
    "noun.location",    "noun.motive",        "noun.object",
    "noun.person",      "noun.phenomenon",    "noun.plant",
    "noun.possession",  "noun.process",       "noun.quantity",
    "noun.relation",    "noun.shape",         "noun.state",
    "noun.substance",   "noun.time",          "verb.body",
    "verb.change",      "verb.cognition",     "verb.communication",
    "verb.competition", "verb.consumption",   "verb.contact",
    "verb.creation",    "verb.emotion",       "verb.motion",
    "verb.perception",  "verb.possession",    "verb.social",
    "verb.stative",     "verb.weather",       "adj.ppl"};

constexpr uint64_t kIdsPerFile = 100'000'000;  // Offsets have eight digits.

std::string_view NextField(std::string_view& rest) {
  const size_t space = rest.find(' ');
  const std::string_view field = rest.substr(0, space);
  rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  return field;
}

uint64_t ParseNumber(std::string_view field, int base) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(field.data(), field.data() + field.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != field.data() + field.size() || field.empty()) {
    throw ClientError("\"" + std::string(field) + "\" should be a number");
  }
  return value;
}

// "ice_cream(p)" -> "ice cream": adjectives carry a syntactic marker.
std::string LemmaText(std::string_view field) {
  const size_t marker = field.find('(');
  std::string lemma(field.substr(0, marker));
  std::replace(lemma.begin(), lemma.end(), '_', ' ');
  return lemma;
}

std::string_view Trim(std::string_view text, std::string_view characters) {
  const size_t first = text.find_first_not_of(characters);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(characters) - first + 1);
}

}  // namespace

std::string GlossWithoutExamples(std::string_view gloss) {
  std::string text;
  bool quoted = false;
  for (const char c : gloss) {
    if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      text += c;
    }
  }
  // What is left of removed examples: "; ;" at the end, and doubled blanks.
  std::string clean;
  for (const char c : Trim(text, " ;\t")) {
    if (c == ' ' && clean.ends_with(' ')) continue;
    clean += c;
  }
  if (!clean.empty()) return clean;
  return std::string(Trim(gloss, " ;\t\""));  // Nothing but an example: better than no text.
}

Synset ParseSynsetLine(std::string_view line, int digit, std::string_view part_of_speech) {
  const size_t bar = line.find(" | ");
  if (bar == std::string_view::npos) throw ClientError("there is no gloss");
  std::string_view rest = line.substr(0, bar);
  Synset synset;
  synset.id = static_cast<uint64_t>(digit) * kIdsPerFile + ParseNumber(NextField(rest), 10);
  const uint64_t lexname = ParseNumber(NextField(rest), 10);
  if (lexname >= kLexnames.size()) {
    throw ClientError("lexicographer file " + std::to_string(lexname) + " is unknown");
  }
  synset.lexname = kLexnames[lexname];
  NextField(rest);  // Synset type; the file says it already ('s' is an adjective too).
  synset.part_of_speech = part_of_speech;
  const uint64_t words = ParseNumber(NextField(rest), 16);  // The one hexadecimal count.
  for (uint64_t i = 0; i < words; ++i) {
    std::string lemma = LemmaText(NextField(rest));
    NextField(rest);  // lex_id
    if (lemma.empty()) throw ClientError("there are fewer lemmas than announced");
    if (std::find(synset.lemmas.begin(), synset.lemmas.end(), lemma) == synset.lemmas.end()) {
      synset.lemmas.push_back(std::move(lemma));
    }
  }
  synset.gloss = GlossWithoutExamples(line.substr(bar + 3));
  return synset;
}

std::vector<Synset> ReadWordNet(const std::filesystem::path& folder) {
  constexpr std::array<std::string_view, 4> kParts = {"noun", "verb", "adj", "adv"};
  std::vector<Synset> synsets;
  synsets.reserve(120'000);
  for (size_t part = 0; part < kParts.size(); ++part) {
    const std::filesystem::path path = folder / ("data." + std::string(kParts[part]));
    std::ifstream file(path);
    if (!file) throw ClientError(path.string() + " cannot be opened (Debian's wordnet-base)");
    std::string line;
    for (size_t number = 1; std::getline(file, line); ++number) {
      if (line.empty() || line.front() == ' ') continue;  // The licence, at the top.
      try {
        synsets.push_back(ParseSynsetLine(line, static_cast<int>(part) + 1, kParts[part]));
      } catch (const ClientError& error) {
        throw ClientError(path.string() + " line " + std::to_string(number) + ": " + error.what());
      }
    }
  }
  return synsets;
}

}  // namespace almagest::client
