#include "client/commands/job_display.h"

#include "client/commands/text_table.h"
#include "client/progress_bar.h"

namespace almagest::client {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{100};
constexpr std::chrono::seconds kLogInterval{10};
constexpr int kBarCells = 24;

double NumberAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string TextAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string Signed(double value) { return (value < 0 ? "" : "+") + Decimal(value, 4); }

// `reason` behind `before`, with one full stop at the end whether or not it brings one.
std::string Sentence(const std::string& before, const std::string& reason) {
  if (reason.empty()) return before + ".";
  return before + ": " + reason + (reason.ends_with('.') ? "" : ".");
}

// "gain +0.0412, 95 % interval +0.0310 to +0.0520"; empty when the report has no such interval.
std::string GainText(const Json& report) {
  const Json gain = report.is_object() ? report.value("gain", Json()) : Json();
  if (!gain.is_object() || !gain.value("mean", Json()).is_number()) return "";
  return "gain " + Signed(NumberAt(gain, "mean")) + ", 95 % interval " +
         Signed(NumberAt(gain, "low")) + " to " + Signed(NumberAt(gain, "high"));
}

std::string FailedConditions(const Json& report) {
  std::string text;
  const Json conditions = report.value("gate", Json::object()).value("conditions", Json::array());
  for (const Json& condition : conditions) {
    if (condition.value("passed", true)) continue;
    text += "\n  - " + TextAt(condition, "name") + ": " + TextAt(condition, "explanation");
  }
  return text;
}

}  // namespace

std::string EventText(const Json& event) {
  const std::string kind = TextAt(event, "event");
  if (kind == "state") return TextAt(event, "state");
  if (kind == "phase") {
    const double fraction = NumberAt(event, "fraction");
    return TextAt(event, "name") +
           (fraction > 0 ? " " + Decimal(100 * fraction, 0) + " %" : std::string());
  }
  if (kind != "step") return "";
  const double step = NumberAt(event, "step"), steps = NumberAt(event, "steps");
  std::string text = "training " + (steps > 0 ? BarText(step / steps, kBarCells) + " " : "") +
                     "step " + Decimal(step, 0) + " of at most " + Decimal(steps, 0) + ", loss " +
                     Decimal(NumberAt(event, "loss"), 3);
  const double validation = NumberAt(event, "validation_ndcg_at_10");
  if (validation > 0) text += ", validation nDCG@10 " + Decimal(validation, 4);
  const double eta = NumberAt(event, "eta_seconds");
  if (eta > 0) text += ", about " + DurationText(eta) + " left";
  return text;
}

Json ReportOf(const Json& job_or_version) {
  const auto found = job_or_version.find("report");
  if (found == job_or_version.end()) return nullptr;
  if (found->is_object()) return found->empty() ? Json() : *found;
  if (!found->is_string()) return nullptr;
  const Json parsed = Json::parse(found->get<std::string>(), nullptr, /*allow_exceptions=*/false);
  return parsed.is_object() && !parsed.empty() ? parsed : Json();
}

std::string OutcomeText(const Json& job) {
  const std::string state = TextAt(job, "state");
  const std::string reason = TextAt(job, "reason");
  const Json report = ReportOf(job);
  const std::string version = job.contains("version") ? job["version"].dump() : "";
  if (state == "succeeded") {
    const std::string gain = GainText(report);
    std::string text = "The gate says yes";
    const Json queries = report.is_object() ? report.value("queries", Json()) : Json();
    if (queries.is_object() && queries.contains("held_out")) {
      text += " on " + queries["held_out"].dump() + " held-out queries";
    }
    if (!gain.empty()) text += ": nDCG@10 " + gain;
    return Sentence(text + ". Version " + version, reason);
  }
  if (state == "rejected") {
    return Sentence("The gate says no", reason) +
           (report.is_object() ? FailedConditions(report) : "") +
           "\nWhat is served now did not change." +
           (version.empty() ? "" : " The version is kept as " + version + ", rejected.");
  }
  if (state == "skipped") {
    return Sentence("Nothing was trained", reason) + " What is served now did not change.";
  }
  if (state == "cancelled") return "The job was cancelled. What is served now did not change.";
  if (state == "failed") {
    return Sentence("The job failed", reason) + " What is served now did not change.";
  }
  return "The job is " + state + ".";
}

JobDisplay::JobDisplay(std::string label)
    : label_(std::move(label)), start_(std::chrono::steady_clock::now()), shown_(start_) {}

void JobDisplay::Show(const Json& event) {
  const std::string text = EventText(event);
  if (text.empty()) return;
  const std::string phase = TextAt(event, "event") == "phase" ? TextAt(event, "name") : "";
  const auto now = std::chrono::steady_clock::now();
  // Off a terminal (a log) a line each ten seconds is enough; a phase shows when it is met first
  // (training and mining take turns).
  const auto interval =
      ShowsOnTerminal() ? kTerminalInterval : std::chrono::milliseconds(kLogInterval);
  const bool new_phase = !phase.empty() && shown_phases_.insert(phase).second;
  if (!new_phase && now - shown_ < interval) return;
  shown_ = now;
  ShowStatusLine(label_ + " " + text, false);
}

void JobDisplay::Finish(const Json& job) {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  ShowStatusLine(label_ + " " + TextAt(job, "state") + " after " + DurationText(seconds), true);
}

}  // namespace almagest::client
