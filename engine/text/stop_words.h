// Stop words of languages other than English (english_stop_words.h): the lists of Snowball
// (snowballstem.org, BSD) and, for Nepali and Turkish, their additions in PostgreSQL's text search
// (PostgreSQL License), which are also what others use that make "qdrant/bm25" vectors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace almagest {

// Empty if there is no list for the language.
std::vector<std::string_view> StopWordsOf(std::string_view language);
// The languages that have a list, for messages.
std::string StopWordLanguages();

}  // namespace almagest
