// Batches of curve fits by cminpack's lmder with derivatives by hand; MODEL is one of models.h.
#include <cstdint>
#include <vector>

#include <cminpack-1/cminpack.h>

#include "models.h"

constexpr int d = Curve<MODEL>::d;

struct Fit {
  Curve<MODEL> curve;
  std::vector<double> unused;  // residuals beside derivatives: lmder's must stay
};

int evaluate(void *user, int, int, const double *p, double *residuals, double *slopes, int, int flag) {
  Fit &fit = *static_cast<Fit *>(user);
  if (flag == 1)
    fit.curve(p, residuals);
  else
    fit.curve.derived(p, fit.unused.data(), slopes);
  return 0;
}

extern "C" void fit(int, int64_t m, int n, const double *t, const double *Y, double sigma, double *x,
                    int64_t *evaluations, double tolerance, int most) {
  Fit fit{{t, Y, 1.0 / sigma, n}, std::vector<double>(n)};
  std::vector<double> residuals(n), slopes(n * d), work(n);
  double scale[d], qtf[d], first[d], second[d], third[d];
  int values, derivatives, pivots[d];
  for (int64_t i = 0; i < m; i++, fit.curve.y += n) {
    fit.curve.count = 0;
    lmder(evaluate, &fit, n, d, x + i * d, residuals.data(), slopes.data(), n, tolerance, 1e-14, 0.0, most, scale, 1,
          100.0, 0, &values, &derivatives, pivots, qtf, first, second, third, work.data());
    evaluations[i] = fit.curve.count;
  }
}
