// English stop words: Snowball's list (snowballstem.org/algorithms/english/stop.txt, BSD) with the
// additions of NLTK's, the list that other makers of "qdrant/bm25" vectors use: "just", "now",
// "will" and the parts into which the word tokenizer cuts contractions.
#pragma once

#include <span>
#include <string_view>

namespace almagest {

std::span<const std::string_view> EnglishStopWords();

}  // namespace almagest
