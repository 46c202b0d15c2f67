CONVERGED: int
LIMIT: int
PRECISION_LOSS: int
NON_FINITE: int
OBJECTIVE_FAILED: int
TOO_FEW_POINTS: int
SINGULAR: int
STOPPED: int
MESSAGES: dict[int, str]
NO_TEST: int
GRADIENT: int
FALL: int
STEP: int
TESTS: dict[int, str]

__test__: dict[str, str]
