// Why a candidate was chosen, for those who read the report.
#pragma once

#include <string>

#include "training/adapter_training.h"
#include "training/candidate_selection.h"

namespace almagest::training {

// In plain words and with its numbers. `judge` says what measured the candidates, `chance` by how
// much others had to lead where the winner starts from judged pairs.
std::string ExplainChoice(const Selection& selection, const TrainedCandidate& winner,
                          const std::string& judge, double chance);

}  // namespace almagest::training
