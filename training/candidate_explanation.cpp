#include "training/candidate_explanation.h"

#include <cstdio>

namespace almagest::training {

std::string ExplainChoice(const Selection& selection, const TrainedCandidate& winner,
                          const std::string& judge, double chance) {
  char text[640];
  const double start = winner.curve.empty() ? 0 : winner.curve.front().validation_ndcg_at_10;
  std::string others;
  for (const CandidateRecord& record : selection.candidates) {
    std::snprintf(text, sizeof text, "%s%s %.4f", others.empty() ? "" : ", ", record.name.c_str(),
                  record.validation_ndcg_at_10);
    others += text;
  }
  std::string rule;
  if (selection.recipe.matched_power > 0) {
    std::snprintf(text, sizeof text,
                  " With so few queries, a map that does not start from judged pairs must lead "
                  "by more than %.4f.",
                  chance);
    rule = text;
  }
  std::snprintf(text, sizeof text,
                "Chosen: %s, nDCG@10 %.4f (its start, before any step: %.4f) after %ld steps, the "
                "learned change times %g, measured on %s. Tried: ",
                selection.winner.c_str(), winner.validation_ndcg_at_10, start,
                static_cast<long>(winner.best_step), winner.change_factor, judge.c_str());
  return text + others + "." + rule;
}

}  // namespace almagest::training
