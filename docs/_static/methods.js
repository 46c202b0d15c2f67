// The methods of the page to play with: gradient descent, momentum, L-BFGS and the learned rule, each a function
//   (objective, x0, limit) -> {points, values, best}
// of every point evaluated, its value, and the index of the best point so far. An objective returns [f, gradient].
// The rule is that of docs/learned-rule.md, L-BFGS that of the library (More and Thuente's line search, 10 pairs);
// tests/test_play.py holds both to the library's own paths.
"use strict";

const GTOL = 1e-5;
const dot = (a, b) => a.reduce((sum, each, i) => sum + each * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const largest = (a) => Math.max(...a.map(Math.abs));
const plus = (a, t, b) => a.map((each, i) => each + t * b[i]);
const minus = (a, b) => plus(a, -1, b);
const clip = (a, low, high) => Math.min(Math.max(a, low), high);
const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const times = (H, g) => H.map((row) => dot(row, g));
const eye = (n, scale) => Array.from({length: n}, (_, i) => Array.from({length: n}, (_, j) => (i === j ? scale : 0)));

class Path {
  constructor(objective, limit) {
    Object.assign(this, {objective, limit, points: [], values: [], best: 0});
  }

  get full() {
    return this.points.length >= this.limit;
  }

  evaluate(x) {
    const [f, g] = this.objective(x);
    this.points.push(x);
    this.values.push(f);
    if (f <= this.values[this.best] || !Number.isFinite(this.values[this.best])) this.best = this.points.length - 1;
    return [f, g];
  }
}

// ---------------------------------------------------------------- gradient descent and momentum

function momentum(objective, x0, limit, step, decay) {
  const path = new Path(objective, limit);
  let x = x0, v = x0.map(() => 0);
  while (!path.full) {
    const [f, g] = path.evaluate(x);
    if (!Number.isFinite(f) || largest(g) <= GTOL) break;
    v = plus(v.map((each) => decay * each), -step, g);
    x = plus(x, 1, v);
  }
  return path;
}

// The quickest of many settings on this very start: nobody tunes better.
function tuned(objective, x0, limit, decays) {
  let best = null;
  const arrives = (path) => path.points.length < limit && Number.isFinite(path.values.at(-1));
  for (const decay of decays) {
    for (let k = 0; k <= 28; k++) {
      const path = momentum(objective, x0, limit, 2 ** (-k / 2), decay);
      const better = best === null || (arrives(path) && !arrives(best))
        || (arrives(path) === arrives(best) && (arrives(path) ? path.points.length < best.points.length
          : path.values[path.best] < best.values[best.best]));
      if (better) best = path;
    }
  }
  return best;
}

const gradientDescent = (objective, x0, limit) => tuned(objective, x0, limit, [0]);
const heavyBall = (objective, x0, limit) => tuned(objective, x0, limit, [0.5, 0.7, 0.8, 0.9, 0.95]);

// ---------------------------------------------------------------- the learned rule: 75 numbers

// H y = s, of the inverse Broyden class: BFGS for psi = 0, DFP for psi = 1.
function absorbed(H, s, y, psi) {
  const sy = dot(s, y), Hy = times(H, y), yHy = dot(y, Hy);
  if (!(sy > 1e-12 * norm(s) * norm(y) && yHy > 0)) return H;
  const mixed = (1 - psi) / sy, a = (1 + mixed * yHy) / sy;
  return H.map((row, i) => row.map((h, j) =>
    h + a * s[i] * s[j] - mixed * (s[i] * Hy[j] + Hy[i] * s[j]) - (psi / yHy) * Hy[i] * Hy[j]));
}

function learnedRule(objective, x0, limit, {W, start, memory} = UNIVERSAL) {
  const path = new Path(objective, limit), n = x0.length;
  let x = x0, [f, g] = path.evaluate(x0);
  let ell = Math.exp(start[0] + start[1] * Math.log(1 + norm(x)) + start[2] * clip(Math.log(norm(g)), -5, 5));
  let H = eye(n, ell / norm(g)), pairs = [], scaled = false, cap = Infinity, trials = 0, ratio = 0, logA = 0;
  while (!path.full && largest(g) > GTOL) {
    let q = times(H, g);
    if (!(dot(g, q) > 0 && Number.isFinite(dot(q, q)))) {
      [H, pairs, scaled] = [eye(n, ell / norm(g)), [], false];
      q = times(H, g);
    }
    const tau = (1 + (norm(q) / (ell * Math.exp(cap))) ** 4) ** -0.25, p = q.map((each) => -tau * each);
    const length = norm(p), [fn, gn] = path.evaluate(plus(x, 1, p));
    trials += 1;
    if (!Number.isFinite(fn) || !Number.isFinite(dot(gn, gn))) {
      cap = cap === Infinity ? 0 : cap;
      ell = 0.1 * length;
      continue;
    }
    const accepted = fn <= f, slope = dot(g, p), slopeN = dot(gn, p), rise = fn - f;
    const exact = Math.max(Math.abs(rise), Math.abs(slope)) > 1e-9 * Math.max(Math.abs(fn), Math.abs(f));
    let y = minus(gn, g), sy = slopeN - slope, sBs = -tau * slope, Bp = g.map((each) => -tau * each);
    // where the cubic through both ends is least, in steps
    const e = slope + slopeN - 3 * rise;
    let a = 10;
    if (exact && e * e > slope * slopeN) {
      const root = Math.sqrt(e * e - slope * slopeN);
      a = 1 - (slopeN + root - e) / (slopeN - slope + 2 * root);
    } else if (slopeN > slope) a = -slope / (slopeN - slope);
    if (!(a > 0 && Number.isFinite(a))) a = 10;
    a = accepted ? clip(a, 0.05, 10) : clip(a, 0.02, 0.8);
    // features and controls
    const c = sy > 0 ? clip(0.5 * Math.log(sBs / sy), -3, 3) : 3;
    const newRatio = exact ? Math.asinh(clip(rise / -slope, -20, 20)) : -0.5;
    const features = [1, accepted ? 0 : 1, c, Math.max(c, 0), newRatio, clip(Math.log(norm(gn) / norm(g)), -4, 4),
      sy / (length * norm(y) + 1e-300), Math.log(a), clip(Math.log(length / ell), -4, 2), Math.max(Math.log(tau), -4),
      1 / trials, 0.5 * Math.log(n), ratio, logA];
    [ratio, logA] = [newRatio, Math.log(a)];
    const [drift, newCap, floor, psi, hermite] = times(W, features).map((each) => clip(each, -6, 6));
    cap = newCap;
    // the pair
    let b = null;
    const pp = length * length;
    if (!scaled) {
      const u = sigmoid(start[3]);
      b = sy > 0 ? Math.exp(start[4]) * Math.max(sy / pp, 0.02 * sBs / pp) ** (1 - u) * Math.sqrt(dot(y, y) / pp) ** u
        : 0.3 * sBs / pp;
      [sBs, Bp] = [b * pp, p.map((each) => b * each)];
    }
    if (sy > 0 && exact) {
      const h = Math.tanh(hermite) * (accepted ? 1 : -1) * (3 * (slope + slopeN) - 6 * rise);
      y = plus(y, clip(h, -0.8 * sy, 2 * sy) / pp, p);
      sy = dot(p, y);
    }
    const least = Math.exp(floor) * sBs;
    if (sy < least) {
      const theta = (sBs - least) / (sBs - sy);
      y = y.map((each, i) => theta * each + (1 - theta) * Bp[i]);
    }
    // the matrix
    H = scaled ? H.map((row) => row.map((each) => each * Math.exp(clip(drift, -1, 1.5)))) : eye(n, 1 / b);
    scaled = true;
    for (const [s, older] of pairs.slice(Math.max(0, pairs.length + 1 - memory))) H = absorbed(H, s, older, 0);
    H = absorbed(H, p, y, sigmoid(psi));
    pairs = [...pairs, [p, y]].slice(-memory);
    ell = accepted ? length : a * length;
    if (accepted) [x, f, g] = [plus(x, 1, p), fn, gn];
  }
  return path;
}

// ---------------------------------------------------------------- L-BFGS

const DECREASE = 1e-3, CURVATURE = 0.9, SHRINK = 0.66;

function cubicMinimiser(a, fa, ga, b, fb, gb) {
  const d1 = ga + gb - 3 * (fa - fb) / (a - b), d2 = Math.sign(b - a) * Math.sqrt(d1 * d1 - ga * gb);
  return b - (b - a) * ((gb + d2 - d1) / (gb - ga + 2 * d2));
}

// The step that interpolation proposes after (f, slope) at t; the cases are those of More and Thuente (1994).
function nextTrial(s, t, f, slope) {
  const closer = (a, b) => (Math.abs(a - t) < Math.abs(b - t) ? a : b), ahead = t - s.low;
  const secant = t - ahead * (slope / (slope - s.slopeLow));
  if (f > s.fLow) {
    const cubic = cubicMinimiser(t, f, slope, s.low, s.fLow, s.slopeLow);
    const parabola = s.low + 0.5 * ahead * (s.slopeLow / ((s.fLow - f) / ahead + s.slopeLow));
    return Math.abs(cubic - s.low) < Math.abs(parabola - s.low) ? cubic : 0.5 * (cubic + parabola);
  }
  let cubic = cubicMinimiser(s.low, s.fLow, s.slopeLow, t, f, slope);
  if (slope * s.slopeLow < 0) return closer(cubic, secant) === cubic ? secant : cubic;
  const nearest = s.bracketed || s.trials === 1 ? t : t + 1.1 * ahead, farthest = s.bracketed ? s.high : t + 4 * ahead;
  if (Math.abs(slope) >= Math.abs(s.slopeLow))
    return s.bracketed ? cubicMinimiser(s.high, s.fHigh, s.slopeHigh, t, f, slope) : farthest;
  if (!((cubic - t) * ahead > 0)) cubic = farthest;
  if (s.bracketed) return closer(closer(cubic, secant), t + SHRINK * (s.high - t));
  cubic = closer(cubic, secant) === cubic ? secant : cubic;
  return ahead > 0 ? clip(cubic, nearest, farthest) : clip(cubic, farthest, nearest);
}

// Strong Wolfe conditions along p; returns [step, f, gradient], or null.
function lineSearch(path, x, f0, slope0, p) {
  const s = {low: 0, fLow: f0, slopeLow: slope0, high: 0, fHigh: f0, slopeHigh: slope0, bracketed: false, trials: 0};
  let t = 1, width = Infinity, widthBefore = Infinity, firstStage = true;
  while (!path.full && s.trials < 20) {
    const [value, gradient] = path.evaluate(plus(x, t, p));
    let f = value, slope = dot(gradient, p);
    s.trials += 1;
    if (!Number.isFinite(f)) {
      t = s.low + 0.25 * (t - s.low);
      continue;
    }
    const asked = f0 + DECREASE * t * slope0;
    if (f <= asked && Math.abs(slope) <= CURVATURE * Math.abs(slope0)) return [t, f, gradient];
    if (f <= asked && slope >= 0) firstStage = false;
    const line = firstStage && asked < f && f <= s.fLow ? DECREASE * slope0 : 0;
    const tilt = (by) => {
      s.fLow += s.low * by; s.slopeLow += by; s.fHigh += s.high * by; s.slopeHigh += by;
    };
    tilt(-line);
    [f, slope] = [f - t * line, slope - line];
    let next = nextTrial(s, t, f, slope);
    if (f > s.fLow) Object.assign(s, {high: t, fHigh: f, slopeHigh: slope, bracketed: true});
    else {
      if (slope * s.slopeLow < 0) Object.assign(s, {high: s.low, fHigh: s.fLow, slopeHigh: s.slopeLow, bracketed: true});
      Object.assign(s, {low: t, fLow: f, slopeLow: slope});
    }
    tilt(line);
    if (s.bracketed) {
      const [left, right] = [Math.min(s.low, s.high), Math.max(s.low, s.high)];
      if (!(left < next && next < right) || right - left >= SHRINK * widthBefore) next = 0.5 * (left + right);
      [widthBefore, width] = [width, right - left];
      if (width <= 1e-10 * right) return null;
    }
    if (!Number.isFinite(next)) return null;
    t = next;
  }
  return null;
}

function lbfgs(objective, x0, limit) {
  const path = new Path(objective, limit);
  let x = x0, [f, g] = path.evaluate(x0), pairs = [];
  while (!path.full && largest(g) > GTOL) {
    let p = g.map((each) => -each);
    if (pairs.length === 0) p = p.map((each) => each / norm(g));
    else {
      const weights = [];
      for (const [s, y] of [...pairs].reverse()) {
        const weight = dot(s, p) / dot(s, y);
        weights.unshift(weight);
        p = plus(p, -weight, y);
      }
      const [s, y] = pairs.at(-1);
      p = p.map((each) => (dot(s, y) / dot(y, y)) * each);
      pairs.forEach(([s, y], i) => { p = plus(p, weights[i] - dot(y, p) / dot(s, y), s); });
    }
    const found = lineSearch(path, x, f, dot(g, p), p);
    if (found === null) {
      if (pairs.length === 0) break;
      pairs = [];
      continue;
    }
    const [step, value, gradient] = found, moved = plus(x, step, p), s = minus(moved, x), y = minus(gradient, g);
    if (dot(s, y) > Number.EPSILON * norm(s) * norm(y)) pairs = [...pairs, [s, y]].slice(-10);
    [x, f, g] = [moved, value, gradient];
  }
  return path;
}

const METHODS = {"gradient descent": gradientDescent, "momentum": heavyBall, "L-BFGS": lbfgs,
  "learned rule": learnedRule};

// ---------------------------------------------------------------- functions of two variables

const POINTS = [[1.2, 0.4, 1], [0.3, -1.1, 0], [-0.8, 0.9, 1], [1.9, -0.2, 1], [-1.4, -0.7, 0], [0.1, 1.6, 1],
  [-0.3, -1.9, 0], [2.2, 1.3, 1], [-2.1, 0.6, 0], [0.7, 0.2, 0]];

const FUNCTIONS = {
  "quadratic, condition 20": {
    area: [-3, 3, -3, 3], start: [-2.4, 1.2],
    of: ([x, y]) => [0.5 * (x * x + 20 * y * y), [x, 20 * y]]},
  "Rosenbrock": {
    area: [-2, 2, -1, 3], start: [-1.2, 1],
    of: ([x, y]) => [100 * (y - x * x) ** 2 + (1 - x) ** 2,
      [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)]]},
  "Himmelblau, four minima": {
    area: [-5, 5, -5, 5], start: [0.5, 0.5],
    of: ([x, y]) => {
      const a = x * x + y - 11, b = x + y * y - 7;
      return [a * a + b * b, [4 * x * a + 2 * b, 2 * a + 4 * y * b]];
    }},
  "Beale, a curved flat valley": {
    area: [-1, 4, -2, 2], start: [1, 1],
    of: ([x, y]) => {
      const r = [1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y ** 3], dx = [y - 1, y * y - 1, y ** 3 - 1];
      const dy = [x, 2 * x * y, 3 * x * y * y];
      return [dot(r, r), [2 * dot(r, dx), 2 * dot(r, dy)]];
    }},
  "logistic regression, ten points": {
    area: [-2, 6, -3, 5], start: [-1.5, -2],
    of: ([x, y]) => {
      let f = 0.005 * (x * x + y * y), g = [0.01 * x, 0.01 * y];
      for (const [a, b, label] of POINTS) {
        const sign = 2 * label - 1, z = -sign * (a * x + b * y), weight = -sign * sigmoid(z) / POINTS.length;
        f += (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))) / POINTS.length;
        g = plus(g, weight, [a, b]);
      }
      return [f, g];
    }}};
