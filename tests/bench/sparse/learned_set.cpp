// The synthetic learned-sparse set.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "tests/bench/sparse/sparse_data.h"

namespace almagest::bench {
namespace {

constexpr size_t kDocumentsPerTopic = 100;
constexpr size_t kTopicTerms = 240;

// SplitMix64 (Steele, Lea & Flood 2014): the same numbers with every standard library.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  size_t Below(size_t limit) { return static_cast<size_t>(Uniform() * static_cast<double>(limit)); }
  double LogNormal(double sigma) {  // Median 1; Box & Muller 1958.
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
    return std::exp(sigma * radius * std::cos(2.0 * 3.14159265358979323846 * Uniform()));
  }

 private:
  uint64_t state_;
};

// Draws i with a probability in proportion to (i + shift)^-exponent.
class Zipf {
 public:
  Zipf(size_t count, double shift, double exponent) : sums_(count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i) {
      sums_[i] = sum += std::pow(static_cast<double>(i) + shift, -exponent);
    }
  }
  size_t Draw(Generator& generator) const {
    const double place = generator.Uniform() * sums_.back();
    const auto found = std::upper_bound(sums_.begin(), sums_.end(), place);
    return static_cast<size_t>(std::min(found, sums_.end() - 1) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

using Vector = std::map<uint32_t, float>;

class LearnedSparse {
 public:
  explicit LearnedSparse(const LearnedSparseOptions& options)
      : options_(options),
        generator_(options.seed),
        popularity_(options.vocabulary, 12.0, 0.85),
        place_in_topic_(kTopicTerms, 8.0, 0.8),
        topic_size_(std::max<size_t>(1, options.documents / kDocumentsPerTopic), 30.0, 0.5),
        name_(options.vocabulary),
        topics_(std::max<size_t>(1, options.documents / kDocumentsPerTopic)) {
    std::iota(name_.begin(), name_.end(), 0u);
    for (size_t i = name_.size(); i > 1; --i) std::swap(name_[i - 1], name_[generator_.Below(i)]);
    for (auto& topic : topics_) {
      for (size_t i = 0; i < kTopicTerms; ++i) topic.push_back(popularity_.Draw(generator_));
    }
  }

  SparseData Make() {
    SparseData data;
    data.name = "learned-sparse-" + std::to_string(options_.documents);
    std::vector<size_t> main_topics;
    for (size_t i = 0; i < options_.documents; ++i) {
      main_topics.push_back(topic_size_.Draw(generator_));
      const size_t count = Length(options_.document_terms);
      Vector vector;
      AddFromTopic(vector, main_topics.back(), count * 4 / 12, 1.0);
      AddFromTopic(vector, topic_size_.Draw(generator_), count * 7 / 12, 0.6);
      AddFromAll(vector, count, 0.5);
      Append(vector, data.documents);
    }
    for (size_t i = 0; i < options_.queries; ++i) {
      const size_t source = generator_.Below(options_.documents);
      const size_t count = Length(options_.query_terms);
      Vector vector;
      AddFromDocument(vector, data.documents[source], count / 2);
      AddFromTopic(vector, main_topics[source], count * 8 / 10, 0.8);
      AddFromAll(vector, count, 0.3);
      Append(vector, data.queries);
    }
    return data;
  }

 private:
  size_t Length(size_t mean) {
    const double drawn = static_cast<double>(mean) * generator_.LogNormal(0.2);
    return std::clamp<size_t>(static_cast<size_t>(drawn), mean / 3 + 1,
                              std::min(mean * 2, options_.vocabulary / 4));
  }
  // Terms that are everywhere say less: encoders give them smaller weights.
  double Rarity(size_t rank) const {
    return 0.4 + 0.6 * std::log(2.0 + static_cast<double>(rank)) /
                     std::log(2.0 + static_cast<double>(options_.vocabulary));
  }
  void Set(Vector& vector, size_t rank, double scale) {
    const double weight = scale * Rarity(rank) * generator_.LogNormal(0.5);
    vector.emplace(name_[rank], static_cast<float>(weight));
  }
  // Until the vector has `count` terms, or draws bring nothing new.
  void AddFromTopic(Vector& vector, size_t topic, size_t count, double scale) {
    for (size_t tries = 4 * count; vector.size() < count && tries > 0; --tries) {
      const size_t place = place_in_topic_.Draw(generator_);
      const double lead = 1.0 / (1.0 + static_cast<double>(place) / 60.0);
      Set(vector, topics_[topic][place], scale * (0.5 + lead));
    }
  }
  void AddFromAll(Vector& vector, size_t count, double scale) {
    while (vector.size() < count) Set(vector, popularity_.Draw(generator_), scale);
  }
  void AddFromDocument(Vector& vector, const SparseView& document, size_t count) {
    std::vector<size_t> order(document.terms.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::pair(document.weights[b], a) < std::pair(document.weights[a], b);
    });
    for (size_t tries = 4 * count; vector.size() < count && tries > 0; --tries) {
      const size_t pick = order[generator_.Below(std::max<size_t>(1, order.size() / 2))];
      const double weight = document.weights[pick] * generator_.LogNormal(0.4);
      vector.emplace(document.terms[pick], static_cast<float>(weight));
    }
  }
  static void Append(const Vector& vector, SparseRows& rows) {
    std::vector<uint32_t> terms;
    std::vector<float> weights;
    for (const auto& [term, weight] : vector) {
      terms.push_back(term);
      weights.push_back(weight);
    }
    rows.Add(terms, weights);
  }

  LearnedSparseOptions options_;
  Generator generator_;
  Zipf popularity_;
  Zipf place_in_topic_;
  Zipf topic_size_;
  std::vector<uint32_t> name_;  // Of the term with this rank of popularity.
  std::vector<std::vector<size_t>> topics_;
};

}  // namespace

SparseData MakeLearnedSparseSet(const LearnedSparseOptions& options) {
  return LearnedSparse(options).Make();
}

}  // namespace almagest::bench
