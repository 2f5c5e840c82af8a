// Numbers and times as people read them.

export function decimal(value, digits = 4) {
  return Number.isFinite(value) ? value.toFixed(digits) : '–';
}

export function signed(value, digits = 4) {
  return Number.isFinite(value) ? (value < 0 ? '−' : '+') + Math.abs(value).toFixed(digits) : '–';
}

// {mean, low, high} as "+0.0655 (+0.0540 to +0.0768)".
export function interval(value) {
  if (!value || !Number.isFinite(value.mean)) return '–';
  return `${signed(value.mean)} (${signed(value.low)} to ${signed(value.high)})`;
}

export function count(value) {
  return Number.isFinite(value) ? value.toLocaleString('en') : '–';
}

export function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    ++unit;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function moment(milliseconds) {
  return milliseconds ? new Date(milliseconds).toLocaleString() : '–';
}

export function words(name) {
  return String(name).replaceAll('_', ' ');
}
