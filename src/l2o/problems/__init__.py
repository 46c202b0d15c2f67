"""Problems: members of a family as the kernels run them, and a user's own functions turned into them."""

from l2o.problems.kernel import KERNELS, LOGISTIC, NEURAL_NET, ROBUST, WEIGHTED_LOGISTIC, WEIGHTED_ROBUST, Kernel
from l2o.problems.problems import Objective, Problems, from_blocks, problems_with_starts
from l2o.problems.python import PythonObjective, number_of

__all__ = ["KERNELS", "LOGISTIC", "NEURAL_NET", "ROBUST", "WEIGHTED_LOGISTIC", "WEIGHTED_ROBUST", "Kernel", "Objective",
           "Problems", "PythonObjective", "from_blocks", "number_of", "problems_with_starts"]
