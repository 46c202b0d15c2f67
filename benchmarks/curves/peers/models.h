// The families of curves in C++, each twice: for any number type, which Ceres' Jets differentiate, and by hand.
//
// A curve is made of its parameters, so that what all points share is computed once. A point at t has k numbers t[0],
// t[1], ...; a row takes the derivatives by the parameters.
#pragma once

#include <cmath>

struct Point {
  const double *columns;  // k columns of n
  int n;
  double operator[](int c) const { return columns[c * n]; }
};

template <class T> struct Decay {
  static constexpr int d = 3;
  const T height, rate, offset;  // the logarithm of a height: a product of two exponentials has no vectors
  explicit Decay(const T *p) : height(p[0]), rate(exp(p[1])), offset(p[2]) {}
  T operator()(const Point &t) const { return exp(height - rate * t[0]) + offset; }
  T operator()(const Point &t, double *row) const {
    const double part = exp(height - rate * t[0]);
    row[0] = part;
    row[1] = -part * rate * t[0];
    row[2] = 1.0;
    return part + offset;
  }
};

template <class T> struct Spot {
  static constexpr int d = 5;
  const T light, x, y, width, ground;
  const T precision;
  explicit Spot(const T *p)
      : light(p[0]), x(p[1]), y(p[2]), width(p[3]), ground(p[4]), precision(1.0 / (p[3] * p[3])) {}
  T operator()(const Point &t) const {
    const T right = t[0] - x, up = t[1] - y;
    return light * exp(-0.5 * precision * (right * right + up * up)) + ground;
  }
  T operator()(const Point &t, double *row) const {
    const double right = t[0] - x, up = t[1] - y, far = right * right + up * up;
    row[0] = exp(-0.5 * precision * far);
    const double slope = light * row[0] * precision;
    row[1] = slope * right;
    row[2] = slope * up;
    row[3] = slope * far / width;
    row[4] = 1.0;
    return light * row[0] + ground;
  }
};

template <class T> struct Dose {
  static constexpr int d = 4;
  const T low, height, slope, middle;
  explicit Dose(const T *p) : low(p[0]), height(p[1] - p[0]), slope(p[2]), middle(p[3]) {}
  T operator()(const Point &t) const { return low + height / (1.0 + exp(slope * (t[0] - middle))); }
  T operator()(const Point &t, double *row) const {
    // of the exponential, kept finite: its square would be infinite times zero
    const double from = t[0] - middle, share = 1.0 / (1.0 + exp(slope * from)), bent = height * share * (1.0 - share);
    row[0] = 1.0 - share;
    row[1] = share;
    row[2] = -bent * from;
    row[3] = bent * slope;
    return low + height * share;
  }
};

template <class T> struct Ring {
  static constexpr int d = 5;
  static constexpr double turn = 2.0 * M_PI;
  const T height, rate, angular, phase, offset;
  explicit Ring(const T *p) : height(p[0]), rate(p[1]), angular(turn * p[2]), phase(p[3]), offset(p[4]) {}
  T operator()(const Point &t) const { return height * exp(-rate * t[0]) * cos(angular * t[0] + phase) + offset; }
  T operator()(const Point &t, double *row) const {
    // the sine as a cosine: sine and cosine of one angle are joined to a call that no vector has
    const double angle = angular * t[0] + phase, decayed = exp(-rate * t[0]);
    const double sine = height * decayed * cos(angle - M_PI_2);
    row[0] = decayed * cos(angle);
    row[1] = -height * row[0] * t[0];
    row[2] = -turn * sine * t[0];
    row[3] = -sine;
    row[4] = 1.0;
    return height * row[0] + offset;
  }
};

template <class T> struct Tensor {
  static constexpr int d = 7;
  const T *p;
  explicit Tensor(const T *p) : p(p) {}
  T operator()(const Point &t) const {
    T sum = p[0];
    for (int c = 0; c < 6; c++) sum += t[c] * p[c + 1];
    return exp(sum);
  }
  T operator()(const Point &t, double *row) const {
    double sum = p[0];
    for (int c = 0; c < 6; c++) sum += t[c] * p[c + 1];
    row[0] = exp(sum);
    for (int c = 0; c < 6; c++) row[c + 1] = row[0] * t[c];
    return row[0];
  }
};

// One curve with its data: residuals over sigma, and their derivatives in d columns of n. Evaluations are counted.
template <template <class> class Model> struct Curve {
  static constexpr int d = Model<double>::d;
  const double *t, *y;
  double weight;
  int n;
  mutable long count = 0;

  template <class T> bool operator()(const T *p, T *residuals) const {
    const Model<T> model(p);
    const double scale = weight;  // copies, which no write to the results can change
    const double *const where = t, *const values = y;
    const int points = n;
    count++;
#pragma GCC ivdep
    for (int i = 0; i < points; i++) residuals[i] = scale * (model(Point{where + i, points}) - values[i]);
    return true;
  }

  void derived(const double *p, double *__restrict residuals, double *__restrict slopes) const {
    const Model<double> model(p);
    const double scale = weight;
    const double *const where = t, *const values = y;
    const int points = n;
    count++;
#pragma GCC ivdep
    for (int i = 0; i < points; i++) {
      double row[d];
      const double value = model(Point{where + i, points}, row);
      residuals[i] = scale * (value - values[i]);
      for (int a = 0; a < d; a++) slopes[a * points + i] = scale * row[a];
    }
  }
};
