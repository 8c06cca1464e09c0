#include "data/csv.h"

#include <gtest/gtest.h>

#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

using Fields = std::vector<std::string>;

CsvTable read(const std::string& text) {
  const Scratch scratch;
  write_text(scratch / "t.csv", text);
  return CsvTable(scratch / "t.csv");
}

std::string sentence(const std::string& text) {
  return error_of([&] { read(text); });
}

TEST(Csv, ReadsColumnsAndRowsWithTheirLines) {
  const CsvTable table = read("path, label\na.wav,Bark\n\nb.wav, Meow \n");
  EXPECT_EQ(table.columns(), (Fields{"path", "label"}));
  ASSERT_EQ(table.rows().size(), 2u);
  EXPECT_EQ(table.rows()[0].line, 2);
  EXPECT_EQ(table.rows()[1].line, 4);
  EXPECT_EQ(table.rows()[1].fields, (Fields{"b.wav", "Meow"}));
  EXPECT_EQ(table.find("label"), 1);
  EXPECT_EQ(table.find("Label"), -1);
}

TEST(Csv, UnderstandsQuotes) {
  const CsvTable table =
      read("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n\" two\nlines \",\"\"\nlast,row\n");
  ASSERT_EQ(table.rows().size(), 3u);
  EXPECT_EQ(table.rows()[0].fields, (Fields{"x, y", "say \"hi\""}));
  EXPECT_EQ(table.rows()[1].fields, (Fields{" two\nlines ", ""}));
  EXPECT_EQ(table.rows()[2].line, 5);
}

TEST(Csv, TakesEveryLineEndAndAMarkInFront) {
  const CsvTable table = read(
      "\xef\xbb\xbf"
      "a,b\r\n1,2\r3,4\n5,");
  EXPECT_EQ(table.columns(), (Fields{"a", "b"}));
  ASSERT_EQ(table.rows().size(), 3u);
  EXPECT_EQ(table.rows()[1].fields, (Fields{"3", "4"}));
  EXPECT_EQ(table.rows()[2].fields, (Fields{"5", ""}));
}

TEST(Csv, SaysWhatIsWrongAndWhere) {
  EXPECT_TRUE(contains(sentence(""), "is empty"));
  EXPECT_TRUE(contains(sentence("a,b\n1,\"open\n2,3\n"), "line 2: a quote is opened"));
  EXPECT_TRUE(contains(sentence("a,b\n1,2\n\"x\"y,3\n"), "line 3: text follows"));
  EXPECT_TRUE(contains(sentence("a,b,a\n"), "names the column 'a' twice"));
  EXPECT_TRUE(contains(error_of([] { read("a,b\n").require("path"); }),
                       "no column 'path' in its first line, which names: a, b"));
}

TEST(Csv, WritesFieldsThatItReadsBack) {
  for (const std::string field : {"plain", "a,b", "a\"b", "two\nlines", " spaced ", ""}) {
    const CsvTable table = read("a,b\n" + csv_field(field) + ",end\n");
    ASSERT_EQ(table.rows().size(), 1u);
    EXPECT_EQ(table.rows()[0].fields, (Fields{field, "end"}));
  }
  EXPECT_EQ(csv_field("plain"), "plain");
}

}  // namespace
}  // namespace earshot
