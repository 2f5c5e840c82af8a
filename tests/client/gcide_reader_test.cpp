// Made-up entries in GCIDE's format.
#include "client/demo/gcide_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>

#include "tests/client/scratch_folder.h"

namespace almagest::client {
namespace {

using testing::HasSubstr;

std::vector<std::string> Texts(const std::vector<Definition>& definitions) {
  std::vector<std::string> texts;
  for (const Definition& definition : definitions) {
    texts.push_back(definition.text + " [" + definition.source + "]");
  }
  return texts;
}

TEST(Gcide, DictdNumbers) {
  EXPECT_EQ(ParseDictdNumber("A"), 0u);
  EXPECT_EQ(ParseDictdNumber("/"), 63u);
  EXPECT_EQ(ParseDictdNumber("BA"), 64u);
  EXPECT_EQ(ParseDictdNumber("Kj"), 10u * 64 + 35);
  EXPECT_EQ(ParseDictdNumber(""), std::nullopt);
  EXPECT_EQ(ParseDictdNumber("A="), std::nullopt);
}

TEST(Gcide, AccentsBecomeLetters) {
  EXPECT_EQ(PlainLetters("lampad['e]"), "lampade");
  EXPECT_EQ(PlainLetters("k[=o]l [aum]x [ae]on c[,c]"), "kol ax aeon cc");
  EXPECT_EQ(PlainLetters("[Obs.] [R.] [1] [L. lampas]"), "[Obs.] [R.] [1] [L. lampas]");
}

TEST(Gcide, HeadsWrapAtTheIndentOfDefinitions) {
  const auto definitions = ParseGcideEntry(
      "Lampade \\Lam\"pade\\, n. [OF. lampade, fr. L. lampas; cf. Gr.\n"
      "   something that goes on for a second line. See {Lamp}, and\n"
      "   {Light}.]\n"
      "   A torch that is carried\n"
      "   in a race; as, the lampades of the runners. --Somebody.\n"
      "   [1913 Webster]\n");
  ASSERT_EQ(definitions.size(), 1u);
  EXPECT_EQ(definitions[0].headword, "lampade");
  EXPECT_EQ(definitions[0].text, "A torch that is carried in a race");
  EXPECT_EQ(definitions[0].source, "1913 Webster");
}

TEST(Gcide, AHeadThatFillsItsLineEndsBeforeACapital) {
  const auto definitions = ParseGcideEntry(
      "Lampwick \\Lamp\"wick`\\, n. [Some long etymology that runs to 64.]\n"
      "   Thread.\n"
      "   [1913 Webster]\n");
  ASSERT_EQ(definitions.size(), 1u);
  EXPECT_EQ(definitions[0].text, "Thread");
}

TEST(Gcide, NumberedSensesWithTheirSources) {
  const auto definitions = ParseGcideEntry(
      "Lamp \\Lamp\\ (l[a^]mp), n.\n"
      "   1. A vessel with a wick.\n"
      "      [1913 Webster]\n"
      "\n"
      "            A lamp in the window.  --Poet.\n"
      "      [1913 Webster]\n"
      "\n"
      "   2. (Elec.) A device that gives light. [Obs.]\n"
      "      [Webster 1913 Suppl.]\n"
      "\n"
      "   3. That which enlightens. \"His lamp of reason.\" --Author.\n"
      "      [PJC]\n"
      "\n"
      "   Syn: Light; torch.\n"
      "        [1913 Webster]\n"
      "\n"
      "   {Lamp shell} (Zool.),\n"
      "      (a) A brachiopod.\n"
      "      [1913 Webster]\n");
  EXPECT_THAT(Texts(definitions),
              testing::ElementsAre("A vessel with a wick [1913 Webster]",
                                   "A device that gives light [Webster 1913 Suppl.]",
                                   "That which enlightens [PJC]"));
}

TEST(Gcide, LetteredPartsOfASense) {
  const auto definitions = ParseGcideEntry(
      "Lamper \\Lamp\"er\\, n.\n"
      "   1. (a) One who lights lamps.\n"
      "      (b) One who hunts by lamp.\n"
      "      [1913 Webster]\n");
  EXPECT_THAT(Texts(definitions), testing::ElementsAre("One who lights lamps [1913 Webster]",
                                                       "One who hunts by lamp [1913 Webster]"));
}

TEST(Gcide, TextWithoutASourceOrAHeadIsLeftOut) {
  EXPECT_TRUE(ParseGcideEntry("Lamp \\Lamp\\, n.\n   A light.\n").empty());
  EXPECT_TRUE(ParseGcideEntry("no head here\n   [1913 Webster]\n").empty());
  EXPECT_TRUE(ParseGcideEntry("\n").empty());
}

class GcideFolder : public testing::Test {
 protected:
  void Write(const std::string& index, const std::string& text) {
    std::ofstream(folder_ / "gcide.index") << index;
    const gzFile file = gzopen((folder_ / "gcide.dict.dz").c_str(), "wb");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())),
              static_cast<int>(text.size()));
    ASSERT_EQ(gzclose(file), Z_OK);
  }
  ScratchFolder folder_;
};

TEST_F(GcideFolder, SeveralIndexLinesMayNameOneEntry) {
  const std::string entry = "Lamp \\Lamp\\, n.\n   A light.\n   [1913 Webster]\n";
  ASSERT_EQ(entry.size(), 46u);
  Write("00-database-info\tA\tu\nlamp\tA\tu\nlamps\tA\tu\nLight\tu\tu\n", entry + entry);
  const auto definitions = ReadGcide(folder_.path());
  EXPECT_EQ(definitions.size(), 2u);
}

TEST_F(GcideFolder, BrokenIndexLinesAreNamed) {
  for (const char* line : {"lamp\tA\tu=", "lamp\tA", "lamp\tA\tv", "lamp\t//////\tA"}) {
    Write(line, std::string(46, ' '));
    try {
      ReadGcide(folder_.path());
      FAIL() << "accepted " << line;
    } catch (const ClientError& error) {
      EXPECT_THAT(error.what(), HasSubstr("gcide.index line 1"));
    }
  }
}

TEST(Gcide, AbsentFolder) { EXPECT_THROW(ReadGcide("/nowhere"), ClientError); }

}  // namespace
}  // namespace almagest::client
