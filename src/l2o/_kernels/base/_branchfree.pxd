# The functions of branchfree.h, as Cython sees them.
cdef extern from "branchfree.h" nogil:
    const double LOG2E "L2O_LOG2E"
    const double LN2 "L2O_LN2"
    double positive_part "l2o_positive_part"(double a)
    double by_sign "l2o_by_sign"(double sign, double positive, double negative)
    double exp2_minus "l2o_exp2_minus"(double a)
    double exp2_parts "l2o_exp2_parts"(double a, double* rest)
    double exp2_negabs "l2o_exp2_negabs"(double a)
    double log2_1p "l2o_log2_1p"(double e)
    double softplus2_parts "l2o_softplus2_parts"(double z, double e, double rest)
    float exp2_negabsf "l2o_exp2_negabsf"(float a)
    float softplus2_partsf "l2o_softplus2_partsf"(float z, float e)
    double log2_ge1 "l2o_log2_ge1"(double u)
    double log2_any "l2o_log2_any"(double u)
    double signed_log1p "l2o_signed_log1p"(double a)
    float signed_log1pf "l2o_signed_log1pf"(float a)
