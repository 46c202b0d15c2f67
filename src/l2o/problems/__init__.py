"""Problems: members of a family as the kernels run them, and a user's own functions turned into them."""

from l2o.problems.problems import (
    KERNELS,
    LOGISTIC,
    NEURAL_NET,
    ROBUST,
    Kernel,
    Objective,
    Problems,
    PythonObjective,
    from_blocks,
    number_of,
    problems_with_starts,
)

__all__ = ["KERNELS", "LOGISTIC", "NEURAL_NET", "ROBUST", "Kernel", "Objective", "Problems", "PythonObjective",
           "from_blocks", "number_of", "problems_with_starts"]
