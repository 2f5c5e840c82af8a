#include "client/demo/demo_report.h"

#include <cmath>
#include <fstream>

#include "client/commands/text_table.h"

namespace almagest::client {
namespace {

constexpr int kDigits = 4;

double Rounded(double value) { return std::round(value * 1e6) / 1e6; }

std::string Signed(double value) { return (value < 0 ? "" : "+") + Decimal(value, kDigits); }

std::string IntervalText(const GainInterval& interval) {
  return Signed(interval.mean) + " (95 % interval " + Signed(interval.low) + " to " +
         Signed(interval.high) + ")";
}

Json Stages(const DemoReport& report, ModeScores DemoScores::*mode, double ModeScores::*metric) {
  return {{"before", Rounded(report.before.*mode.*metric)},
          {"whitened", Rounded(report.whitened.*mode.*metric)},
          {"activated_0_percent", Rounded(report.activated.*mode.*metric)},
          {"reembedded_100_percent", Rounded(report.reembedded.*mode.*metric)}};
}

}  // namespace

Json ReportJson(const DemoReport& report) {
  const GainInterval gain =
      PairedInterval(report.reembedded.dense.ndcg_per_query, report.before.dense.ndcg_per_query);
  Json seconds = Json::object();
  for (const auto& [phase, spent] : report.seconds) {
    seconds[phase] = std::round(spent * 100) / 100;
  }
  return {{"ndcg_at_10", Stages(report, &DemoScores::dense, &ModeScores::ndcg_at_10)},
          {"recall_at_10", Stages(report, &DemoScores::dense, &ModeScores::recall_at_10)},
          {"hybrid",
           {{"ndcg_at_10", Stages(report, &DemoScores::hybrid, &ModeScores::ndcg_at_10)},
            {"recall_at_10", Stages(report, &DemoScores::hybrid, &ModeScores::recall_at_10)}}},
          {"gain_interval_95", {Rounded(gain.low), Rounded(gain.high)}},
          {"queries_during_migration",
           {{"sent", report.migration.sent},
            {"failed", report.migration.failed},
            {"empty", report.migration.empty}}},
          {"seconds", seconds}};
}

void WriteReport(const std::filesystem::path& path, const DemoReport& report) {
  std::ofstream file(path, std::ios::trunc);
  file << ReportJson(report).dump(2) << '\n';
  file.close();
  if (!file) throw ClientError(path.string() + ": cannot be written");
}

std::string ScoreTable(const DemoReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"", "dense nDCG@10", "dense Recall@10", "hybrid nDCG@10", "hybrid Recall@10"}};
  const auto add = [&](const std::string& name, const DemoScores& scores) {
    rows.push_back({name, Decimal(scores.dense.ndcg_at_10, kDigits),
                    Decimal(scores.dense.recall_at_10, kDigits),
                    Decimal(scores.hybrid.ndcg_at_10, kDigits),
                    Decimal(scores.hybrid.recall_at_10, kDigits)});
  };
  add("before", report.before);
  add("whitened (no judgements)", report.whitened);
  add("activated, 0 % re-embedded", report.activated);
  add("100 % re-embedded", report.reembedded);
  return FormatTable(rows);
}

std::string FeedbackSentence(const DemoReport& report) {
  const auto& before = report.before.dense.ndcg_per_query;
  const auto& whitened = report.whitened.dense.ndcg_per_query;
  const auto& after = report.reembedded.dense.ndcg_per_query;
  const GainInterval total = PairedInterval(after, before);
  const GainInterval free = PairedInterval(whitened, before);
  const GainInterval added = PairedInterval(after, whitened);
  std::string text = "Of the gain in dense nDCG@10 of " + IntervalText(total) +
                     ", whitening alone, which looks at no judgement, gives " + Signed(free.mean) +
                     "; ";
  if (added.low > 0) {
    text += "feedback added " + IntervalText(added) + " on top.";
  } else if (added.high < 0) {
    text += "with feedback it is " + IntervalText(added) + " of that: feedback made it worse.";
  } else {
    text += "what feedback added, " + IntervalText(added) + ", cannot be told from nothing.";
  }
  return text;
}

}  // namespace almagest::client
