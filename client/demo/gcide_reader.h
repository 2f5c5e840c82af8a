// Reads definitions from GCIDE (Webster 1913 and later additions) as Debian's dict-gcide ships it:
// gcide.dict.dz (gzip-readable text of all entries) and gcide.index ("head TAB offset TAB length",
// numbers in dictd's base 64).
//
// An entry as printed:
//   Cobbler \Cob"bler\, n. [etymology, wrapped at the same indent as definitions]
//      1. A mender of shoes. --Addison.
//         [1913 Webster]
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/client_error.h"

namespace almagest::client {

struct Definition {
  std::string headword;  // Lower case, accents and stress marks removed.
  std::string text;      // One definition: no examples, quotations, sources or field labels.
  std::string source;    // The tag that closes it: "1913 Webster", "WordNet 1.5", ...
};

// Every definition of the dictionary in the order of its text; entries that several index lines
// name are read once. Throws ClientError naming the file.
std::vector<Definition> ReadGcide(const std::filesystem::path& folder);

// The definitions of one entry's text.
std::vector<Definition> ParseGcideEntry(std::string_view entry);

// dictd's base 64 number, most significant digit first ("Kj" = 675); nullopt for other characters.
std::optional<uint64_t> ParseDictdNumber(std::string_view digits);

// GCIDE's accents to plain letters: "prolixit['e]" -> "prolixite", "k[=o]l" -> "kol",
// "[ae]" -> "ae". Other bracketed text stays.
std::string PlainLetters(std::string_view text);

}  // namespace almagest::client
