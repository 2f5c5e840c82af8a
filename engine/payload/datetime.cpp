#include "engine/payload/datetime.h"

#include <cstddef>

namespace almagest {
namespace {

// Takes characters off the front of the text; `ok` turns false at the first that does not fit.
struct Reader {
  std::string_view rest;
  bool ok = true;

  int Digits(size_t count) {
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest.empty() || rest[0] < '0' || rest[0] > '9') {
        ok = false;
        return 0;
      }
      value = value * 10 + (rest[0] - '0');
      rest.remove_prefix(1);
    }
    return value;
  }
  bool Accept(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  void Expect(char c) { ok = Accept(c) && ok; }
};

bool IsLeap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

// Days since 1970-01-01 (proleptic Gregorian calendar; H. Hinnant's days_from_civil).
int64_t DaysSinceEpoch(int year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

}  // namespace

std::optional<int64_t> ParseDatetime(std::string_view text) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  Reader reader{text};
  const int year = reader.Digits(4);
  reader.Expect('-');
  const int month = reader.Digits(2);
  reader.Expect('-');
  const int day = reader.Digits(2);
  if (!reader.ok || month < 1 || month > 12 || day < 1) return std::nullopt;
  if (day > kDays[month - 1] + (month == 2 && IsLeap(year) ? 1 : 0)) return std::nullopt;
  int64_t seconds = DaysSinceEpoch(year, month, day) * 86400;
  int64_t micros = 0;
  if (!reader.rest.empty()) {
    if (!reader.Accept('T') && !reader.Accept('t') && !reader.Accept(' ')) return std::nullopt;
    const int hour = reader.Digits(2);
    reader.Expect(':');
    const int minute = reader.Digits(2);
    int second = 0;
    if (reader.Accept(':')) {
      second = reader.Digits(2);
      if (reader.Accept('.')) {
        micros = reader.Digits(1) * 100'000;
        for (int64_t unit = 10'000;
             !reader.rest.empty() && reader.rest[0] >= '0' && reader.rest[0] <= '9'; unit /= 10) {
          micros += reader.Digits(1) * unit;
        }
      }
    }
    if (!reader.ok || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    seconds += hour * 3600 + minute * 60 + second;
    const bool plus = reader.Accept('+');
    if (plus || reader.Accept('-')) {
      const int offset_hours = reader.Digits(2);
      reader.Accept(':');
      const int offset_minutes = reader.Digits(2);
      if (!reader.ok || offset_hours > 23 || offset_minutes > 59) return std::nullopt;
      const int offset = offset_hours * 3600 + offset_minutes * 60;
      seconds += plus ? -offset : offset;
    } else if (!reader.rest.empty() && !reader.Accept('Z') && !reader.Accept('z')) {
      return std::nullopt;
    }
  }
  if (!reader.ok || !reader.rest.empty()) return std::nullopt;
  return seconds * 1'000'000 + micros;
}

}  // namespace almagest
