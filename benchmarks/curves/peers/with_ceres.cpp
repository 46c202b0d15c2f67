// Batches of curve fits by Ceres' TinySolver; MODEL is one of models.h, POINTS their number or Eigen::Dynamic.
#include <cstdint>

#include <ceres/tiny_solver.h>
#include <ceres/tiny_solver_autodiff_function.h>

#include "models.h"

struct ByHand {
  using Scalar = double;
  enum { NUM_RESIDUALS = POINTS, NUM_PARAMETERS = Curve<MODEL>::d };
  const Curve<MODEL> &curve;
  explicit ByHand(const Curve<MODEL> &curve) : curve(curve) {}
  int NumResiduals() const { return curve.n; }
  bool operator()(const double *p, double *residuals, double *slopes) const {
    if (!slopes) return curve(p, residuals);
    curve.derived(p, residuals, slopes);
    return true;
  }
};

struct Sized : Curve<MODEL> {  // as Ceres asks for the number of residuals
  int NumResiduals() const { return this->n; }
};

using ByJets = ceres::TinySolverAutoDiffFunction<Sized, POINTS, Curve<MODEL>::d>;

template <class Function>
void fit_all(int64_t m, Sized curve, double *x, int64_t *evaluations, double tolerance, int most) {
  Function function(curve);  // which keeps a reference
  ceres::TinySolver<Function> solver;
  solver.options.function_tolerance = tolerance;
  solver.options.gradient_tolerance = solver.options.parameter_tolerance = 1e-14;
  solver.options.cost_threshold = 0.0;
  solver.options.max_num_iterations = most;
  for (int64_t i = 0; i < m; i++, curve.y += curve.n) {
    Eigen::Map<Eigen::Matrix<double, Sized::d, 1>> place(x + i * Sized::d);
    Eigen::Matrix<double, Sized::d, 1> p = place;
    curve.count = 0;
    solver.Solve(function, &p);
    place = p;
    evaluations[i] = curve.count;
  }
}

extern "C" void fit(int by_hand, int64_t m, int n, const double *t, const double *Y, double sigma, double *x,
                    int64_t *evaluations, double tolerance, int most) {
  Sized curve;
  curve.t = t;
  curve.y = Y;
  curve.weight = 1.0 / sigma;
  curve.n = n;
  if (by_hand)
    fit_all<ByHand>(m, curve, x, evaluations, tolerance, most);
  else
    fit_all<ByJets>(m, curve, x, evaluations, tolerance, most);
}
