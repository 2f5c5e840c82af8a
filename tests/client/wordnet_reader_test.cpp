// Made-up lines in WordNet's format.
#include "client/demo/wordnet_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/client/scratch_folder.h"

namespace almagest::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(WordNet, GlossWithoutExamples) {
  EXPECT_EQ(GlossWithoutExamples("a small lamp; \"she lit the lamp\"; \"two lamps\"  "),
            "a small lamp");
  EXPECT_EQ(GlossWithoutExamples("one meaning; or another"), "one meaning; or another");
  // A quote that is never closed runs to the end.
  EXPECT_EQ(GlossWithoutExamples("to glow; \"it glowed"), "to glow");
  // Text between two examples belongs to the definition.
  EXPECT_EQ(GlossWithoutExamples("dim \"a dim lamp\" or dark"), "dim or dark");
  // Nothing but an example: kept.
  EXPECT_EQ(GlossWithoutExamples("\"only an example\""), "only an example");
}

TEST(WordNet, LineWithHexadecimalWordCount) {
  std::string words;
  for (int i = 0; i < 10; ++i) words += "lamp_" + std::to_string(i) + " 0 ";
  const Synset synset = ParseSynsetLine(
      "00012345 06 n 0a " + words + "001 @ 00012000 n 0000 | a small lamp; \"lit\"  ", 1, "noun");
  EXPECT_EQ(synset.id, 100'012'345u);
  EXPECT_EQ(synset.lemmas.size(), 10u);
  EXPECT_EQ(synset.lemmas.front(), "lamp 0");
  EXPECT_EQ(synset.lexname, "noun.artifact");
  EXPECT_EQ(synset.part_of_speech, "noun");
  EXPECT_EQ(synset.gloss, "a small lamp");
}

TEST(WordNet, AdjectiveMarkersAndRepeatsAreDropped) {
  const Synset synset =
      ParseSynsetLine("00000007 00 s 03 lit(p) 0 alight(ip) 1 lit(a) 0 000 | burning", 3, "adj");
  EXPECT_THAT(synset.lemmas, ElementsAre("lit", "alight"));
}

TEST(WordNet, BrokenLinesAreRefused) {
  EXPECT_THROW(ParseSynsetLine("00000007 00 s 01 lit 0 000", 3, "adj"), ClientError);
  EXPECT_THROW(ParseSynsetLine("00000007 45 s 01 lit 0 000 | x", 3, "adj"), ClientError);
  EXPECT_THROW(ParseSynsetLine("00000007 00 s xx lit 0 000 | x", 3, "adj"), ClientError);
  EXPECT_THROW(ParseSynsetLine("00000007 00 s 03 lit 0 | x", 3, "adj"), ClientError);
}

TEST(WordNet, ReadsAFolderAndNamesTheBrokenLine) {
  ScratchFolder folder;
  const auto write = [&](const std::string& part, const std::string& text) {
    std::ofstream(folder / ("data." + part)) << text;
  };
  write("noun", "  1 A licence.\n00000002 06 n 01 lamp 0 000 | a light  \n");
  write("verb", "00000003 38 v 01 walk 0 000 | go on foot  \n");
  write("adj", "");
  write("adv", "00000004 02 r 01 slowly 0 000 | at a low speed  \n");
  const auto synsets = ReadWordNet(folder.path());
  ASSERT_EQ(synsets.size(), 3u);
  EXPECT_EQ(synsets[1].id, 200'000'003u);
  EXPECT_EQ(synsets[2].lexname, "adv.all");
  write("verb", "\nbroken\n");
  try {
    ReadWordNet(folder.path());
    FAIL() << "read a broken file";
  } catch (const ClientError& error) {
    EXPECT_THAT(error.what(), HasSubstr("data.verb line 2"));
  }
}

}  // namespace
}  // namespace almagest::client
