#include "training/progress.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace almagest::training {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(250);

double Rounded(double value) { return std::round(value * 1e6) / 1e6; }

double Since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Replaces what is not UTF-8 (a path in a message, say) instead of throwing.
std::string Dump(const nlohmann::ordered_json& object) {
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Result<std::unique_ptr<Progress>> Progress::Open(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    return Fail(ErrorCode::kNotFound, "cannot write " + path.string() + " in the job folder");
  }
  return std::unique_ptr<Progress>(new Progress(file));
}

Progress::~Progress() { std::fclose(file_); }

void Progress::WriteLine(const std::string& line) {
  std::fputs((line + "\n").c_str(), file_);
  std::fflush(file_);
  last_line_ = Clock::now();
}

bool Progress::Due() { return Clock::now() - last_line_ >= kInterval; }

void Progress::ClosePhase() {
  if (phase_.empty()) return;
  const double spent = Since(phase_started_);
  const auto found = std::find_if(seconds_.begin(), seconds_.end(),
                                  [&](const auto& entry) { return entry.first == phase_; });
  if (found == seconds_.end()) {
    seconds_.emplace_back(phase_, spent);
  } else {
    found->second += spent;
  }
  phase_started_ = Clock::now();
}

void Progress::Phase(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (name == phase_) return;
  ClosePhase();
  phase_ = name;
  phase_started_ = Clock::now();
  WriteLine(Dump({{"event", "phase"}, {"name", name}, {"fraction", 0.0}}));
}

void Progress::Fraction(double fraction) {
  const std::lock_guard lock(mutex_);
  if (!Due() && fraction < 1) return;
  WriteLine(Dump({{"event", "phase"}, {"name", phase_}, {"fraction", Rounded(fraction)}}));
}

void Progress::Step(const StepEvent& event) {
  const std::lock_guard lock(mutex_);
  ++steps_;
  if (!Due() && event.step != event.steps) return;
  WriteLine(Dump({{"event", "step"},
                  {"step", event.step},
                  {"steps", event.steps},
                  {"loss", Rounded(event.loss)},
                  {"validation_ndcg_at_10", Rounded(event.validation_ndcg_at_10)},
                  {"eta_seconds", std::round(event.eta_seconds * 10) / 10}}));
}

void Progress::Done() {
  const std::lock_guard lock(mutex_);
  WriteLine(Dump({{"event", "done"}}));
}

void Progress::Failed(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  WriteLine(Dump({{"event", "failed"}, {"reason", reason}}));
}

double Progress::ElapsedSeconds() const { return Since(started_); }

int64_t Progress::steps() {
  const std::lock_guard lock(mutex_);
  return steps_;
}

std::vector<std::pair<std::string, double>> Progress::Seconds() {
  const std::lock_guard lock(mutex_);
  ClosePhase();
  return seconds_;
}

}  // namespace almagest::training
