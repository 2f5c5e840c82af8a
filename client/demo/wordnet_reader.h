// Reads the synsets of Princeton WordNet 3.0 as Debian's wordnet-base ships it (wndb(5WN)).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "client/client_error.h"

namespace almagest::client {

struct Synset {
  // Stable across runs: (part-of-speech digit 1..4) * 100,000,000 + offset in its data file.
  uint64_t id = 0;
  std::vector<std::string> lemmas;  // With spaces, capitals kept; no repeats.
  std::string part_of_speech;       // "noun", "verb", "adj", "adv"
  std::string lexname;              // Lexicographer file, "noun.artifact"
  std::string gloss;                // The definition without the usage examples.
};

// All synsets in the order noun, verb, adj, adv and of their files (117,659 of them in 3.0).
// Throws ClientError naming the file, and the line where one cannot be parsed.
std::vector<Synset> ReadWordNet(const std::filesystem::path& folder);

// One line of data.noun and its like; throws ClientError when it is broken. `digit` is 1..4.
Synset ParseSynsetLine(std::string_view line, int digit, std::string_view part_of_speech);

// "a shoe that; reaches the ankle; "he wore boots"" -> "a shoe that; reaches the ankle". Examples
// are in double quotes; a few glosses have an odd number of them (the last then runs to the end).
std::string GlossWithoutExamples(std::string_view gloss);

}  // namespace almagest::client
