// What one bridge job does: export pairs, fit in a child process, and take over the result as the
// trainer's verdict says.
#pragma once

#include "engine/learning/adaptation.h"

namespace almagest {

// Runs on the queue's thread, for jobs whose request has a `bridge`. Outcomes:
//   succeeded  the bridge is stored, and active if that was asked for and it is known to beat the
//              old model, or that is not known and `force` was given. Else a candidate, with the
//              reason.
//   rejected   the old model would be better, or the two do not agree on what is near: the bridge
//   is
//              stored as refused, with the report.
//   failed     the trainer could not start, died, or left no sound result: nothing changed.
// The report gains the keys "bridge" (its id) and "export".
JobOutcome RunBridge(const AdaptationResources& resources, JobContext& context);

}  // namespace almagest
